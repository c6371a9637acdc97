//! What a caller learns when a command does not complete.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::error::{Error, ErrorKind, Rejection};
use tidings_core::store::StoreError;

use crate::deadline::Deadline;
use crate::unit::HandlerTimeout;

/// Why a command has no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The handler refused. Its writes were undone; the rejection is stored.
    #[error("command `{command}` was rejected: {rejection}")]
    Rejected {
        /// The command.
        command: String,
        /// Why.
        rejection: Rejection,
    },
    /// The handler failed. Its writes were undone.
    #[error("command `{command}` failed")]
    Failed {
        /// The command.
        command: String,
        /// The handler's error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The deadline passed during the commit: the command may or may not have completed.
    #[error(
        "the outcome of command `{command}` is unknown: the deadline passed during the commit; ask again with the same idempotency key if it had one, else look whether it happened"
    )]
    Unknown {
        /// The command.
        command: String,
    },
    /// The deadline passed before the commit. Nothing was written.
    #[error(
        "command `{command}` did not complete within {deadline:?}{}; nothing was written",
        waiting(.waited_for)
    )]
    DeadlineExceeded {
        /// The command.
        command: String,
        /// The deadline.
        deadline: Duration,
        /// What it was waiting for, if its turn had not come: who held the writer, for example.
        waited_for: Option<String>,
    },
    /// The idempotency key was used with another payload.
    #[error(
        "command `{command}`: idempotency key `{key}` was used before with another payload; use a new key for a new request"
    )]
    KeyConflict {
        /// The command.
        command: String,
        /// The key.
        key: String,
    },
    /// A command with the same idempotency key is still running.
    #[error(
        "command `{command}`: a request with idempotency key `{key}` is still running; ask again later with the same key"
    )]
    KeyInFlight {
        /// The command.
        command: String,
        /// The key.
        key: String,
    },
    /// Too much is running already. Nothing was written.
    #[error("too busy for command `{command}`: {reason}; try again later")]
    Overloaded {
        /// The command.
        command: String,
        /// Which bound was met.
        reason: String,
    },
    /// The store cannot write at the moment: its disk is full, or it is read-only. Nothing was written.
    #[error("command `{command}` was not carried out: nothing can be written at the moment")]
    StoreUnavailable {
        /// The command.
        command: String,
        /// The store's error, with the remedy.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The application is shutting down.
    #[error("command `{command}` was not begun: the application is shutting down")]
    ShuttingDown {
        /// The command.
        command: String,
    },
    /// Called from inside a handler, where it would wait for itself.
    #[error(
        "{handler} called `app.{call}`, which would wait for the transaction that the handler is in; inside a handler use `ctx.send` and `ctx.publish`"
    )]
    InsideHandler {
        /// The handler that called.
        handler: Arc<str>,
        /// What it called.
        call: &'static str,
    },
    /// A job's module does not declare that it sends the command.
    #[error("module `{module}` may not send command `{command}`: declare it with `.sends::<..>()`")]
    Undeclared {
        /// The module.
        module: String,
        /// The command.
        command: String,
    },
    /// No module handles such a command.
    #[error("no module handles command `{command}`; there are: {}", .known.join(", "))]
    NotFound {
        /// The command.
        command: String,
        /// The commands there are.
        known: Vec<String>,
    },
    /// The payload is not this command's.
    #[error("command `{command}` does not decode: {problem}")]
    Invalid {
        /// The command.
        command: String,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// The payload is too large.
    #[error("command `{command}` has {bytes} bytes, more than `commands.body_bytes_max` = {limit}")]
    TooLarge {
        /// The command.
        command: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The application has no such module.
    #[error("there is no module `{module}` in this application")]
    NoModule {
        /// The module.
        module: String,
    },
}

fn waiting(waited_for: &Option<String>) -> String {
    waited_for.as_ref().map(|what| format!(": it waited for {what}")).unwrap_or_default()
}

impl SendError {
    /// The rejection, if the handler refused.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected { rejection, .. } => Some(rejection),
            _ => None,
        }
    }

    /// Sorts a handler's or store's error into what the caller can act on.
    pub(super) fn of(command: &str, error: Error, deadline: &Deadline) -> Self {
        let command = command.to_owned();
        if let ErrorKind::Rejected(rejection) = error.kind() {
            return Self::Rejected { command, rejection: rejection.clone() };
        }
        if error.find::<HandlerTimeout>().is_some() {
            return Self::DeadlineExceeded { command, deadline: deadline.given(), waited_for: None };
        }
        match error.find::<StoreError>() {
            Some(StoreError::Unknown { .. }) => Self::Unknown { command },
            Some(StoreError::Timeout { waited_for, .. }) => {
                Self::DeadlineExceeded { command, deadline: deadline.given(), waited_for: waited_for.clone() }
            }
            // Its budget ended with the deadline.
            Some(StoreError::Budget { .. }) if deadline.is_over() => {
                Self::DeadlineExceeded { command, deadline: deadline.given(), waited_for: None }
            }
            Some(
                busy @ (StoreError::Overloaded { .. }
                | StoreError::Blocked { .. }
                | StoreError::LogFull { .. }),
            ) => Self::Overloaded { command, reason: busy.to_string() },
            Some(StoreError::Full { .. } | StoreError::ReadOnly { .. }) => {
                Self::StoreUnavailable { command, source: error.into_source() }
            }
            Some(StoreError::Closed) => Self::ShuttingDown { command },
            _ => Self::Failed { command, source: error.into_source() },
        }
    }
}
