//! What a failed attempt means.

use tidings_core::error::{Error, ErrorKind};
use tidings_core::store::{Store, StoreError};

use crate::unit::HandlerTimeout;
use crate::{QueryError, SendError};

/// Sorted by what is to be done.
pub(crate) enum Failure {
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

/// How an error is sorted.
enum Sort {
    Store,
    Transient,
    Suspect,
    Failed,
    Permanent,
}

impl Sort {
    fn of(error: &Error, store: &dyn Store) -> Self {
        match error.find::<StoreError>() {
            Some(
                StoreError::Fenced { .. }
                | StoreError::Closed
                | StoreError::Full { .. }
                | StoreError::Io { .. }
                | StoreError::ReadOnly { .. }
                | StoreError::Corrupt { .. }
                | StoreError::LogFull { .. },
            ) => return Self::Store,
            Some(
                StoreError::Budget { .. } | StoreError::Panicked { .. } | StoreError::TransactionLost { .. },
            ) => return Self::Suspect,
            // It would do the same next time.
            Some(StoreError::ForeignTable { .. }) => return Self::Permanent,
            _ => {}
        }
        if is_forbidden_call(error) {
            return Self::Permanent;
        }
        if error.find::<HandlerTimeout>().is_some() {
            // It may have been late because of those before it in the batch.
            return Self::Suspect;
        }
        match error.kind() {
            _ if store.is_transient(error) => Self::Store,
            _ if store.is_store_trouble(error) => Self::Store,
            ErrorKind::Transient => Self::Transient,
            ErrorKind::Failed => Self::Failed,
            // A listener or job has nobody to refuse to: a rejection there is as final as any other refusal.
            ErrorKind::Permanent | ErrorKind::Rejected(_) => Self::Permanent,
        }
    }
}

/// Whether the handler called what it may never call.
fn is_forbidden_call(error: &Error) -> bool {
    let command =
        matches!(error.find(), Some(SendError::InsideHandler { .. } | SendError::Undeclared { .. }));
    let query =
        matches!(error.find(), Some(QueryError::InsideHandler { .. } | QueryError::CrossesBorder { .. }));
    command || query
}

impl Failure {
    pub(super) fn of(error: Error, store: &dyn Store) -> Self {
        match Sort::of(&error, store) {
            Sort::Store => Self::Store(error),
            Sort::Transient => Self::Transient(error),
            Sort::Suspect => Self::Suspect(error),
            Sort::Failed => Self::Failed(error),
            Sort::Permanent => Self::Permanent(error),
        }
    }

    /// Whether nothing is wrong with the work, and another try in a moment may do.
    pub(crate) fn is_passing(error: &Error, store: &dyn Store) -> bool {
        matches!(Sort::of(error, store), Sort::Store | Sort::Transient)
    }

    /// Whether no further try can help.
    pub(crate) fn is_final(error: &Error, store: &dyn Store) -> bool {
        matches!(Sort::of(error, store), Sort::Permanent)
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
