//! What a failed attempt means.

use tidings_core::error::{Error, ErrorKind};
use tidings_core::store::{Store, StoreError};

use crate::SendError;
use crate::unit::HandlerTimeout;

/// Sorted by what is to be done.
pub(super) enum Failure {
    /// The store is in trouble, or was busy; the message has nothing to do with it.
    Store(Error),
    /// The handler says that nothing is wrong with the message, and the store says nothing of the kind: worth another
    /// round now, but not for ever, or one message would stop the consumer.
    Transient(Error),
    /// The message was interrupted, or took its transaction down: it must be alone before it can be blamed.
    Suspect(Error),
    /// The message failed; worth another attempt.
    Failed(Error),
    /// The message can never be handled.
    Permanent(Error),
}

/// Rounds that a lone message is tried again at once because its handler calls the error transient; then it has failed
/// like any other.
pub(super) const TRANSIENT_ROUNDS_MAX: u32 = 5;

impl Failure {
    pub(super) fn of(error: Error, store: &dyn Store) -> Self {
        match error.find::<StoreError>() {
            Some(
                StoreError::Fenced { .. }
                | StoreError::Closed
                | StoreError::Full { .. }
                | StoreError::Io { .. }
                | StoreError::ReadOnly { .. }
                | StoreError::Corrupt { .. }
                | StoreError::LogFull { .. },
            ) => return Self::Store(error),
            Some(
                StoreError::Budget { .. } | StoreError::Panicked { .. } | StoreError::TransactionLost { .. },
            ) => return Self::Suspect(error),
            // It would do the same next time.
            Some(StoreError::ForeignTable { .. }) => return Self::Permanent(error),
            _ => {}
        }
        if matches!(error.find(), Some(SendError::InsideHandler { .. })) {
            return Self::Permanent(error);
        }
        if error.find::<HandlerTimeout>().is_some() {
            // It may have been late because of those before it in the batch.
            return Self::Suspect(error);
        }
        match error.kind() {
            _ if store.is_transient(&error) => Self::Store(error),
            _ if store.is_store_trouble(&error) => Self::Store(error),
            ErrorKind::Transient => Self::Transient(error),
            ErrorKind::Failed => Self::Failed(error),
            // A listener has nobody to refuse to: a rejection there is as final as any other refusal.
            ErrorKind::Permanent | ErrorKind::Rejected(_) => Self::Permanent(error),
        }
    }

    /// The error, however it is sorted.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Store(error)
            | Self::Transient(error)
            | Self::Suspect(error)
            | Self::Failed(error)
            | Self::Permanent(error) => error,
        }
    }
}
