//! One transaction: tables, log, cursors and outcomes under one commit.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use jiff::Timestamp;

use super::{
    Begun, Claim, Claimed, ClaimedJob, Enqueued, JobEnd, JobLease, Lease, NewJob, OutcomeRecord, Parked,
    Receipt, Settled, StoreError, WorkerId,
};
use crate::envelope::{Cursor, Envelope, Position};
use crate::value::{Row, Value};

/// A place inside a transaction to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a savepoint is either released or rolled back to"]
pub struct Savepoint(pub u32);

/// The module on whose behalf a statement runs, and the tables it may touch.
#[derive(Clone, Copy, Debug)]
pub struct TableScope<'a> {
    /// The module's name.
    pub module: &'a str,
}

/// One numbered change of a module's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number; migrations are applied in ascending order.
    pub version: i64,
    /// Its name, for people.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// An open transaction. It is committed by whoever lent it, never by its user.
#[async_trait]
pub trait Tx: Send {
    /// Appends messages in order. They become visible to consumers when the transaction commits.
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError>;

    /// Moves a consumer's cursor and writes the receipt of what it handled, if anything. Clears its
    /// [`begin_batch`](Self::begin_batch) mark. Fails with [`StoreError::Fenced`] if the lease is void.
    async fn advance(
        &mut self,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError>;

    /// Takes messages out of a consumer's way: failed ones with their schedule, and those that wait behind them. The order
    /// of a key's parked messages is the order in which they were parked.
    async fn park(&mut self, lease: &Lease, parked: &[Parked]) -> Result<(), StoreError>;

    /// Records what became of one parked message. When it was the head of its key and no longer holds the key, the
    /// next one behind it becomes the head, due at once. Clears the consumer's [`begin_batch`](Self::begin_batch) mark.
    async fn settle(&mut self, lease: &Lease, position: Position, how: &Settled) -> Result<(), StoreError>;

    /// Marks messages as begun by a careful consumer; see [`Begun`].
    async fn begin_batch(&mut self, lease: &Lease, begun: &Begun) -> Result<(), StoreError>;

    /// Stores a command's outcome. Fails with [`StoreError::IdempotencyKeyUsed`] if its key is on record.
    async fn record_outcome(&mut self, outcome: &OutcomeRecord) -> Result<(), StoreError>;

    /// Ends a command: appends its messages and stores its outcome. A store whose statements are expensive one by one
    /// does both in one.
    async fn conclude(&mut self, messages: &[Envelope], outcome: &OutcomeRecord) -> Result<(), StoreError> {
        if !messages.is_empty() {
            self.append(messages).await?;
        }
        self.record_outcome(outcome).await
    }

    /// Enqueues jobs, in order. They can be claimed when the transaction commits.
    async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError>;

    /// Claims jobs of one queue that may run now, lowest priority first, then [share](NewJob::share) by share in turns, and of
    /// one share in the order of their enqueueing. Each begins an attempt. From a paused queue, and under a void worker's id, nothing is claimed.
    async fn claim_jobs(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError>;

    /// Claims one [suspect](super::JobState::Suspect), the oldest of these queues (but for paused ones) and names. With each
    /// queue comes how many attempts of its jobs may be [under way](Claim::running_max) at once. It is the caller who runs it
    /// with no other suspect beside it.
    async fn claim_suspect(
        &mut self,
        worker: WorkerId,
        queues: &[(Arc<str>, Option<u32>)],
        names: &[Arc<str>],
        now: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError>;

    /// Ends attempts. For each it says whether its lease was good; where it was not, nothing was written. An attempt that is
    /// named twice ends once, in either way.
    async fn end_attempts(
        &mut self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError>;

    /// Keeps what a running job says of its progress, as JSON text. Fails with [`StoreError::Fenced`] if the lease is void.
    async fn report_progress(&mut self, lease: &JobLease, progress: &str) -> Result<(), StoreError>;

    /// Moves a recurring job from one time to the next; false if somebody else has done so.
    async fn move_cron(&mut self, name: &str, from: Timestamp, to: Timestamp) -> Result<bool, StoreError>;

    /// Runs a statement of a module (`$1`, `$2` are parameters) and returns the number of rows changed.
    ///
    /// After an error only [`rollback_to`](Self::rollback_to), [`undo`](Self::undo) or giving up is portable: SQLite goes
    /// on with the transaction, PostgreSQL refuses everything else and turns the commit into a rollback.
    async fn execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<u64, StoreError>;

    /// Runs a statement of a module and returns its rows.
    async fn fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError>;

    /// Marks a place to go back to. Savepoints nest.
    async fn savepoint(&mut self) -> Result<Savepoint, StoreError>;

    /// Undoes everything since the savepoint, and ends it.
    async fn rollback_to(&mut self, savepoint: Savepoint) -> Result<(), StoreError>;

    /// Keeps everything since the savepoint, and ends it.
    async fn release(&mut self, savepoint: Savepoint) -> Result<(), StoreError>;

    /// Undoes everything this work has written so far; the transaction goes on.
    async fn undo(&mut self) -> Result<(), StoreError>;

    /// The concrete transaction, for the typed access that a store offers beyond this port.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}
