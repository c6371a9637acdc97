//! What a caller learns when a query has no answer.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::error::Error;
use tidings_core::store::StoreError;

use crate::command::Refusal;
use crate::deadline::Deadline;
use crate::unit::HandlerTimeout;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The handler failed.
    #[error("query `{query}` failed")]
    Failed {
        /// The query.
        query: String,
        /// The handler's error.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No answer in time.
    #[error("query `{query}` was not answered within {deadline:?}")]
    DeadlineExceeded {
        /// The query.
        query: String,
        /// The deadline.
        deadline: Duration,
    },
    /// Too much is running already.
    #[error("too busy for query `{query}`: {reason}; try again later")]
    Overloaded {
        /// The query.
        query: String,
        /// Which bound was met.
        reason: String,
    },
    /// The application is shutting down.
    #[error("query `{query}` was not begun: the application is shutting down")]
    ShuttingDown {
        /// The query.
        query: String,
    },
    /// Called from inside a handler.
    #[error(
        "{handler} called `app.ask`; inside a handler read the module's own tables, which it keeps from events"
    )]
    InsideHandler {
        /// The handler that called.
        handler: Arc<str>,
    },
    /// A job asks a query of another context.
    #[error(
        "module `{module}` (context `{from}`) asks query `{query}` of context `{to}`; between contexts only events travel"
    )]
    CrossesBorder {
        /// The module that asks.
        module: String,
        /// Its context.
        from: String,
        /// The query.
        query: String,
        /// The context that would answer.
        to: String,
    },
    /// No module answers such a query.
    #[error("no module answers query `{query}`; there are: {}", .known.join(", "))]
    NotFound {
        /// The query.
        query: String,
        /// The queries there are.
        known: Vec<String>,
    },
    /// The payload is not this query's.
    #[error("query `{query}` does not decode: {problem}")]
    Invalid {
        /// The query.
        query: String,
        /// What is wrong.
        problem: String,
    },
    /// The payload is too large.
    #[error("query `{query}` has {bytes} bytes, more than `commands.body_bytes_max` = {limit}")]
    TooLarge {
        /// The query.
        query: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl QueryError {
    /// Sorts a handler's or store's error into what the caller can act on.
    pub(super) fn of(query: &str, error: Error, deadline: &Deadline) -> Self {
        let query = query.to_owned();
        if error.find::<HandlerTimeout>().is_some() {
            return Self::DeadlineExceeded { query, deadline: deadline.given() };
        }
        match error.find::<StoreError>() {
            Some(StoreError::Timeout { .. } | StoreError::Budget { .. }) => {
                Self::DeadlineExceeded { query, deadline: deadline.given() }
            }
            Some(busy @ (StoreError::Overloaded { .. } | StoreError::Blocked { .. })) => {
                Self::Overloaded { query, reason: busy.to_string() }
            }
            Some(StoreError::Closed) => Self::ShuttingDown { query },
            _ => Self::Failed { query, source: error.into_source() },
        }
    }

    pub(super) fn refused(query: &str, refusal: &Refusal) -> Self {
        let query = query.to_owned();
        match refusal {
            Refusal::Closed => Self::ShuttingDown { query },
            Refusal::Full { max } => Self::Overloaded {
                query,
                reason: format!("{max} queries run already (`queries.concurrency_max`)"),
            },
        }
    }
}
