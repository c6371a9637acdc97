//! The read API: what CLI, console and tests ask of a store.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    AttemptRow, ConsumerKind, IdempotencyScope, JobFilter, JobRow, OutcomeRecord, ParkedState, QueueStatus,
    Receipt, StoreError,
};
use crate::envelope::{Position, Recorded};
use crate::flow::FlowFacts;
use crate::ids::MessageId;
use crate::key::Key;

/// A consumer as the store knows it.
#[derive(Clone, Debug)]
pub struct ConsumerStatus {
    /// Its durable name.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: ConsumerKind,
    /// The names it reads.
    pub reads: Vec<Arc<str>>,
    /// Matching messages after its cursors, over all its partitions.
    pub lag: u64,
    /// Messages handled since its receipts began.
    pub handled: u64,
    /// Messages waiting for their next attempt.
    pub retrying: u64,
    /// Messages waiting behind others of their key.
    pub behind: u64,
    /// Dead letters.
    pub dead: u64,
    /// For each of its partitions who holds it, if that is a live worker, as it says who it is. A store that only one process
    /// can have tells nobody.
    pub holders: Vec<Option<Arc<str>>>,
    /// When a process last registered it.
    pub last_seen: Timestamp,
    /// Its work was given up, and why.
    pub retired: Option<String>,
}

/// A parked or dead message.
#[derive(Clone, Debug)]
pub struct ParkedRow {
    /// Who could not handle it.
    pub consumer: Arc<str>,
    /// The message.
    pub message: Recorded,
    /// Its state.
    pub state: ParkedState,
    /// The key it holds.
    pub key: Option<Key>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub due: Option<Timestamp>,
    /// The last error.
    pub error: String,
}

/// How many messages of one name the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// The event's or command's name.
    pub name: Arc<str>,
    /// How many.
    pub count: u64,
}

/// How many commands of one name ended in which way, called and durable ones together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandCount {
    /// The command's name.
    pub command: Arc<str>,
    /// Outcomes on record that are completions.
    pub completed: u64,
    /// Outcomes on record that are rejections.
    pub rejected: u64,
}

/// The size of one flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSize {
    /// The flow.
    pub correlation_id: MessageId,
    /// Its messages in the log.
    pub messages: u64,
}

/// Questions about what a store holds. None of them changes anything.
#[async_trait]
pub trait Inspect {
    /// All consumers on record, also those that nobody registers any more.
    async fn consumers(&self) -> Result<Vec<ConsumerStatus>, StoreError>;

    /// Parked messages, oldest first; of one consumer or of all, in one state or in any but
    /// [discarded](ParkedState::Discarded). Discarded ones are listed for as long as the log has the message.
    async fn parked(
        &self,
        consumer: Option<&str>,
        state: Option<ParkedState>,
        limit: usize,
    ) -> Result<Vec<ParkedRow>, StoreError>;

    /// One message by its id.
    async fn message(&self, id: MessageId) -> Result<Option<Recorded>, StoreError>;

    /// The messages of one flow in log order.
    async fn flow(&self, correlation_id: MessageId) -> Result<Vec<Recorded>, StoreError>;

    /// The flow that something belongs to: a message, a job, or a command whose outcome is on record, by its id. Also finds
    /// a flow by its own id, if anything of it is on record.
    async fn correlation_of(&self, id: MessageId) -> Result<Option<MessageId>, StoreError>;

    /// The flows that have messages or jobs in a distributed trace, oldest first. Nothing is found by its trace quickly.
    async fn flows_of_trace(&self, trace_id: u128) -> Result<Vec<MessageId>, StoreError>;

    /// Everything on record about one flow, but for payloads, as one snapshot shows it.
    async fn flow_facts(&self, correlation_id: MessageId) -> Result<FlowFacts, StoreError>;

    /// The newest flows with their sizes.
    async fn flow_sizes(&self, limit: usize) -> Result<Vec<FlowSize>, StoreError>;

    /// The log's messages counted by name, most first.
    async fn counts(&self) -> Result<Vec<EventCount>, StoreError>;

    /// The receipt that covers a message, if the consumer has handled it. What a consumer read at the time counts, not
    /// what it reads now.
    async fn receipt(&self, consumer: &str, position: Position) -> Result<Option<Receipt>, StoreError>;

    /// The outcomes on record, counted by command. A command that wrote and published nothing leaves none, and outcomes
    /// are kept as long as idempotency keys.
    async fn command_counts(&self) -> Result<Vec<CommandCount>, StoreError>;

    /// The outcome on record for an idempotency key that has not expired.
    async fn outcome(
        &self,
        scope: &IdempotencyScope,
        now: Timestamp,
    ) -> Result<Option<OutcomeRecord>, StoreError>;

    /// The outcome of one command by its id.
    async fn outcome_of(&self, id: MessageId) -> Result<Option<OutcomeRecord>, StoreError>;

    /// Rejections of durable commands that no handler was named for, oldest first.
    async fn unhandled_rejections(&self, limit: usize) -> Result<Vec<OutcomeRecord>, StoreError>;

    /// Jobs on record, oldest first.
    async fn jobs(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRow>, StoreError>;

    /// One job.
    async fn job(&self, id: MessageId) -> Result<Option<JobRow>, StoreError>;

    /// The attempts of a job that did not complete it, the newest [`ATTEMPTS_KEPT`](super::ATTEMPTS_KEPT), oldest first.
    async fn attempts(&self, id: MessageId) -> Result<Vec<AttemptRow>, StoreError>;

    /// The jobs of one flow, in the order of their enqueueing.
    async fn flow_jobs(&self, correlation_id: MessageId) -> Result<Vec<JobRow>, StoreError>;

    /// The queues on record, by name.
    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError>;

    /// Whether a queue is on record, by which [`queues`](Self::queues) lists it; does not count what waits in all of them.
    async fn is_queue(&self, name: &str) -> Result<bool, StoreError>;
}
