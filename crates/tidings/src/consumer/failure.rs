//! What a failed attempt means.

use tidings_core::error::{Error, ErrorKind};
use tidings_core::store::{Store, StoreError};

/// Sorted by what is to be done.
pub(super) enum Failure {
    /// The store is in trouble, or was busy; the message has nothing to do with it.
    Store(Error),
    /// The message was interrupted, or took its transaction down: it must be alone before it can be blamed.
    Suspect(Error),
    /// The message failed; worth another attempt.
    Failed(Error),
    /// The message can never be handled.
    Permanent(Error),
}

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
            _ => {}
        }
        match error.kind() {
            ErrorKind::Transient => Self::Store(error),
            _ if store.is_transient(&error) => Self::Store(error),
            _ if store.is_store_trouble(&error) => Self::Store(error),
            ErrorKind::Failed => Self::Failed(error),
            // A listener has nobody to refuse to: a rejection there is as final as any other refusal.
            ErrorKind::Permanent | ErrorKind::Rejected(_) => Self::Permanent(error),
        }
    }
}
