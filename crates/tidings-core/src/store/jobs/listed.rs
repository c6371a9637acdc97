//! Jobs and queues as they are listed.

use std::sync::Arc;

use jiff::Timestamp;

use super::{DeathReason, WorkerId};
use crate::ids::MessageId;
use crate::key::Key;

/// A job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobState {
    /// Its time has not come: it was delayed, snoozed, or waits for another attempt.
    Scheduled,
    /// It may run now.
    Ready,
    /// It may run now, but alone: its worker was lost while it ran.
    Suspect,
    /// It waits behind an earlier job of its key.
    Behind,
    /// An attempt is under way.
    Running,
    /// It is done.
    Completed,
    /// There is no further attempt until a person decides.
    Dead,
    /// It was cancelled before it was done.
    Cancelled,
    /// It was dead, and a person gave it up.
    Discarded,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 9] = [
        Self::Scheduled,
        Self::Ready,
        Self::Suspect,
        Self::Behind,
        Self::Running,
        Self::Completed,
        Self::Dead,
        Self::Cancelled,
        Self::Discarded,
    ];

    /// The stored and displayed form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Suspect => "suspect",
            Self::Behind => "behind",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }

    /// Reads the stored form back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing will happen to the job any more: its record is kept for a while.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Discarded)
    }
}

/// A job on record.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// Its id.
    pub id: MessageId,
    /// Its name.
    pub name: Arc<str>,
    /// Its queue.
    pub queue: Arc<str>,
    /// Its state.
    pub state: JobState,
    /// The lower, the sooner.
    pub priority: i16,
    /// What it is ordered by.
    pub key: Option<Key>,
    /// Whose job it is, where several take turns in a queue.
    pub share: Option<Arc<str>>,
    /// Attempts begun.
    pub attempts: u32,
    /// Attempts that failed and count on the retry schedule, the one after which it is dead among them; from zero again after
    /// a person's retry.
    pub failures: u32,
    /// How often its worker was lost while it ran, since it last ended an attempt by itself (to be given back is no such
    /// end); from zero again after a person's retry.
    pub losses: u32,
    /// When it was enqueued.
    pub at: Timestamp,
    /// When it is due, if it is scheduled; else when it was due last.
    pub due: Timestamp,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it came to its present end, if it is dead or final.
    pub ended_at: Option<Timestamp>,
    /// Who is at it.
    pub worker: Option<WorkerId>,
    /// Why it is dead.
    pub death: Option<DeathReason>,
    /// The last error.
    pub error: Option<String>,
    /// Why it was cancelled or discarded, or is to be cancelled while it runs.
    pub reason: Option<String>,
    /// What it reported last, as JSON text.
    pub progress: Option<String>,
    /// The module it belongs to.
    pub source: Arc<str>,
    /// The flow it belongs to.
    pub correlation_id: MessageId,
    /// What caused it.
    pub causation_id: Option<MessageId>,
    /// The payload, as JSON text.
    pub data: String,
}

/// How an attempt that did not complete its job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptEnd {
    /// With an error.
    Failed,
    /// It asked to be run later.
    Snoozed,
    /// It was cancelled.
    Cancelled,
    /// Its worker stopped in order.
    GivenBack,
    /// Its worker was lost: the process ended, or did not renew its lease.
    Lost,
}

impl AttemptEnd {
    /// The stored and displayed form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Snoozed => "snoozed",
            Self::Cancelled => "cancelled",
            Self::GivenBack => "given back",
            Self::Lost => "lost",
        }
    }

    /// Reads the stored form back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Failed, Self::Snoozed, Self::Cancelled, Self::GivenBack, Self::Lost]
            .into_iter()
            .find(|end| end.as_str() == text)
    }
}

/// So many attempts are kept of each job, the newest. One that looks every second whether something has come, and snoozes,
/// makes millions of them in a month.
pub const ATTEMPTS_KEPT: u32 = 100;

/// One attempt that did not complete its job. The one that did is told by the job itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// Who made it.
    pub worker: WorkerId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, or was found to be lost.
    pub ended_at: Timestamp,
    /// How.
    pub end: AttemptEnd,
    /// The error and its causes; empty if there was none.
    pub error: String,
}

/// Which jobs to list; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Of this queue.
    pub queue: Option<Arc<str>>,
    /// Of this name.
    pub name: Option<Arc<str>>,
    /// In this state.
    pub state: Option<JobState>,
}

/// A queue as the store knows it: one that has jobs on record, or a name of jobs that wait in it, or was paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Why it is paused, if it is.
    pub paused: Option<String>,
    /// How many of its jobs are in which state; states without jobs are left out.
    pub jobs: Vec<(JobState, u64)>,
    /// When the oldest job that may run now was enqueued.
    pub oldest_ready: Option<Timestamp>,
    /// When the next of those is due whose time has not come.
    pub next_due: Option<Timestamp>,
}

impl QueueStatus {
    /// How many jobs are in a state.
    #[must_use]
    pub fn count(&self, state: JobState) -> u64 {
        self.jobs.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count)
    }
}
