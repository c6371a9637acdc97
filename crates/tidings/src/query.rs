//! Queries: read-only requests on a snapshot.

use std::error::Error as StdError;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::contract::Query;
use tidings_core::error::Error;
use tidings_core::ids::MessageId;
use tidings_core::store::{Limits, StoreError};
use tidings_core::trace::TraceContext;
use tracing::Instrument;

use crate::app::{App, Shared};
use crate::ctx::{CtxCore, Origin, in_handler};
use crate::handler::CallRoute;
use crate::module::ModuleFacts;
use crate::telemetry;
use crate::unit::{self, Access, Unit};

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
    /// Called from inside a handler.
    #[error(
        "{handler} called `app.ask`; inside a handler read the module's own tables, which it keeps from events"
    )]
    InsideHandler {
        /// The handler that called.
        handler: Arc<str>,
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

/// A query about to be asked; await it. Made by [`App::ask`].
#[must_use = "a query is asked when this is awaited"]
pub struct AskQuery<'a, Q> {
    app: &'a App,
    query: Q,
    deadline: Option<Duration>,
}

impl<'a, Q: Query> AskQuery<'a, Q> {
    pub(crate) fn new(app: &'a App, query: Q) -> Self {
        Self { app, query, deadline: None }
    }

    /// How long to wait, instead of the configured time.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    async fn ask(self) -> Result<Q::Output, QueryError> {
        let failed = |source| QueryError::Failed { query: Q::NAME.to_owned(), source };
        let payload = serde_json::to_string(&self.query).map_err(|error| failed(error.into()))?;
        let answer = run(&self.app.shared, Q::NAME, payload.into(), self.deadline).await?;
        serde_json::from_str(&answer).map_err(|error| failed(error.into()))
    }
}

impl<'a, Q: Query> IntoFuture for AskQuery<'a, Q> {
    type Output = Result<Q::Output, QueryError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

/// Decodes strictly, then asks.
pub(crate) async fn ask_json(shared: &Arc<Shared>, name: &str, payload: &[u8]) -> Result<String, QueryError> {
    let (_, route) = find(shared, name)?;
    let limit = shared.config.commands.body_bytes_max;
    if payload.len() > limit {
        return Err(QueryError::TooLarge { query: name.to_owned(), bytes: payload.len(), limit });
    }
    let invalid = |problem| QueryError::Invalid { query: name.to_owned(), problem };
    (route.check)(payload).map_err(invalid)?;
    let text = std::str::from_utf8(payload).map_err(|error| invalid(error.to_string()))?;
    run(shared, name, text.into(), None).await
}

fn find<'s>(shared: &'s Shared, name: &str) -> Result<&'s (Arc<ModuleFacts>, CallRoute), QueryError> {
    shared.queries.get(name).ok_or_else(|| {
        let mut known: Vec<String> = shared.queries.keys().map(|name| (*name).to_owned()).collect();
        known.sort();
        QueryError::NotFound { query: name.to_owned(), known }
    })
}

async fn run(
    shared: &Arc<Shared>,
    name: &str,
    payload: Arc<str>,
    deadline: Option<Duration>,
) -> Result<String, QueryError> {
    if let Some(handler) = in_handler::current() {
        return Err(QueryError::InsideHandler { handler });
    }
    let (module, route) = find(shared, name)?;
    let deadline = deadline.unwrap_or(Duration::from_millis(shared.config.commands.deadline_ms));
    let id = MessageId::new();
    let origin = Origin { id, correlation_id: id, trace: TraceContext::root() };
    let handler: Arc<str> = format!("query `{}`", route.name).into();
    let span = telemetry::handle_span(route.name, &handler, &origin);
    let (shared_in, module, call) = (shared.clone(), module.clone(), route.call.clone());
    let unit = Unit {
        name: handler,
        driver: route.driver,
        start: Box::new(move |slot| {
            let core = CtxCore::new(shared_in.clone(), module.clone(), origin.clone(), slot);
            let called = call(core, vec![payload.clone()]);
            Box::pin(async move {
                let (core, result) = called.await;
                (core.into_tx(), result)
            })
        }),
    };
    let limits = Limits { budget: deadline, wait: Some(deadline) };
    let answer = unit::run(&shared.store, unit, limits, Access::Read).instrument(span).await;
    answer.map_err(|error| query_error(name, error, deadline))
}

fn query_error(query: &str, error: Error, deadline: Duration) -> QueryError {
    let query = query.to_owned();
    match error.find::<StoreError>() {
        Some(StoreError::Timeout { .. } | StoreError::Budget { .. }) => {
            QueryError::DeadlineExceeded { query, deadline }
        }
        _ => QueryError::Failed { query, source: error.into_source() },
    }
}
