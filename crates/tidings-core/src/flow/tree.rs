//! The tree itself.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::count::{FanOutCount, Open, Repeated};
use super::facts::{CommandResult, HandlingState};
use crate::ids::MessageId;
use crate::store::{AttemptEnd, DeathReason, JobState};

/// Everything that one root caused. [`to_string`](ToString::to_string) draws it; [`text`](Self::text) in other letters.
///
/// Its JSON form is described by [`JSON_SCHEMA`](super::JSON_SCHEMA).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flow {
    /// The flow: the id of its root.
    pub correlation_id: MessageId,
    /// The distributed trace that its root belongs to, as 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// Other flows of the trace that was asked for.
    pub other_flows: Vec<MessageId>,
    /// The earliest time on record. Every `after_ms` counts from here.
    pub started_at: Option<Timestamp>,
    /// From the earliest to the latest time at which something is known to have happened.
    pub duration_ms: f64,
    /// How much it is.
    pub fan_out: FanOutCount,
    /// What is not done yet, or never will be.
    pub open: Open,
    /// Handlings that sent many messages of one name.
    pub repeated: Vec<Repeated>,
    /// Everything on record, each cause before what it caused: a tree in depth-first order. A cause that is not on record
    /// has a node of its own.
    pub nodes: Vec<Node>,
}

/// One message, command or job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Its id.
    pub id: MessageId,
    /// What it is, and what became of it.
    #[serde(flatten)]
    pub what: What,
    /// The node that caused it, by its place in [`Flow::nodes`]; `None` at the top.
    pub parent: Option<usize>,
    /// Which of the parent's handlings it comes from, by its place among them. `None` where that is not certain: a
    /// message names the message that caused it, and the module that sent it, but not the consumer.
    pub handling: Option<usize>,
    /// How many causes are above it.
    pub depth: u32,
    /// When it was published or enqueued; for a called command, when it ended. `None` if it is not on record.
    pub at: Option<Timestamp>,
    /// The same, from the flow's beginning on.
    pub after_ms: Option<f64>,
    /// It is its own cause in the end. The circle is cut here.
    #[serde(skip_serializing_if = "is_false")]
    pub circle: bool,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// A command that somebody called and waited for: from outside, or in a job.
    Command {
        /// Its name.
        name: Arc<str>,
        /// How it ended.
        outcome: CommandOutcome,
    },
    /// A command that was sent as a message.
    DurableCommand {
        /// Its name.
        name: Arc<str>,
        /// The module that sent it.
        module: Arc<str>,
        /// The handler that wants the outcome.
        reply_to: Option<Arc<str>>,
        /// How it ended; `None` if it has not, or its outcome is not kept any more.
        outcome: Option<CommandOutcome>,
        /// What became of it at its handler.
        handlings: Vec<Handling>,
    },
    /// The outcome of a durable command, on its way to who asked for it.
    Reply {
        /// The reply handler.
        name: Arc<str>,
        /// The module that carried the command out.
        module: Arc<str>,
        /// What became of it at the handler.
        handlings: Vec<Handling>,
    },
    /// An event.
    Event {
        /// Its name.
        name: Arc<str>,
        /// The contract's version.
        version: u32,
        /// The module that published it.
        module: Arc<str>,
        /// What it is ordered by, masked.
        key: Option<String>,
        /// What became of it at each consumer.
        handlings: Vec<Handling>,
    },
    /// A job.
    Job {
        /// Its name.
        name: Arc<str>,
        /// Its queue.
        queue: Arc<str>,
        /// The module it belongs to.
        module: Arc<str>,
        /// What it is ordered by, masked.
        key: Option<String>,
        /// Whose job it is, where several take turns in a queue, masked.
        share: Option<String>,
        /// Its state.
        #[serde(serialize_with = "job_state")]
        state: JobState,
        /// When.
        times: JobTimes,
        /// Attempts begun.
        attempts: u32,
        /// The attempts that did not complete it, oldest first.
        failed: Vec<Attempt>,
        /// Why it is dead.
        #[serde(serialize_with = "death_reason")]
        death: Option<DeathReason>,
        /// The last error.
        error: Option<String>,
        /// Why it was cancelled or discarded.
        reason: Option<String>,
    },
    /// A cause that is not on record: retention has taken it, it is kept elsewhere, or it was a command whose outcome is not
    /// kept any more.
    Missing,
}

impl What {
    /// What became of a message at each consumer; empty for what is no message.
    #[must_use]
    pub fn handlings(&self) -> &[Handling] {
        match self {
            Self::Event { handlings, .. }
            | Self::DurableCommand { handlings, .. }
            | Self::Reply { handlings, .. } => handlings,
            Self::Command { .. } | Self::Job { .. } | Self::Missing => &[],
        }
    }

    /// Its name, if it is on record.
    #[must_use]
    pub fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Command { name, .. }
            | Self::DurableCommand { name, .. }
            | Self::Reply { name, .. }
            | Self::Event { name, .. }
            | Self::Job { name, .. } => Some(name),
            Self::Missing => None,
        }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CommandOutcome {
    /// How.
    #[serde(flatten)]
    pub result: CommandResult,
    /// When.
    pub at: Timestamp,
    /// The same, from the flow's beginning on.
    pub after_ms: f64,
    /// A rejection that no handler was named for, and that no person has acknowledged.
    pub unhandled: bool,
}

/// What became of a message at one consumer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Handling {
    /// The consumer, `<module>.<handler>`.
    pub consumer: Arc<str>,
    /// What became of it.
    #[serde(flatten)]
    pub state: HandlingState,
    /// When it was handled, from the flow's beginning on.
    pub after_ms: Option<f64>,
    /// How long it took from the message's publication until it was handled, waiting included.
    pub took_ms: Option<f64>,
}

/// When a job was what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobTimes {
    /// When it is due, or was.
    pub due: Timestamp,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it came to its present end.
    pub ended_at: Option<Timestamp>,
    /// How long it waited for its first attempt that is on record.
    pub waited_ms: Option<f64>,
    /// How long its last attempt took, if that was its end.
    pub ran_ms: Option<f64>,
}

/// An attempt that did not complete its job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// Which one, counted from 1.
    pub attempt: u32,
    /// How it ended.
    #[serde(serialize_with = "attempt_end")]
    pub end: AttemptEnd,
    /// When it began.
    pub started_at: Timestamp,
    /// When it began, from the flow's beginning on.
    pub after_ms: f64,
    /// How long it took; for one that was lost, until that was found.
    pub ran_ms: f64,
    /// The error and its causes; empty if there was none.
    pub error: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn job_state<S: Serializer>(state: &JobState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn attempt_end<S: Serializer>(end: &AttemptEnd, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(end.as_str())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn death_reason<S: Serializer>(death: &Option<DeathReason>, serializer: S) -> Result<S::Ok, S::Error> {
    death.map(DeathReason::as_str).serialize(serializer)
}
