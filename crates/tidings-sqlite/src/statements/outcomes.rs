//! Outcomes of commands.

use tidings_core::store::{OutcomeRecord, StoreError};

use super::log::id;
use crate::exec::{Exec, Param};

pub(crate) async fn record_outcome<E: Exec>(exec: &mut E, outcome: &OutcomeRecord) -> Result<(), StoreError> {
    let scope = outcome.idempotency.as_ref().map(|(scope, _)| scope);
    let hash = outcome.idempotency.as_ref().map(|(_, hash)| hash);
    let params = [
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
    ];
    let changed = exec.execute(include_str!("../../queries/outcome_insert.sql"), &params).await?;
    if changed == 0 { Err(StoreError::IdempotencyKeyUsed) } else { Ok(()) }
}
