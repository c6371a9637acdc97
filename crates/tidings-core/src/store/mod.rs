//! The ports: what the runtime asks of a store.
//!
//! A store keeps one log, the cursors of its consumers, and the tables of the modules, in one database, so
//! that one commit covers all of them. The ports are semantic ("advance under this lease", "park this"), not
//! a catalogue of features; a store passes the conformance suites of `tidings-testkit` or it does not ship.

mod consumers;
mod error;
mod inspect;
mod jobs;
mod outcomes;
mod retention;
mod tx;
mod url;
mod work;

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use consumers::{
    Batch, Begun, ConsumerKind, ConsumerSpec, Crew, Filter, Holding, Known, Lease, Member, Parked,
    ParkedKeys, ParkedMessage, ParkedState, Receipt, Settled, SharedConsumer, Start,
};
pub use error::StoreError;
pub use inspect::{CommandCount, ConsumerStatus, EventCount, FlowSize, Inspect, ParkedRow};
pub use jobs::{
    ATTEMPTS_KEPT, AttemptEnd, AttemptRow, Cancelled, Claim, Claimed, ClaimedJob, CronSpec, CronTick,
    DeathReason, EndAndClaim, Enqueued, Heartbeat, JobEnd, JobFilter, JobLease, JobRow, JobState, JobStore,
    NewJob, QueueStatus, RateLimit, UniqueKey, WorkerId,
};
pub use outcomes::{IdempotencyScope, OutcomeRecord, OutcomeStatus};
pub use retention::{Maintenance, Retention};
pub use tx::{Migration, Savepoint, TableScope, Tx};
pub use url::StoreUrl;
pub use work::{Limits, Work};

use crate::envelope::Cursor;
use crate::ids::MessageId;

/// A database with a log in it.
#[async_trait]
pub trait Store: Inspect + JobStore + Send + Sync + 'static {
    /// The kind of store, as configuration names it: `sqlite`, `postgres`.
    fn kind(&self) -> &'static str;

    /// Runs `work` in one read-write transaction and commits it. Returns only when the commit is durable, or
    /// has failed and left nothing behind. Stores may join works that wait at the same time into one commit.
    ///
    /// Dropping the returned future cancels work that has not reached its commit: its writes are rolled back.
    async fn transact(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError>;

    /// Its way to end attempts and to claim jobs in one round trip, if it saves anything by that.
    fn at_once(&self) -> Option<&dyn EndAndClaim> {
        None
    }

    /// Runs `work` against a consistent snapshot on a connection that cannot write.
    async fn read(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError>;

    /// Applies a module's migrations that were not applied yet, in order, each in a transaction of its own. Refused are
    /// one whose text changed since it was applied, a new one below the newest that is applied, and a list that ends
    /// before that one: it is an older program's.
    async fn migrate(&self, module: &str, migrations: &[Migration], now: Timestamp)
    -> Result<(), StoreError>;

    /// Enters a consumer, or takes note that it is still there. A new one starts where `spec.start` says; one that
    /// is entered under a new name starts where its alias stood, and the alias is gone. One that comes back after it was
    /// retired starts where it says, but never before the place where it was retired.
    ///
    /// Where the consumer is on record already and an alias is, too, the alias is retired if nothing waits under it;
    /// else this fails with [`StoreError::AliasPending`].
    ///
    /// Registered with other names than before, it begins a new [generation](Known), and all leases on it are void.
    /// Returns how many partitions it has.
    async fn register(&self, spec: &ConsumerSpec, now: Timestamp) -> Result<u16, StoreError>;

    /// Gives up a consumer's pending work for good: it counts as no orphan any more and holds back no retention. Its
    /// record is kept with the reason. Does nothing if the consumer is unknown or retired already, so that an application
    /// may say so at each start, also on a new database.
    async fn retire(&self, consumer: &str, reason: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Says which module owns which tables, for stores that can tell when a module touches another's.
    fn own_tables(&self, owners: &[(String, Vec<String>)]);

    /// Takes the right to work for one partition of a registered consumer. Earlier leases on the same partition are void from
    /// then on: whoever holds one cannot commit. A worker may take what it has itself, and what was left by one that is not
    /// live any more.
    ///
    /// Fails with [`StoreError::PartitionHeld`] if another live worker has it, with [`StoreError::Outdated`] if the worker
    /// knows another [generation](Known) of the consumer than the present one (one that knows the consumer not at all is
    /// taken at its word), with [`StoreError::Fenced`] if the worker is not enlisted any more, and with
    /// [`StoreError::NotFound`] if there is no such consumer or partition.
    async fn hold(&self, consumer: &str, partition: u16, worker: WorkerId) -> Result<Holding, StoreError>;

    /// Gives a partition back in order: its next holder finds nothing to be careful about. Does nothing if the lease is void.
    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError>;

    /// The live workers, and who holds what.
    async fn crew(&self) -> Result<Crew, StoreError>;

    /// Returns when a worker has come or gone, or a partition was given back, in another process or in this one. May return
    /// without cause, and may miss a change.
    fn watch_crew(&self) -> Box<dyn Watch>;

    /// Reads the messages after `cursor` that match, oldest first, at most `limit`. It may return fewer, even
    /// none, with a cursor that is further on; `Batch::at_end` says when there is nothing more to read for now.
    async fn read_after(&self, cursor: &Cursor, filter: &Filter, limit: usize) -> Result<Batch, StoreError>;

    /// The parked messages of one partition that may run now: for each key whose head is due at `now`, the head and
    /// then, in order, what waits behind it. At most `limit` messages in all, of as many keys as fit.
    async fn due(
        &self,
        consumer: &str,
        partition: u16,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, StoreError>;

    /// Which keys of a partition are held by parked messages, and when the next of them is due.
    async fn parked_keys(&self, consumer: &str, partition: u16) -> Result<ParkedKeys, StoreError>;

    /// Returns when a message that matches may have been appended since the last return, or since the call that
    /// made this waiter. May return without cause; never misses one for longer than the store's poll interval.
    fn watch(&self, filter: &Filter) -> Box<dyn Watch>;

    /// Takes note that a person has seen a rejection that nobody handled: it is listed no longer, and goes when it
    /// expires. Fails with [`StoreError::NotFound`] if no such rejection is listed.
    async fn acknowledge_rejection(&self, id: MessageId) -> Result<(), StoreError>;

    /// Deletes what retention allows. Work is split into short transactions.
    async fn maintain(&self, retention: &Retention, now: Timestamp) -> Result<Maintenance, StoreError>;

    /// Whether the error, or one of its causes, is this store's or its driver's word for "nothing is wrong with the
    /// work, run it again".
    fn is_transient(&self, error: &crate::error::Error) -> bool;

    /// Whether the error, or one of its causes, is this store's or its driver's word for "the database is in trouble":
    /// see [`StoreError::is_trouble_of_the_store`]. It must not be blamed on the work.
    fn is_store_trouble(&self, error: &crate::error::Error) -> bool {
        error.find::<StoreError>().is_some_and(StoreError::is_trouble_of_the_store)
    }

    /// The concrete store, for the typed access that it offers beyond this port.
    fn as_any(&self) -> &dyn Any;

    /// Ends cleanly: running transactions finish, the store is marked as closed in order, and the file or the
    /// connections are given back. Later calls fail with [`StoreError::Closed`].
    async fn close(&self) -> Result<(), StoreError>;
}

/// Waits for messages; see [`Store::watch`].
#[async_trait]
pub trait Watch: Send {
    /// Returns when there may be something to read.
    async fn changed(&mut self);
}
