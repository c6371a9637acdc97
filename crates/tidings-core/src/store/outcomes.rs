//! What became of commands.

use std::sync::Arc;

use jiff::Timestamp;

use crate::ids::MessageId;

/// What makes two commands "the same" to their caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyScope {
    /// Who asks; callers do not see each other's keys.
    pub caller: String,
    /// The command's name.
    pub command: Arc<str>,
    /// The caller's key.
    pub key: String,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeStatus {
    /// Its effects are committed.
    Completed,
    /// The handler refused; nothing was written but this.
    Rejected,
}

impl OutcomeStatus {
    /// The stored and displayed form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Rejected => "rejected",
        }
    }

    /// Reads the stored form back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Completed, Self::Rejected].into_iter().find(|status| status.as_str() == text)
    }
}

/// A command's outcome as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// The command's id.
    pub id: MessageId,
    /// The command's name.
    pub command: Arc<str>,
    /// The flow it belongs to.
    pub correlation_id: MessageId,
    /// The job that called it, if it was called from one.
    pub causation_id: Option<MessageId>,
    /// The caller's key, with the SHA-256 of the payload it came with.
    pub idempotency: Option<(IdempotencyScope, [u8; 32])>,
    /// How it ended.
    pub status: OutcomeStatus,
    /// The output, or the rejection (`code`, `message`), as JSON text.
    pub body: String,
    /// When.
    pub at: Timestamp,
    /// The record may be deleted after this.
    pub expires: Timestamp,
    /// A durable command's rejection that no handler was named for: listed until a person has seen it.
    pub unhandled: bool,
}
