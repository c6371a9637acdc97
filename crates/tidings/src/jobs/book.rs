//! The jobs and queues of an application.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::retry::RetrySchedule;
use tokio::sync::{broadcast, watch};

use super::cron::Cron;
use super::{JobRoute, QueueFacts};
use crate::module::ModuleFacts;

/// A job with everything that is settled about it.
pub(crate) struct JobFacts {
    pub(crate) name: Arc<str>,
    /// For errors and logs: ``job `inventory.reorder` ``.
    pub(crate) label: Arc<str>,
    pub(crate) module: Arc<ModuleFacts>,
    pub(crate) route: JobRoute,
    pub(crate) queue: Arc<QueueFacts>,
    pub(crate) schedule: RetrySchedule,
    pub(crate) timeout: Duration,
    pub(crate) priority: i16,
    pub(crate) continue_after_dead: bool,
}

/// That an attempt at a job is to be cancelled. A wish may be heard late, and is not for the attempts that follow.
#[derive(Clone)]
pub(crate) struct Cancel {
    pub(crate) id: MessageId,
    pub(crate) attempt: u32,
    pub(crate) reason: Arc<str>,
}

/// Wishes that wait while a queue's loop is in a transaction; when there are more the heartbeat tells of them again.
const CANCELS_WAITING_MAX: usize = 256;

/// All jobs and queues of an application.
pub(crate) struct JobBook {
    jobs: HashMap<&'static str, Arc<JobFacts>>,
    pub(crate) queues: Vec<Arc<QueueFacts>>,
    pub(crate) crons: Vec<Arc<Cron>>,
    /// Tells whoever runs a job that it is to be cancelled.
    pub(crate) cancels: broadcast::Sender<Cancel>,
    /// Tells them that running jobs are to be given back.
    pub(crate) give_back: watch::Sender<bool>,
    /// Tidings itself, as the owner of what it publishes.
    pub(crate) tidings: Arc<ModuleFacts>,
}

impl JobBook {
    pub(crate) fn new(
        jobs: HashMap<&'static str, Arc<JobFacts>>,
        queues: Vec<Arc<QueueFacts>>,
        crons: Vec<Arc<Cron>>,
    ) -> Self {
        let (cancels, _) = broadcast::channel(CANCELS_WAITING_MAX);
        let (give_back, _) = watch::channel(false);
        Self { jobs, queues, crons, cancels, give_back, tidings: Arc::new(super::died::owner()) }
    }

    pub(crate) fn job(&self, name: &str) -> Option<&Arc<JobFacts>> {
        self.jobs.get(name)
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Arc<JobFacts>> {
        self.jobs.values()
    }

    /// Whether an attempt is under way here.
    pub(crate) fn is_running(&self) -> bool {
        self.worked().any(|queue| queue.slots.available_permits() < queue.concurrency)
    }

    /// The queues that this process works.
    pub(crate) fn worked(&self) -> impl Iterator<Item = &Arc<QueueFacts>> {
        self.queues.iter().filter(|queue| queue.is_worked)
    }
}
