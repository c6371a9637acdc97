//! What a store has on record about one flow.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::envelope::MessageKind;
use crate::error::Rejection;
use crate::ids::MessageId;
use crate::key::Key;
use crate::store::{AttemptRow, DeathReason, JobState};

/// Everything on record about one flow, as one snapshot shows it, so that what a handling caused is there if the handling
/// is. No payload is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowFacts {
    /// The flow: the id of its root.
    pub correlation_id: MessageId,
    /// Its messages, in log order.
    pub messages: Vec<MessageFact>,
    /// The outcomes of its commands, of durable and of called ones, in the order of time.
    pub commands: Vec<CommandFact>,
    /// Its jobs, in the order of their enqueueing.
    pub jobs: Vec<JobFact>,
}

impl FlowFacts {
    /// A flow of which nothing is on record.
    #[must_use]
    pub fn empty(correlation_id: MessageId) -> Self {
        Self { correlation_id, messages: Vec::new(), commands: Vec::new(), jobs: Vec::new() }
    }

    /// Nothing is on record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.commands.is_empty() && self.jobs.is_empty()
    }
}

/// A message, without its payload.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageFact {
    /// Its id.
    pub id: MessageId,
    /// Event, durable command or reply.
    pub kind: MessageKind,
    /// Its name; for a reply, the reply handler's.
    pub name: Arc<str>,
    /// The contract's version; 0 for commands and replies.
    pub version: u32,
    /// The module that sent it.
    pub source: Arc<str>,
    /// What it is ordered by.
    pub key: Option<Key>,
    /// When it was published, in business time.
    pub time: Timestamp,
    /// The message, command or job whose handling sent it.
    pub causation_id: Option<MessageId>,
    /// The distributed trace that it belongs to.
    pub trace_id: Option<u128>,
    /// For a command: the handler that wants the outcome.
    pub reply_to: Option<Arc<str>>,
    /// What became of it at each consumer that reads it.
    pub handlings: Vec<HandlingFact>,
}

/// What became of one message at one consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct HandlingFact {
    /// The consumer, `<module>.<handler>`.
    pub consumer: Arc<str>,
    /// What became of it there.
    pub state: HandlingState,
}

/// How far a consumer has come with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum HandlingState {
    /// It was handled.
    Handled {
        /// When.
        at: Timestamp,
        /// How often it was tried, this time included. `None` where that is not on record, which is so for what went
        /// well with the others of its batch.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempts: Option<u32>,
    },
    /// The consumer has gone past it, and no receipt says when, or that it was handled.
    Passed,
    /// It failed, and is tried again.
    Retrying {
        /// How often it was tried.
        attempts: u32,
        /// When it is tried next.
        #[serde(skip_serializing_if = "Option::is_none")]
        due: Option<Timestamp>,
        /// The last error with its causes; empty if it has only waited for its turn so far.
        error: String,
        /// When it was parked.
        parked_at: Timestamp,
    },
    /// It has not been tried: it waits behind an earlier message of its key.
    Behind {
        /// When it was parked.
        parked_at: Timestamp,
    },
    /// It is a dead letter.
    Dead {
        /// How often it was tried.
        attempts: u32,
        /// The last error with its causes.
        error: String,
        /// When it was parked.
        parked_at: Timestamp,
    },
    /// A person gave it up, or the consumer was retired.
    Discarded {
        /// How often it was tried.
        attempts: u32,
        /// The last error with its causes.
        error: String,
        /// Why it was given up.
        reason: String,
        /// When it was given up.
        at: Timestamp,
    },
    /// The consumer was retired before it read the message.
    GivenUp {
        /// Why.
        reason: String,
        /// When.
        at: Timestamp,
    },
    /// The consumer has not come to it.
    Unread,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandFact {
    /// The command's id. That of a durable command is its message's.
    pub id: MessageId,
    /// Its name.
    pub name: Arc<str>,
    /// The job that called it, if one did.
    pub causation_id: Option<MessageId>,
    /// How it ended.
    pub result: CommandResult,
    /// When.
    pub at: Timestamp,
    /// A rejection that no handler was named for, and that no person has acknowledged.
    pub unhandled: bool,
}

/// How a command ended, without its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum CommandResult {
    /// Its effects are committed.
    Completed,
    /// The handler refused it.
    Rejected(Rejection),
}

/// A job, without its payload and its progress.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFact {
    /// Its id.
    pub id: MessageId,
    /// Its name.
    pub name: Arc<str>,
    /// Its queue.
    pub queue: Arc<str>,
    /// The module it belongs to.
    pub source: Arc<str>,
    /// What it is ordered by.
    pub key: Option<Key>,
    /// Whose job it is, where several take turns in a queue.
    pub share: Option<Arc<str>>,
    /// What caused it.
    pub causation_id: Option<MessageId>,
    /// The distributed trace that it belongs to.
    pub trace_id: Option<u128>,
    /// Its state.
    pub state: JobState,
    /// When it was enqueued.
    pub at: Timestamp,
    /// When it is due, or was.
    pub due: Timestamp,
    /// Attempts begun.
    pub attempts: u32,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it came to its present end.
    pub ended_at: Option<Timestamp>,
    /// Why it is dead.
    pub death: Option<DeathReason>,
    /// The last error.
    pub error: Option<String>,
    /// Why it was cancelled or discarded.
    pub reason: Option<String>,
    /// The attempts that did not complete it, oldest first.
    pub failed: Vec<AttemptRow>,
}
