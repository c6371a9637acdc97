//! Running a command's handler to its outcome.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::clock::after;
use tidings_core::error::{Error, ErrorKind, Rejection, Result as HandlerResult, reject};
use tidings_core::ids::MessageId;
use tidings_core::store::{IdempotencyScope, OutcomeRecord, OutcomeStatus, StoreError};
use tracing::{Instrument, Span};

use super::{Admission, Caller, SendError};
use crate::app::Shared;
use crate::ctx::{CtxCore, Origin};
use crate::deadline::Deadline;
use crate::handler::{CallRoute, Payload};
use crate::module::ModuleFacts;
use crate::telemetry;
use crate::unit::{self, Access, Unit};

/// A command that is called, with its handler.
pub(super) struct Call<'c> {
    pub(super) shared: &'c Arc<Shared>,
    pub(super) module: &'c Arc<ModuleFacts>,
    pub(super) route: &'c CallRoute,
    pub(super) payload: Arc<str>,
    pub(super) id: MessageId,
    pub(super) caller: &'c Caller,
    /// The job that calls it.
    pub(super) cause: Option<Origin>,
    pub(super) deadline: Deadline,
}

/// An idempotency key with the hash of the payload that it came with.
pub(super) type KeyedPayload = (IdempotencyScope, [u8; 32]);

/// What every run of a command has in common.
struct Run {
    name: Arc<str>,
    origin: Origin,
    span: Span,
    key: Option<KeyedPayload>,
    /// The job that called it.
    cause: Option<MessageId>,
    admission: Admission,
}

/// How long to wait before trying again after the store said that it was busy.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

impl Call<'_> {
    pub(super) fn error(&self, error: Error) -> SendError {
        SendError::of(self.route.name, error, &self.deadline)
    }

    /// Runs the handler until it has an outcome or the deadline has passed.
    pub(super) async fn carry_out(
        &self,
        admission: Admission,
        key: Option<KeyedPayload>,
    ) -> HandlerResult<String> {
        let id = self.id;
        let origin = match &self.cause {
            Some(job) => Origin { id, correlation_id: job.correlation_id, trace: job.trace.child() },
            None => Origin { id, correlation_id: id, trace: self.caller.trace.child() },
        };
        let name: Arc<str> = format!("command `{}`", self.route.name).into();
        let span = telemetry::handle_span(self.route.name, &name, &origin);
        let run = Arc::new(Run {
            name,
            origin,
            span,
            key,
            cause: self.cause.as_ref().map(|job| job.id),
            admission,
        });
        let carried = self.repeat_while_busy(&run).await;
        run.admission.end(&carried);
        match carried? {
            Ok(output) => Ok(output),
            Err(rejected) => reject(&rejected.code, rejected.message),
        }
    }

    async fn repeat_while_busy(&self, run: &Arc<Run>) -> HandlerResult<Carried> {
        let budget = self.shared.config.limits().budget;
        loop {
            let unit = self.unit(run);
            match unit::run_apart(self.shared, unit, budget, &self.deadline, Access::Write).await {
                Err(error) if is_busy(self.shared, &error) && !self.deadline.is_over() => {
                    tokio::time::sleep(BUSY_PAUSE.min(self.deadline.left())).await;
                }
                ended => return ended,
            }
        }
    }

    fn unit(&self, run: &Arc<Run>) -> Unit<Carried> {
        let (shared, module, route) = (self.shared.clone(), self.module.clone(), self.route.clone());
        let (payload, run) = (self.payload.clone(), run.clone());
        Unit {
            name: run.name.clone(),
            driver: route.driver,
            start: Box::new(move |slot| {
                let core = CtxCore::new(shared.clone(), module.clone(), run.origin.clone(), slot);
                let called = (route.call)(core, vec![Payload::Text(payload.clone())]);
                let (command, run) = (route.name, run.clone());
                let span = run.span.clone();
                // The span goes with the future, which moves to the store's thread.
                let future = async move {
                    let (mut core, result) = called.await;
                    let done = finish(&mut core, command, result, run.key.clone(), run.cause).await;
                    (core.into_tx(), done)
                };
                Box::pin(future.instrument(span))
            }),
        }
    }
}

/// Overload, a stuck writer and an expired wait are the caller's to know; only contention inside the database is worth
/// another go.
fn is_busy(shared: &Shared, error: &Error) -> bool {
    use StoreError::{Blocked, Overloaded, Timeout};
    let told = matches!(error.find(), Some(Overloaded { .. } | Blocked { .. } | Timeout { .. }));
    !told && (*error.kind() == ErrorKind::Transient || shared.store.is_transient(error))
}

pub(crate) type Carried = Result<String, Rejection>;

/// Writes what a command leaves behind: its messages and its outcome, or its rejection alone.
async fn finish(
    core: &mut CtxCore,
    command: &'static str,
    result: HandlerResult<String>,
    idempotency: Option<KeyedPayload>,
    causation_id: Option<MessageId>,
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
        core.jobs.clear();
        if core.has_tx() {
            core.tx().await.undo().await?;
        }
    } else if !core.has_tx() && core.outgoing.is_empty() && core.jobs.is_empty() && idempotency.is_none() {
        return Ok(carried);
    }
    core.write_jobs().await?;
    let record = OutcomeRecord { idempotency, causation_id, ..outcome_record(core, command, &carried)? };
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
    let kept = Duration::from_secs(u64::from(core.shared.config.commands.idempotency_hours) * 3_600);
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
        causation_id: None,
        idempotency: None,
        status,
        body,
        at,
        expires: after(at, kept),
        unhandled: false,
    })
}
