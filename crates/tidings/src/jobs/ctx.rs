//! What the handler of a job works with.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_core::contract::{Command, Query};
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::trace::TraceContext;

use super::ends::{RetryAfter, Snoozed};
use super::{Attempt, Finish};
use crate::command::SendCommand;
use crate::ctx::{Driver, Portable};
use crate::decode;
use crate::query::AskQuery;

/// What the handler of a job works with: no transaction is open, so it may wait for the world outside.
///
/// A job is done at least once. What it does outside the database it does with [`dedupe_key`](Self::dedupe_key), which is
/// the same for every attempt; what it writes, it writes in its one transaction, [`finish`](Self::finish).
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tidings::{Job, JobCtx, Module, Queue, Result, sql};
///
/// #[derive(Job, Serialize, Deserialize)]
/// #[job("inventory.reorder")]
/// struct Reorder {
///     sku: String,
/// }
///
/// # async fn order_at_supplier(key: tidings::MessageId, sku: &str) -> Result<String> { Ok(format!("{key}{sku}")) }
/// async fn reorder(ctx: &mut JobCtx, job: Reorder) -> Result<()> {
///     let receipt = order_at_supplier(ctx.dedupe_key(), &job.sku).await?;
///     let mut done = ctx.finish().await?;
///     sql("INSERT INTO receipts (sku, receipt) VALUES ($1, $2)").bind(&job.sku).bind(receipt).execute(done.tx()).await?;
///     done.commit().await
/// }
///
/// let inventory = Module::new("inventory").job(Queue::named("suppliers").concurrency(8), reorder);
/// ```
pub struct JobCtx<D = Portable> {
    attempt: Arc<Attempt>,
    driver: PhantomData<fn() -> D>,
}

impl<D: Driver> JobCtx<D> {
    pub(super) fn of(attempt: Arc<Attempt>) -> Self {
        Self { attempt, driver: PhantomData }
    }

    /// Begins the job's one transaction, which ends it. Until then none is open; from then on await nothing but the
    /// database.
    ///
    /// It is taken back when the budget of write transactions is used up, also from a handler that blocks its thread or has
    /// forgotten it. One case is left: what `tx()` of a `JobCtx<sqlx::Sqlite>` has given out may still be in use, for all the
    /// store can tell, until the next call or the end of the [`Finish`]; one that is forgotten, or whose handler blocks, right
    /// after such a statement keeps everybody from writing for as long as that lasts.
    ///
    /// # Errors
    /// If the attempt has ended meanwhile, because it took too long or its worker was taken for lost: somebody else has the
    /// job then, and nothing was written. The database's.
    pub async fn finish(&mut self) -> Result<Finish<'_, D>> {
        Finish::begin(&self.attempt).await
    }

    /// What tells this job from all others, and is the same for each attempt: give it to whatever you call outside.
    #[must_use]
    pub fn dedupe_key(&self) -> MessageId {
        self.attempt.id()
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.attempt.id()
    }

    /// Which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt.job.lease.attempt
    }

    /// Whether the job is dead if this attempt fails.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.attempt.job.failures.saturating_add(1) >= self.attempt.facts.schedule.attempts_max()
    }

    /// What the job is ordered by.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.attempt.job.key.as_ref()
    }

    /// Business time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.attempt.shared.clock.now()
    }

    /// When the attempt will have failed because it takes too long, in business time.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.attempt.deadline
    }

    /// The flow the job belongs to.
    #[must_use]
    pub fn correlation_id(&self) -> MessageId {
        self.attempt.job.correlation_id
    }

    /// The trace context of this attempt.
    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        self.attempt.trace()
    }

    /// Says how far the job has come, for people and for the next attempt. It is durable, but for reports that follow one
    /// another within a second, of which the last is kept at the end of the attempt.
    ///
    /// # Errors
    /// If it cannot be written as JSON or is larger than `jobs.body_bytes_max`; the database's.
    pub async fn progress(&mut self, progress: impl Serialize + Send) -> Result<()> {
        self.attempt.report(&progress).await
    }

    /// What an earlier attempt reported last.
    ///
    /// # Errors
    /// If it does not decode.
    pub fn last_progress<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let text = self.attempt.job.progress.as_deref();
        Ok(text.map(decode::from_str).transpose()?)
    }

    /// Sends a command and waits for its outcome, as [`App::send`](crate::App::send) does; it belongs to the flow and trace
    /// of the job. An attempt that is made again sends it again: give it
    /// [`.idempotency_key(ctx.dedupe_key().to_string())`](SendCommand::idempotency_key) if that matters.
    ///
    /// Not while the job [finishes](Self::finish): there, `done.send` sends a durable message.
    pub fn send<C: Command>(&self, command: C) -> SendCommand<'_, C> {
        SendCommand::from_job(&self.attempt, command)
    }

    /// Asks a query of its own context, as [`App::ask`](crate::App::ask) does.
    pub fn ask<Q: Query>(&self, query: Q) -> AskQuery<'_, Q> {
        AskQuery::from_job(&self.attempt, query)
    }

    /// Asks to be run later, which is no failure: `return Err(ctx.snooze(Duration::from_secs(60)))`.
    #[must_use = "it is returned as the handler's error"]
    pub fn snooze(&self, time: Duration) -> Error {
        Error::failed(Snoozed(time))
    }

    /// A failure after which the job is to be tried again after so much time, instead of what its schedule says:
    /// `return Err(ctx.retry_after(Duration::from_secs(30), error))`. It counts on the schedule all the same.
    #[must_use = "it is returned as the handler's error"]
    pub fn retry_after(&self, time: Duration, error: impl Into<Error>) -> Error {
        Error::failed(RetryAfter { time, source: error.into().into_source() })
    }

    /// Returns when the attempt is called off: cancelled by a person, out of time, given back because the application stops,
    /// or over. The handler itself is dropped then at its next await; this is for what it runs elsewhere, on a thread for
    /// example.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        let attempt = self.attempt.clone();
        async move { attempt.called_off().await }
    }

    /// Whether the attempt was called off, for work that does not await.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.attempt.is_called_off()
    }
}
