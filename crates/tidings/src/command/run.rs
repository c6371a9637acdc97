//! Carrying out a command for a caller that waits.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::trace::TraceContext;

use super::carry_out::Call;
use super::gate::Refusal;
use super::{Admission, SendError, keyed};
use crate::app::Shared;
use crate::ctx::{Origin, in_handler};
use crate::deadline::Deadline;
use crate::handler::CallRoute;
use crate::module::ModuleFacts;

/// Who sends a command or asks a query, and how.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Who asks; part of the scope of idempotency keys.
    pub id: String,
    /// Makes sending a command twice safe; a query has no use for it.
    pub idempotency_key: Option<String>,
    /// How long to wait; `None` for the configured time.
    pub deadline: Option<Duration>,
    /// The trace that it belongs to.
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
    run(shared, name, text.into(), MessageId::new(), caller, None).await
}

/// Runs a command, for a job that calls it or for the edge, and returns its output as JSON text.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    name: &str,
    payload: Arc<str>,
    id: MessageId,
    caller: Caller,
    cause: Option<Origin>,
) -> Result<String, SendError> {
    if let Some(handler) = in_handler::current() {
        return Err(SendError::InsideHandler { handler, call: "send" });
    }
    let (module, route) = find(shared, name)?;
    if let Some(problem) = caller.idempotency_key.as_deref().and_then(unusable_key) {
        return Err(SendError::Invalid { command: name.to_owned(), problem });
    }
    let place = shared.gate.enter().map_err(|refusal| refused(name, &refusal))?;
    let deadline = Deadline::after(shared.config.commands.deadline(caller.deadline));
    let call = Call { shared, module, route, payload, id, caller: &caller, cause, deadline };
    match &caller.idempotency_key {
        Some(key) => keyed::run(&call, key, place).await,
        None => call.carry_out(Admission::new(place, None), None).await.map_err(|error| call.error(error)),
    }
}

/// The longest idempotency key, in bytes: it is stored and indexed.
const KEY_BYTES_MAX: usize = 255;

/// An empty key is a mistake, not a key: all callers who make it would share one.
fn unusable_key(key: &str) -> Option<String> {
    match key.len() {
        0 => Some("its idempotency key is empty; leave it out, or make one up per request".to_owned()),
        length if length > KEY_BYTES_MAX => {
            Some(format!("its idempotency key has {length} bytes, more than {KEY_BYTES_MAX}"))
        }
        _ => None,
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
