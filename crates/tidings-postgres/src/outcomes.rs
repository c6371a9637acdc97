//! What became of commands.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};
use tidings_core::envelope::Envelope;
use tidings_core::ids::MessageId;
use tidings_core::store::{IdempotencyScope, OutcomeRecord, OutcomeStatus, StoreError};
use uuid::Uuid;

use crate::error::{foreign_row, meaning};
use crate::log;
use crate::pool::{Alone as _, Pool};
use crate::rows::{column, text, time};

/// Stores an outcome.
pub(crate) async fn record(connection: &mut PgConnection, outcome: &OutcomeRecord) -> Result<(), StoreError> {
    let insert = with_outcome(sqlx::query(include_str!("../queries/outcome_insert.sql")), outcome);
    match insert.execute(connection).await.map_err(|error| not_recorded(outcome, error))?.rows_affected() {
        0 => Err(StoreError::IdempotencyKeyUsed),
        _ => Ok(()),
    }
}

/// Appends a command's messages and stores its outcome, in one statement; returns the newest position.
pub(crate) async fn conclude(
    connection: &mut PgConnection,
    messages: &[Envelope],
    outcome: &OutcomeRecord,
) -> Result<Option<i64>, StoreError> {
    if messages.is_empty() {
        return record(connection, outcome).await.map(|()| None);
    }
    let query = with_outcome(log::with_messages(include_str!("../queries/conclude.sql"), messages), outcome);
    let row = query.fetch_one(connection).await.map_err(|error| match outcome_holds_nul(outcome) {
        Some(_) => not_recorded(outcome, error),
        None => log::not_appended(messages, error),
    })?;
    match column::<i64>(&row, "outcomes")? {
        0 => Err(StoreError::IdempotencyKeyUsed),
        _ => column(&row, "newest"),
    }
}

fn with_outcome<'q>(
    query: Query<'q, Postgres, PgArguments>,
    outcome: &'q OutcomeRecord,
) -> Query<'q, Postgres, PgArguments> {
    let scope = outcome.idempotency.as_ref().map(|(scope, _)| scope);
    query
        .bind(outcome.id.0)
        .bind(&*outcome.command)
        .bind(outcome.correlation_id.0)
        .bind(outcome.causation_id.map(|id| id.0))
        .bind(scope.map(|scope| scope.caller.as_str()))
        .bind(scope.map(|scope| scope.key.as_str()))
        .bind(outcome.idempotency.as_ref().map(|(_, hash)| hash.as_slice()))
        .bind(outcome.status.as_str())
        .bind(outcome.body.as_str())
        .bind(outcome.at.as_microsecond())
        .bind(outcome.expires.as_microsecond())
        .bind(outcome.unhandled)
}

fn not_recorded(outcome: &OutcomeRecord, error: sqlx::Error) -> StoreError {
    let context = format!("storing the outcome of `{}`", outcome.command);
    meaning(
        outcome_holds_nul(outcome).map_or(context.clone(), |column| format!("{context}: its {column}")),
        error,
    )
}

/// The part of an outcome with a character that PostgreSQL cannot store.
fn outcome_holds_nul(outcome: &OutcomeRecord) -> Option<&'static str> {
    let scope = outcome.idempotency.as_ref().map(|(scope, _)| scope);
    let parts = [
        ("caller", scope.map(|scope| scope.caller.as_str())),
        ("idempotency key", scope.map(|scope| scope.key.as_str())),
        ("body", Some(outcome.body.as_str())),
    ];
    parts.into_iter().find_map(|(name, text)| text?.contains('\0').then_some(name))
}

/// The outcome on record for a key that has not expired.
pub(crate) async fn by_key(
    pool: &Pool,
    scope: &IdempotencyScope,
    now: i64,
) -> Result<Option<OutcomeRecord>, StoreError> {
    if scope.caller.contains('\0') || scope.key.contains('\0') {
        // None was ever stored.
        return Ok(None);
    }
    let row = sqlx::query(include_str!("../queries/outcome_by_key.sql"))
        .bind(&scope.caller)
        .bind(&*scope.command)
        .bind(&scope.key)
        .bind(now)
        .optional(pool)
        .await
        .map_err(|error| meaning("reading an outcome", error))?;
    row.as_ref().map(outcome).transpose()
}

/// The outcome of one command.
pub(crate) async fn by_id(pool: &Pool, id: MessageId) -> Result<Option<OutcomeRecord>, StoreError> {
    let row = sqlx::query(include_str!("../queries/outcome_by_id.sql"))
        .bind(id.0)
        .optional(pool)
        .await
        .map_err(|error| meaning("reading an outcome", error))?;
    row.as_ref().map(outcome).transpose()
}

/// Rejections that nobody handled, oldest first.
pub(crate) async fn unhandled(pool: &Pool, limit: i64) -> Result<Vec<OutcomeRecord>, StoreError> {
    let rows = sqlx::query(include_str!("../queries/outcomes_unhandled.sql"))
        .bind(limit)
        .all(pool)
        .await
        .map_err(|error| meaning("reading rejections", error))?;
    rows.iter().map(outcome).collect()
}

/// Takes note that a person has seen a rejection.
pub(crate) async fn acknowledge(pool: &Pool, id: MessageId) -> Result<(), StoreError> {
    let done = sqlx::query(include_str!("../queries/outcome_acknowledge.sql")).bind(id.0).run(pool).await;
    match done.map_err(|error| meaning("acknowledging a rejection", error))?.rows_affected() {
        0 => Err(StoreError::NotFound { what: format!("a listed rejection of command `{}`", id.0) }),
        _ => Ok(()),
    }
}

fn outcome(row: &PgRow) -> Result<OutcomeRecord, StoreError> {
    let command = text(row, "command")?;
    let status = text(row, "status")?;
    let idempotency = match column::<Option<String>>(row, "key")? {
        Some(key) => {
            let scope = IdempotencyScope { caller: column(row, "caller")?, command: command.clone(), key };
            let hash: &[u8] =
                row.try_get("payload_hash").map_err(|error| meaning("reading an outcome", error))?;
            let hash = hash.try_into().map_err(|_| foreign_row("payload hash", &format!("{hash:?}")))?;
            Some((scope, hash))
        }
        None => None,
    };
    Ok(OutcomeRecord {
        id: MessageId(column::<Uuid>(row, "id")?),
        command,
        correlation_id: MessageId(column::<Uuid>(row, "correlation_id")?),
        causation_id: column::<Option<Uuid>>(row, "causation_id")?.map(MessageId),
        idempotency,
        status: OutcomeStatus::parse(&status).ok_or_else(|| foreign_row("status of an outcome", &status))?,
        body: column(row, "body")?,
        at: time(column(row, "at")?),
        expires: time(column(row, "expires")?),
        unhandled: column(row, "unhandled")?,
    })
}
