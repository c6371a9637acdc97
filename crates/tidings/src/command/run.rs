//! Carrying out a command for a caller that waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tidings_core::error::{Error, ErrorKind, Rejection, Result as HandlerResult};
use tidings_core::ids::MessageId;
use tidings_core::store::{IdempotencyScope, Limits, OutcomeRecord, OutcomeStatus, StoreError};
use tidings_core::trace::TraceContext;
use tracing::Instrument;

use super::SendError;
use super::gate::Refusal;
use super::idempotency::payload_hash;
use crate::app::Shared;
use crate::ctx::{CtxCore, Origin, in_handler};
use crate::handler::CallRoute;
use crate::module::ModuleFacts;
use crate::telemetry;
use crate::unit::{self, Access, Unit};

/// Who sends a command, and how.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Who asks; part of the scope of idempotency keys.
    pub id: String,
    /// Makes asking twice safe.
    pub idempotency_key: Option<String>,
    /// How long to wait; `None` for the configured time.
    pub deadline: Option<Duration>,
    /// The trace that the command belongs to.
    pub trace: TraceContext,
}

/// Decodes strictly, then runs.
pub(crate) async fn send_json(
    shared: &Arc<Shared>,
    name: &str,
    payload: &[u8],
    caller: Caller,
) -> Result<String, SendError> {
    let (_, route) = find(shared, name)?;
    let limit = shared.config.commands.body_bytes_max;
    if payload.len() > limit {
        return Err(SendError::TooLarge { command: name.to_owned(), bytes: payload.len(), limit });
    }
    let invalid = |problem| SendError::Invalid { command: name.to_owned(), problem };
    (route.check)(payload).map_err(invalid)?;
    let text = std::str::from_utf8(payload).map_err(|error| invalid(error.to_string()))?;
    run(shared, name, text.into(), caller).await
}

/// Runs a command and returns its output as JSON text.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    name: &str,
    payload: Arc<str>,
    caller: Caller,
) -> Result<String, SendError> {
    if let Some(handler) = in_handler::current() {
        return Err(SendError::InsideHandler { handler, call: "send" });
    }
    let (module, route) = find(shared, name)?;
    let _place = shared.gate.enter().map_err(|refusal| refused(name, &refusal))?;
    let deadline = caller.deadline.unwrap_or(Duration::from_millis(shared.config.commands.deadline_ms));
    let ends = Instant::now() + deadline;
    let Some(key) = &caller.idempotency_key else {
        return carry_out(shared, module, route, payload, &caller, None, ends)
            .await
            .map_err(|e| SendError::of(name, e, deadline));
    };
    let scope = IdempotencyScope { caller: caller.id.clone(), command: name.into(), key: key.clone() };
    let in_flight = || SendError::KeyInFlight { command: name.to_owned(), key: key.clone() };
    let _flight = shared.in_flight.enter(&scope).ok_or_else(in_flight)?;
    let hash = payload_hash(&payload);
    if let Some(stored) = stored(shared, &scope, deadline).await? {
        return replay(stored, &scope, hash);
    }
    let idempotency = Some((scope.clone(), hash));
    match carry_out(shared, module, route, payload, &caller, idempotency, ends).await {
        // Another process was faster; what it stored is the answer.
        Err(error) if matches!(error.find(), Some(StoreError::IdempotencyKeyUsed)) => {
            match stored(shared, &scope, deadline).await? {
                Some(stored) => replay(stored, &scope, hash),
                None => Err(in_flight()),
            }
        }
        done => done.map_err(|error| SendError::of(name, error, deadline)),
    }
}

fn find<'s>(shared: &'s Shared, name: &str) -> Result<&'s (Arc<ModuleFacts>, CallRoute), SendError> {
    shared.commands.get(name).ok_or_else(|| {
        let mut known: Vec<String> = shared.commands.keys().map(|name| (*name).to_owned()).collect();
        known.sort();
        SendError::NotFound { command: name.to_owned(), known }
    })
}

fn refused(command: &str, refusal: &Refusal) -> SendError {
    let command = command.to_owned();
    match refusal {
        Refusal::Closed => SendError::ShuttingDown { command },
        Refusal::Full { max } => SendError::Overloaded {
            command,
            reason: format!("{max} commands run already (`commands.concurrency_max`)"),
        },
    }
}

async fn stored(
    shared: &Shared,
    scope: &IdempotencyScope,
    deadline: Duration,
) -> Result<Option<OutcomeRecord>, SendError> {
    let found = shared.store.outcome(scope, shared.clock.now()).await;
    found.map_err(|error| SendError::of(&scope.command, error.into(), deadline))
}

fn replay(stored: OutcomeRecord, scope: &IdempotencyScope, hash: [u8; 32]) -> Result<String, SendError> {
    let command = scope.command.to_string();
    if stored.idempotency.as_ref().is_none_or(|(_, known)| *known != hash) {
        return Err(SendError::KeyConflict { command, key: scope.key.clone() });
    }
    match stored.status {
        OutcomeStatus::Completed => Ok(stored.body),
        OutcomeStatus::Rejected => match serde_json::from_str(&stored.body) {
            Ok(rejection) => Err(SendError::Rejected { command, rejection }),
            Err(error) => Err(SendError::Failed { command, source: error.into() }),
        },
    }
}

/// How long to wait before trying again after the store said that it was busy.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

async fn carry_out(
    shared: &Arc<Shared>,
    module: &Arc<ModuleFacts>,
    route: &CallRoute,
    payload: Arc<str>,
    caller: &Caller,
    idempotency: Option<(IdempotencyScope, [u8; 32])>,
    ends: Instant,
) -> HandlerResult<String> {
    let id = MessageId::new();
    let origin = Origin { id, correlation_id: id, trace: caller.trace.child() };
    let name: Arc<str> = format!("command `{}`", route.name).into();
    let span = telemetry::handle_span(route.name, &name, &origin);
    async {
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StoreError::Timeout { work: name.to_string(), waited: Duration::ZERO }.into());
            }
            let limits = shared.config.limits();
            let limits = Limits { budget: limits.budget.min(left), wait: Some(left) };
            let unit = unit_of(shared, module, route, &payload, &origin, &idempotency, &name);
            match unit::run(&shared.store, unit, limits, Access::Write).await {
                Ok(Ok(output)) => return Ok(output),
                Ok(Err(rejected)) => return tidings_core::error::reject(&rejected.code, rejected.message),
                Err(error) if is_busy(shared, &error) => tokio::time::sleep(BUSY_PAUSE.min(left)).await,
                Err(error) => return Err(error),
            }
        }
    }
    .instrument(span)
    .await
}

/// Overload, a stuck writer and an expired wait are the caller's to know; only contention inside the database is worth
/// another go.
fn is_busy(shared: &Shared, error: &Error) -> bool {
    use StoreError::{Blocked, Overloaded, Timeout};
    let told = matches!(error.find(), Some(Overloaded { .. } | Blocked { .. } | Timeout { .. }));
    !told && (*error.kind() == ErrorKind::Transient || shared.store.is_transient(error))
}

type Carried = Result<String, Rejection>;

fn unit_of(
    shared: &Arc<Shared>,
    module: &Arc<ModuleFacts>,
    route: &CallRoute,
    payload: &Arc<str>,
    origin: &Origin,
    idempotency: &Option<(IdempotencyScope, [u8; 32])>,
    name: &Arc<str>,
) -> Unit<Carried> {
    let (shared, module, route) = (shared.clone(), module.clone(), route.clone());
    let (payload, origin, idempotency) = (payload.clone(), origin.clone(), idempotency.clone());
    Unit {
        name: name.clone(),
        driver: route.driver,
        start: Box::new(move |slot| {
            let core = CtxCore::new(shared.clone(), module.clone(), origin.clone(), slot);
            let called = (route.call)(core, vec![payload.clone()]);
            let (command, idempotency) = (route.name, idempotency.clone());
            Box::pin(async move {
                let (mut core, result) = called.await;
                let done = finish(&mut core, command, result, idempotency).await;
                (core.into_tx(), done)
            })
        }),
    }
}

/// Writes what a command leaves behind: its messages and its outcome, or its rejection alone.
async fn finish(
    core: &mut CtxCore,
    command: &'static str,
    result: HandlerResult<String>,
    idempotency: Option<(IdempotencyScope, [u8; 32])>,
) -> HandlerResult<Carried> {
    let carried = match result {
        Ok(output) => Ok(output),
        Err(error) => match error.rejection() {
            Some(rejection) => Err(rejection.clone()),
            None => return Err(error),
        },
    };
    if carried.is_err() {
        core.outgoing.clear();
        if core.has_tx() {
            core.tx().await.undo().await?;
        }
    } else if !core.has_tx() && core.outgoing.is_empty() && idempotency.is_none() {
        return Ok(carried);
    }
    let record = OutcomeRecord { idempotency, ..outcome_record(core, command, &carried)? };
    let outgoing = std::mem::take(&mut core.outgoing);
    core.tx().await.conclude(&outgoing, &record).await?;
    Ok(carried)
}

/// The record of what became of the command that `core` handles.
pub(crate) fn outcome_record(
    core: &CtxCore,
    command: &str,
    carried: &Carried,
) -> HandlerResult<OutcomeRecord> {
    let at = core.now();
    let kept = SignedDuration::from_hours(i64::from(core.shared.config.commands.idempotency_hours));
    let (status, body) = match carried {
        Ok(output) => (OutcomeStatus::Completed, output.clone()),
        Err(rejection) => {
            (OutcomeStatus::Rejected, serde_json::to_string(rejection).map_err(Error::permanent)?)
        }
    };
    Ok(OutcomeRecord {
        id: core.origin.id,
        command: command.into(),
        correlation_id: core.origin.correlation_id,
        idempotency: None,
        status,
        body,
        at,
        expires: at.checked_add(kept).unwrap_or(jiff::Timestamp::MAX),
        unhandled: false,
    })
}
