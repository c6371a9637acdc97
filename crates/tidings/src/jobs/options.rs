//! How a job is run.

use std::time::Duration;

use tidings_core::retry::RetrySchedule;

use super::{JobRoute, Queue};

/// Options of a job; see [`Module::job_with`](crate::Module::job_with).
///
/// ```
/// use std::time::Duration;
/// use tidings::JobOptions;
///
/// let for_mail = |options: JobOptions| options.timeout(Duration::from_secs(30)).priority(-5).continue_after_dead();
/// let options = for_mail(JobOptions::default());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options are returned to whoever asked for them"]
pub struct JobOptions {
    pub(crate) schedule: Option<RetrySchedule>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) priority: i16,
    pub(crate) continue_after_dead: bool,
}

impl JobOptions {
    /// Retry on this schedule instead of the application's (`jobs.retry_seconds`).
    pub fn retry(mut self, schedule: RetrySchedule) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// An attempt that takes longer has failed; `jobs.timeout_seconds` unless it is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The lower, the sooner its jobs run among those of their queue; 0 unless it is said, here or when one is enqueued.
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// When a job is dead, go on with the later jobs of its key instead of waiting for a person.
    pub fn continue_after_dead(mut self) -> Self {
        self.continue_after_dead = true;
        self
    }
}

/// A job as a module declares it.
pub(crate) struct JobDeclaration {
    pub(crate) queue: Queue,
    pub(crate) route: JobRoute,
    pub(crate) options: JobOptions,
}
