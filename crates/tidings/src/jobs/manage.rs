//! What people do with jobs and queues.

use std::sync::Arc;

use tidings_core::ids::MessageId;
use tidings_core::store::{AttemptRow, Cancelled, JobFilter, JobRow, QueueStatus, StoreError};

use super::Cancel;
use crate::app::App;
use crate::ctx::in_handler;

/// Why nothing became of a decision about a job or a queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// Called from inside a handler, whose transaction it may wait for.
    #[error("{handler} called `{call}`, which may wait for that handler itself; decide outside of handlers")]
    InsideHandler {
        /// The handler that called.
        handler: Arc<str>,
        /// What it called.
        call: &'static str,
    },
    /// Called without a reason.
    #[error("`{call}` was given no reason; give one: it is kept, for whoever asks later")]
    NoReason {
        /// What was called.
        call: &'static str,
    },
    /// There is no such job in such a state, no such queue, or the store cannot tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The jobs of an application; see [`App::jobs`].
///
/// ```
/// use tidings::App;
/// use tidings::store::{JobFilter, JobState};
///
/// async fn revive_all(app: &App) -> Result<(), Box<dyn std::error::Error>> {
///     let dead = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
///     for job in app.jobs().list(&dead, 100).await? {
///         app.jobs().retry(job.id).await?;
///     }
///     Ok(())
/// }
/// ```
pub struct Jobs<'a> {
    pub(crate) app: &'a App,
}

impl Jobs<'_> {
    /// Jobs on record, oldest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRow>, StoreError> {
        self.app.store().jobs(filter, limit).await
    }

    /// One job, with what it reported last of its progress.
    ///
    /// # Errors
    /// The store's.
    pub async fn get(&self, id: MessageId) -> Result<Option<JobRow>, StoreError> {
        self.app.store().job(id).await
    }

    /// The attempts of a job that did not complete it, oldest first: the newest [`ATTEMPTS_KEPT`](crate::store::ATTEMPTS_KEPT).
    ///
    /// # Errors
    /// The store's.
    pub async fn attempts(&self, id: MessageId) -> Result<Vec<AttemptRow>, StoreError> {
        self.app.store().attempts(id).await
    }

    /// Cancels a job that has not ended, for a reason that is kept. The handler of one that runs is dropped at its next
    /// await; it may yet be done first.
    ///
    /// # Errors
    /// If there is no such job, it has ended, or the reason is empty; the store's. Fails at once inside a handler.
    pub async fn cancel(&self, id: MessageId, reason: &str) -> Result<Cancelled, JobError> {
        refuse_inside_handler("jobs().cancel")?;
        must_say_why("jobs().cancel", reason)?;
        let shared = &self.app.shared;
        // Read before: an attempt that begins meanwhile hears of it by the heartbeat, and one after that is not meant.
        let attempt = shared.store.job(id).await?.map(|job| job.attempts);
        let cancelled = shared.store.cancel_job(id, reason, shared.clock.now()).await?;
        if let (Cancelled::Asked, Some(attempt)) = (cancelled, attempt) {
            // If it runs here that need not wait for the heartbeat; where nobody works, nobody hears it.
            let _ = shared.jobs.cancels.send(Cancel { id, attempt, reason: reason.into() });
        }
        Ok(cancelled)
    }

    /// Lets a dead, scheduled or cancelled job run now, with all its retries before it. A cancelled one takes its unique key
    /// back.
    ///
    /// # Errors
    /// If there is no such job in such a state, or another job has its unique key by now; the store's. Fails at once inside a handler.
    pub async fn retry(&self, id: MessageId) -> Result<(), JobError> {
        refuse_inside_handler("jobs().retry")?;
        let shared = &self.app.shared;
        Ok(shared.store.revive_job(id, shared.clock.now()).await?)
    }

    /// Gives a dead job up, for a reason that is kept. What waits behind it goes on.
    ///
    /// # Errors
    /// If there is no dead job of that id, or the reason is empty; the store's. Fails at once inside a handler.
    pub async fn discard(&self, id: MessageId, reason: &str) -> Result<(), JobError> {
        refuse_inside_handler("jobs().discard")?;
        must_say_why("jobs().discard", reason)?;
        let shared = &self.app.shared;
        Ok(shared.store.discard_job(id, reason, shared.clock.now()).await?)
    }
}

/// The queues of an application; see [`App::queues`].
///
/// ```
/// use tidings::{App, JobError};
///
/// async fn while_the_supplier_is_down(app: &App) -> Result<(), JobError> {
///     app.queues().pause("suppliers", "the supplier is down until noon").await
/// }
/// ```
pub struct Queues<'a> {
    pub(crate) app: &'a App,
}

impl Queues<'_> {
    /// The queues in which jobs of this application wait, and those that have jobs on record or are paused, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self) -> Result<Vec<QueueStatus>, StoreError> {
        let mut queues = self.app.store().queues().await?;
        for declared in &self.app.shared.jobs.queues {
            if queues.iter().all(|queue| queue.name != declared.name) {
                let name = declared.name.clone();
                let empty =
                    QueueStatus { name, paused: None, jobs: Vec::new(), oldest_ready: None, next_due: None };
                queues.push(empty);
            }
        }
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(queues)
    }

    /// Starts no more jobs of a queue, in any process, until it is [resumed](Self::resume); those that run go on.
    ///
    /// # Errors
    /// If there is no such queue, or the reason is empty; the store's. Fails at once inside a handler.
    pub async fn pause(&self, name: &str, reason: &str) -> Result<(), JobError> {
        refuse_inside_handler("queues().pause")?;
        must_say_why("queues().pause", reason)?;
        self.must_exist(name).await?;
        let shared = &self.app.shared;
        Ok(shared.store.pause_queue(name, reason, shared.clock.now()).await?)
    }

    /// Lets a queue go on.
    ///
    /// # Errors
    /// If there is no such queue; the store's. Fails at once inside a handler.
    pub async fn resume(&self, name: &str) -> Result<(), JobError> {
        refuse_inside_handler("queues().resume")?;
        self.must_exist(name).await?;
        let shared = &self.app.shared;
        Ok(shared.store.resume_queue(name, shared.clock.now()).await?)
    }

    async fn must_exist(&self, name: &str) -> Result<(), StoreError> {
        let is_declared = self.app.shared.jobs.queues.iter().any(|queue| *queue.name == *name);
        if is_declared || self.app.store().is_queue(name).await? {
            return Ok(());
        }
        Err(StoreError::NotFound { what: format!("queue `{name}`") })
    }
}

fn refuse_inside_handler(call: &'static str) -> Result<(), JobError> {
    match in_handler::current() {
        Some(handler) => Err(JobError::InsideHandler { handler, call }),
        None => Ok(()),
    }
}

fn must_say_why(call: &'static str, reason: &str) -> Result<(), JobError> {
    match reason.trim().is_empty() {
        true => Err(JobError::NoReason { call }),
        false => Ok(()),
    }
}
