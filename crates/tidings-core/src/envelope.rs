//! What travels: a message with its envelope.

use std::sync::Arc;

use jiff::Timestamp;

use crate::ids::MessageId;
use crate::key::Key;
use crate::trace::TraceContext;

/// What a message in the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// A fact, for any number of listeners.
    Event,
    /// A durable request to one handler.
    Command,
    /// The outcome of a durable command, for the handler that asked for it.
    Reply,
}

impl MessageKind {
    /// The stored and displayed form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Command => "command",
            Self::Reply => "reply",
        }
    }

    /// Reads the stored form back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Event, Self::Command, Self::Reply].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A message as the log keeps it. For an event it maps one to one to a
/// [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) event: `id`, `source`,
/// `type` (= [`name`](Self::name)), `dataschema` (= name and version), `subject` (= key), `time`, and the
/// extensions `correlationid`, `causationid`, `traceparent`, `tracestate`.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Unique for ever.
    pub id: MessageId,
    /// Event, command or reply.
    pub kind: MessageKind,
    /// The event's or command's durable name; for a reply, the reply handler's.
    pub name: Arc<str>,
    /// The contract's version; 0 for commands and replies, which have none.
    pub version: u32,
    /// The module that sent it; `edge` from outside any module.
    pub source: Arc<str>,
    /// What it is ordered by, if anything.
    pub key: Option<Key>,
    /// Business time at which it was published.
    pub time: Timestamp,
    /// The id of the flow's root: equal on everything that one root request caused.
    pub correlation_id: MessageId,
    /// The message or command whose handling sent this one; `None` at a root.
    pub causation_id: Option<MessageId>,
    /// Where it stands in a distributed trace.
    pub trace: TraceContext,
    /// For a command: the full name of the handler that wants the outcome.
    pub reply_to: Option<Arc<str>>,
    /// The payload, as JSON text.
    pub data: String,
}

/// A message's identity within one log: unique, and never used twice. Not a measure of distance, and on
/// stores with concurrent writers not an order either; a consumer's progress is a [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub i64);

/// How far a consumer has come in a log. Opaque: only the store that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(pub String);

/// A message with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The message's identity in this log.
    pub position: Position,
    /// The message.
    pub envelope: Envelope,
}
