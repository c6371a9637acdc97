//! Answering a query for a caller that waits.

use std::sync::Arc;

use tidings_core::ids::MessageId;
use tracing::Instrument;

use super::QueryError;
use crate::app::Shared;
use crate::command::{Admission, Caller};
use crate::ctx::{CtxCore, Origin, in_handler};
use crate::deadline::Deadline;
use crate::handler::{CallRoute, Payload};
use crate::jobs::Attempt;
use crate::module::ModuleFacts;
use crate::telemetry;
use crate::unit::{self, Access, Unit};

/// Decodes strictly, then asks.
pub(crate) async fn ask_json(
    shared: &Arc<Shared>,
    name: &str,
    payload: &[u8],
    caller: Caller,
) -> Result<String, QueryError> {
    let (_, route) = find(shared, name)?;
    let limit = shared.config.commands.body_bytes_max;
    if payload.len() > limit {
        return Err(QueryError::TooLarge { query: name.to_owned(), bytes: payload.len(), limit });
    }
    let invalid = |problem| QueryError::Invalid { query: name.to_owned(), problem };
    (route.check)(payload).map_err(invalid)?;
    let text = std::str::from_utf8(payload).map_err(|error| invalid(error.to_string()))?;
    run(shared, name, text.into(), caller, None).await
}

fn find<'s>(shared: &'s Shared, name: &str) -> Result<&'s (Arc<ModuleFacts>, CallRoute), QueryError> {
    shared.queries.get(name).ok_or_else(|| {
        let mut known: Vec<String> = shared.queries.keys().map(|name| (*name).to_owned()).collect();
        known.sort();
        QueryError::NotFound { query: name.to_owned(), known }
    })
}

/// Runs a query, for a job that asks it or for the edge, and returns its answer as JSON text.
pub(super) async fn run(
    shared: &Arc<Shared>,
    name: &str,
    payload: Arc<str>,
    caller: Caller,
    job: Option<&Arc<Attempt>>,
) -> Result<String, QueryError> {
    if let Some(handler) = in_handler::current() {
        return Err(QueryError::InsideHandler { handler });
    }
    let (module, route) = find(shared, name)?;
    if let Some(job) = job {
        stays_inside(name, &job.facts.module, module)?;
    }
    let place = shared.query_gate.enter().map_err(|refusal| QueryError::refused(name, &refusal))?;
    let admission = Admission::new(place, None);
    let deadline = Deadline::after(shared.config.commands.deadline(caller.deadline));
    let unit = unit_of(shared, module, route, payload, origin(&caller, job), admission.clone());
    let answer = unit::run_apart(shared, unit, deadline.left(), &deadline, Access::Read).await;
    admission.end(&answer);
    answer.map_err(|error| QueryError::of(name, error, &deadline))
}

fn stays_inside(query: &str, asks: &ModuleFacts, answers: &ModuleFacts) -> Result<(), QueryError> {
    if asks.context == answers.context {
        return Ok(());
    }
    Err(QueryError::CrossesBorder {
        module: asks.name.to_string(),
        from: asks.context.clone(),
        query: query.to_owned(),
        to: answers.context.clone(),
    })
}

fn origin(caller: &Caller, job: Option<&Arc<Attempt>>) -> Origin {
    let id = MessageId::new();
    match job {
        Some(job) => Origin { id, correlation_id: job.job.correlation_id, trace: job.trace().child() },
        None => Origin { id, correlation_id: id, trace: caller.trace.child() },
    }
}

fn unit_of(
    shared: &Arc<Shared>,
    module: &Arc<ModuleFacts>,
    route: &CallRoute,
    payload: Arc<str>,
    origin: Origin,
    admission: Admission,
) -> Unit<String> {
    let name: Arc<str> = format!("query `{}`", route.name).into();
    let span = telemetry::handle_span(route.name, &name, &origin);
    let (shared, module, call) = (shared.clone(), module.clone(), route.call.clone());
    Unit {
        name,
        driver: route.driver,
        start: Box::new(move |slot| {
            let core = CtxCore::new(shared.clone(), module.clone(), origin.clone(), slot);
            let (called, admission) = (call(core, vec![Payload::Text(payload.clone())]), admission.clone());
            // The span goes with the future, which moves to the store's thread.
            let future = async move {
                let _admission = admission;
                let (core, result) = called.await;
                (core.into_tx(), result)
            };
            Box::pin(future.instrument(span.clone()))
        }),
    }
}
