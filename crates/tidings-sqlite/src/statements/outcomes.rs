//! Outcomes of commands.

use tidings_core::envelope::Envelope;
use tidings_core::store::{OutcomeRecord, StoreError};

use super::log::id;
use crate::exec::{Exec, Param};

pub(crate) const OUTCOME_INSERT: &str = include_str!("../../queries/outcome_insert.sql");

/// How many parameters [`OUTCOME_INSERT`] has.
pub(crate) const OUTCOME_PARAMS: usize = 12;

/// Appends a command's messages and stores its outcome.
pub(crate) async fn conclude<E: Exec>(
    exec: &mut E,
    messages: &[Envelope],
    outcome: &OutcomeRecord,
) -> Result<(), StoreError> {
    let scope = outcome.idempotency.as_ref().map(|(scope, _)| scope);
    let hash = outcome.idempotency.as_ref().map(|(_, hash)| hash);
    let params: [Param<'_>; OUTCOME_PARAMS] = [
        id(&outcome.id),
        Param::Text(&outcome.command),
        id(&outcome.correlation_id),
        Param::text(scope.map(|scope| scope.caller.as_str())),
        Param::text(scope.map(|scope| scope.key.as_str())),
        hash.map_or(Param::Null, |hash| Param::Blob(hash)),
        Param::Text(outcome.status.as_str()),
        Param::Text(&outcome.body),
        Param::Int(outcome.at.as_microsecond()),
        Param::Int(outcome.expires.as_microsecond()),
        Param::Int(outcome.unhandled.into()),
        outcome.causation_id.as_ref().map_or(Param::Null, id),
    ];
    let changed = exec.conclude(messages, &params).await?;
    if changed == 0 { Err(StoreError::IdempotencyKeyUsed) } else { Ok(()) }
}
