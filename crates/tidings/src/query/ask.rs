//! `app.ask(..)` with its options.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::contract::Query;
use tidings_core::trace::TraceContext;

use super::QueryError;
use crate::app::{App, Shared};
use crate::command::Caller;
use crate::decode;
use crate::jobs::Attempt;

/// A query about to be asked; await it. Made by [`App::ask`] and [`JobCtx::ask`](crate::JobCtx::ask).
#[must_use = "a query is asked when this is awaited"]
pub struct AskQuery<'a, Q> {
    shared: &'a Arc<Shared>,
    /// The job that asks.
    job: Option<&'a Arc<Attempt>>,
    query: Q,
    caller: Caller,
}

impl<'a, Q: Query> AskQuery<'a, Q> {
    pub(crate) fn new(app: &'a App, query: Q) -> Self {
        Self { shared: &app.shared, job: None, query, caller: Caller::default() }
    }

    pub(crate) fn from_job(job: &'a Arc<Attempt>, query: Q) -> Self {
        let caller = Caller { id: job.facts.name.to_string(), ..Caller::default() };
        Self { shared: &job.shared, job: Some(job), query, caller }
    }

    /// How long to wait, instead of the configured time.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.caller.deadline = Some(deadline);
        self
    }

    /// The trace that this query belongs to.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.caller.trace = trace;
        self
    }

    async fn ask(self) -> Result<Q::Output, QueryError> {
        let failed = |source| QueryError::Failed { query: Q::NAME.to_owned(), source };
        let payload = serde_json::to_string(&self.query).map_err(|error| failed(error.into()))?;
        let answer = super::run(self.shared, Q::NAME, payload.into(), self.caller, self.job).await?;
        decode::from_str(&answer).map_err(|error| failed(error.into()))
    }
}

impl<'a, Q: Query> IntoFuture for AskQuery<'a, Q> {
    type Output = Result<Q::Output, QueryError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}
