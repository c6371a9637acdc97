//! Enqueueing.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use tidings_core::contract::Job;
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::store::NewJob;

use super::wish::{Wish, new_job_of, told, wishes};
use super::{IntoEnqueue, UniqueKeyTaken};
use crate::app::Shared;
use crate::ctx::{CtxCore, Origin};
use crate::module::ModuleFacts;
use crate::outbox::Outbox;

/// A job that was enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id; its handler sees it as the dedupe key.
    pub id: MessageId,
    /// False if a job with the same unique key and payload was there already: then this is that one's id.
    pub is_new: bool,
}

/// What became of each of several jobs.
pub(crate) type EnqueuedMany = Vec<Result<Enqueued, UniqueKeyTaken>>;

/// A job about to be enqueued; await it. Made by [`Ctx::enqueue`](crate::Ctx::enqueue),
/// [`Outbox::enqueue`](crate::Outbox::enqueue), `Outbox::enqueue_in` and `OutboxTx::enqueue`.
#[must_use = "a job is enqueued when this is awaited"]
pub struct Enqueue<'a, J> {
    within: Within<'a>,
    job: J,
    wish: Wish,
}

/// In whose transaction.
pub(crate) enum Within<'a> {
    /// A handler's.
    Handler(&'a mut CtxCore),
    /// One of its own.
    Outbox(&'a Outbox),
    /// One that somebody began.
    #[cfg(feature = "sqlx")]
    Begun(&'a mut dyn crate::outbox::Begun),
    /// One on somebody's own connection.
    #[cfg(feature = "sqlx")]
    Own(&'a Outbox, crate::outbox::Own<'a>),
}

impl<'a, J: Job> Enqueue<'a, J> {
    pub(crate) fn new(within: Within<'a>, job: J) -> Self {
        Self { within, job, wish: Wish::default() }
    }

    wishes!();

    async fn enqueue(self) -> Result<Enqueued> {
        let Self { mut within, job, wish } = self;
        let new = within.prepare(|shared, module, origin| new_job_of(shared, module, origin, &job, &wish))?;
        let name = new.name.clone();
        let rows = within.enqueue(vec![new]).await?;
        let row = rows.into_iter().next();
        let unanswered = || Error::failed(format!("the store does not say what became of job `{name}`"));
        row.ok_or_else(unanswered)?.map_err(Error::permanent)
    }
}

impl<'a, J: Job> IntoFuture for Enqueue<'a, J> {
    type Output = Result<Enqueued>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.enqueue())
    }
}

impl Within<'_> {
    pub(crate) async fn enqueue_many<T: IntoEnqueue>(
        mut self,
        jobs: impl IntoIterator<Item = T>,
    ) -> Result<EnqueuedMany> {
        let jobs = self.prepare(|shared, module, origin| {
            let prepare = |job: T| super::wish::new_job(shared, module, origin, &job.into_enqueue());
            jobs.into_iter().map(prepare).collect::<Result<Vec<_>>>()
        })?;
        self.enqueue(jobs).await
    }

    fn prepare<T>(&self, prepare: impl FnOnce(&Shared, &ModuleFacts, &Origin) -> Result<T>) -> Result<T> {
        match self {
            Self::Handler(core) => prepare(&core.shared, &core.module, &core.origin),
            Self::Outbox(outbox) => outbox.prepare(prepare),
            #[cfg(feature = "sqlx")]
            Self::Begun(tx) => tx.outbox().prepare(prepare),
            #[cfg(feature = "sqlx")]
            Self::Own(outbox, _) => outbox.prepare(prepare),
        }
    }

    async fn enqueue(&mut self, jobs: Vec<NewJob>) -> Result<EnqueuedMany> {
        match self {
            Self::Handler(core) => core.enqueue(jobs).await,
            Self::Outbox(outbox) => outbox.enqueue_now(jobs).await,
            #[cfg(feature = "sqlx")]
            Self::Begun(tx) => tx.enqueue_here(jobs).await,
            #[cfg(feature = "sqlx")]
            Self::Own(outbox, own) => outbox.enqueue_own(own, jobs).await,
        }
    }
}

impl CtxCore {
    /// Enqueues in the handler's transaction. What is new for certain waits until the handler has ended, so that one that
    /// only enqueues does not hold the writer while it runs; a unique key is looked up at once.
    async fn enqueue(&mut self, jobs: Vec<NewJob>) -> Result<EnqueuedMany> {
        if jobs.iter().all(|job| job.unique.is_none()) {
            let all_new = jobs.iter().map(|job| Ok(Enqueued { id: job.id, is_new: true })).collect();
            self.jobs.extend(jobs);
            return Ok(all_new);
        }
        // Jobs run in the order of their enqueueing, so those that wait here go first.
        self.write_jobs().await?;
        let rows = self.tx().await.enqueue(&jobs).await?;
        Ok(told_all(&jobs, rows))
    }

    /// Writes the jobs that were enqueued so far.
    pub(crate) async fn write_jobs(&mut self) -> Result<()> {
        let jobs = std::mem::take(&mut self.jobs);
        if !jobs.is_empty() {
            self.tx().await.enqueue(&jobs).await?;
        }
        Ok(())
    }
}

/// What the store says of several jobs, each in its place.
pub(crate) fn told_all(jobs: &[NewJob], rows: Vec<tidings_core::store::Enqueued>) -> EnqueuedMany {
    jobs.iter().zip(rows).map(|(job, row)| told(job, row)).collect()
}
