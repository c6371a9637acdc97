//! A command with an idempotency key: asked twice, done once.

use tidings_core::error::Error;
use tidings_core::store::{IdempotencyScope, OutcomeRecord, OutcomeStatus, StoreError};
use tokio::sync::OwnedSemaphorePermit;

use super::carry_out::Call;
use super::idempotency::payload_hash;
use super::{Admission, SendError};

pub(super) async fn run(
    call: &Call<'_>,
    key: &str,
    place: OwnedSemaphorePermit,
) -> Result<String, SendError> {
    let scope = IdempotencyScope {
        caller: call.caller.id.clone(),
        command: call.route.name.into(),
        key: key.to_owned(),
    };
    let in_flight = || SendError::KeyInFlight { command: call.route.name.to_owned(), key: key.to_owned() };
    let flight = call.shared.in_flight.enter(&scope).ok_or_else(in_flight)?;
    let admission = Admission::new(place, Some(flight));
    let hash = payload_hash(&call.payload);
    if let Some(stored) = stored(call, &scope).await.map_err(|error| call.error(error))? {
        return replay(stored, &scope, hash);
    }
    let error = match call.carry_out(admission, Some((scope.clone(), hash))).await {
        Ok(output) => return Ok(output),
        Err(error) => error,
    };
    let used = matches!(error.find(), Some(StoreError::IdempotencyKeyUsed));
    let answer = call.error(error);
    if !matches!(answer, SendError::Failed { .. }) {
        return Err(answer);
    }
    // It may have failed because somebody was faster with the same key; what was stored then is the answer.
    match stored(call, &scope).await {
        Ok(Some(stored)) => replay(stored, &scope, hash),
        Ok(None) => Err(if used { in_flight() } else { answer }),
        Err(error) => {
            tracing::warn!(command = call.route.name, %error, "no second look at the outcome of a command that failed");
            Err(answer)
        }
    }
}

/// Looks an outcome up, within the caller's deadline.
async fn stored(call: &Call<'_>, scope: &IdempotencyScope) -> Result<Option<OutcomeRecord>, Error> {
    let asked = call.shared.store.outcome(scope, call.shared.clock.now());
    match tokio::time::timeout_at(call.deadline.ends(), asked).await {
        Ok(found) => Ok(found?),
        Err(_elapsed) => {
            let work = format!("the look-up of an idempotency key of command `{}`", scope.command);
            Err(StoreError::Timeout { work, waited: call.deadline.given(), waited_for: None }.into())
        }
    }
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
