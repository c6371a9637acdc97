//! What the runtime asks of a store about jobs, beside what happens in transactions ([`Tx`](crate::store::Tx)).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::WorkerId;
use crate::ids::MessageId;
use crate::store::{Member, StoreError, Watch};

/// What a heartbeat told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Of the worker's running jobs those that are to be cancelled, with the attempt that is and the reason. Told with each
    /// heartbeat until their attempts have ended.
    pub cancelled: Vec<(MessageId, u32, String)>,
}

/// What became of the wish to cancel a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled.
    AtOnce,
    /// It is running; its worker hears of it with the next heartbeat. It may yet be done, or dead, first; however its attempt
    /// ends otherwise, it is cancelled then and not tried again.
    Asked,
}

/// A recurring job as the application declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronSpec {
    /// Its durable name, `<module>.<name>`.
    pub name: Arc<str>,
    /// The expression with its time zone, as people wrote it: when it changes, the next time is computed anew.
    pub expression: String,
    /// The next time after now.
    pub next: Timestamp,
    /// One on record that is due later than this was entered or moved when the clock was ahead: it is due at `next` instead.
    pub latest: Timestamp,
}

/// When a recurring job is due next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronTick {
    /// Its durable name.
    pub name: Arc<str>,
    /// When. In the past if no process was there at that time.
    pub due: Timestamp,
}

/// Jobs, their workers and their queues.
#[async_trait]
pub trait JobStore {
    /// Enters a worker: a process, for its consumers and jobs alike. Its lease lasts for `lease` after each
    /// [`heartbeat`](Self::heartbeat); when it has lapsed, others may take over what the worker holds or had claimed.
    async fn enlist(&self, member: &Member, lease: Duration) -> Result<WorkerId, StoreError>;

    /// Renews a worker's lease, also one that has lapsed but was not taken over. Fails with [`StoreError::Fenced`] once it
    /// was: all attempts of the worker are void then.
    async fn heartbeat(&self, worker: WorkerId) -> Result<Heartbeat, StoreError>;

    /// Takes over what lost workers had claimed: those of ended processes, and those whose lease has lapsed, other than
    /// `worker` itself, whatever its own lease. Each such attempt is [lost](super::AttemptEnd::Lost), its job becomes a
    /// [suspect](super::JobState::Suspect) (one that was asked to be cancelled is cancelled), and the workers' ids are
    /// void. Returns how many jobs that were. (A partition needs no taking over: it is [held](crate::store::Store::hold) anew.)
    async fn take_over(&self, worker: WorkerId, now: Timestamp) -> Result<u64, StoreError>;

    /// Strikes a worker off that stops in order. Jobs that it has claimed and not ended are given back; partitions that it has
    /// not [given back](crate::store::Store::give_back) were not left in order. Does nothing if its id is void already.
    async fn dismiss(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError>;

    /// Makes jobs of these names (the first of each pair) wait in these queues, wherever they waited before; also those that
    /// run now, or are revived later. Order per key is order within a queue: jobs that part with their queue wait for each
    /// other no more, and of those that come together one runs at a time. Returns the names that it was told before and
    /// is not told now, each with how many of its jobs have not ended (dead ones among them), for as long as there are any.
    async fn place_jobs(&self, queues: &[(Arc<str>, Arc<str>)]) -> Result<Vec<(Arc<str>, u64)>, StoreError>;

    /// Cancels a job that has not ended and is not dead: a dead one is [discarded](Self::discard_job). Fails with
    /// [`StoreError::NotFound`] if there is none.
    async fn cancel_job(&self, id: MessageId, reason: &str, now: Timestamp) -> Result<Cancelled, StoreError>;

    /// Lets a dead, scheduled or cancelled job run now, with all its retries before it and no suspicion against it; its
    /// attempts are counted on. A cancelled one takes its unique key back. Fails with [`StoreError::NotFound`] if there is no
    /// such job in such a state, and with [`StoreError::UniqueTaken`] if another job has its key by now.
    async fn revive_job(&self, id: MessageId, now: Timestamp) -> Result<(), StoreError>;

    /// Gives a dead job up for good. Fails with [`StoreError::NotFound`] if there is no dead job of that id.
    async fn discard_job(&self, id: MessageId, reason: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Stops claims from a queue, those of suspects among them, until it is resumed; what runs goes on. The last reason counts.
    async fn pause_queue(&self, queue: &str, reason: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Lets a queue go on.
    async fn resume_queue(&self, queue: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Of these queues those that have [suspects](super::JobState::Suspect) of these names which can be claimed now, in any
    /// order. It is asked often, mostly where there are none.
    async fn suspects(&self, queues: &[Arc<str>], names: &[Arc<str>]) -> Result<Vec<Arc<str>>, StoreError>;

    /// Enters recurring jobs, and drops those that are not named any more. One that is on record with the same expression
    /// keeps its time, unless that is later than it can be. Returns when each of them is due.
    async fn register_crons(&self, crons: &[CronSpec], now: Timestamp) -> Result<Vec<CronTick>, StoreError>;

    /// Returns when there may be something to claim from a queue, suspects among it (also because an attempt has ended that was
    /// claimed under a [limit](super::Claim::running_max)), or when the next job of it may be due earlier than a claim has told: see [`Store::watch`](crate::store::Store::watch).
    fn watch_queue(&self, queue: &str) -> Box<dyn Watch>;
}
