//! Appending over sqlx.

use std::sync::LazyLock;

use sqlx::SqliteConnection;
use tidings_core::envelope::Envelope;

use super::values::bind_own;
use crate::exec::Param;
use crate::statements::{
    APPEND, APPEND_MANY, APPEND_PARAMS, OUTCOME_INSERT, OUTCOME_PARAMS, append_params, many_as_json,
};

/// A command's outcome and its one message in one round trip: sqlx runs several statements in one call, and numbers the
/// parameters through all of them.
static CONCLUDE: LazyLock<String> = LazyLock::new(|| after_outcome(APPEND, APPEND_PARAMS));

/// The same with many messages.
static CONCLUDE_MANY: LazyLock<String> = LazyLock::new(|| after_outcome(APPEND_MANY, 1));

/// Puts a statement behind [`OUTCOME_INSERT`], its parameters after those.
fn after_outcome(sql: &str, params: usize) -> String {
    // From the last parameter down, so that `?1` is not taken for the beginning of `?12`; and marked with another sign
    // until all are done, so that none is shifted twice.
    let shift = |sql: String, number: usize| {
        sql.replace(&format!("?{number}"), &format!("@{}", number + OUTCOME_PARAMS))
    };
    let shifted = (1..=params).rev().fold(sql.to_owned(), shift).replace('@', "?");
    format!("{};\n{shifted}", OUTCOME_INSERT.trim_end())
}

/// One statement whatever the number of messages: each statement is a thread hop. Returns the last one's position.
pub(crate) async fn append(
    connection: &mut SqliteConnection,
    messages: &[Envelope],
) -> Result<Option<i64>, sqlx::Error> {
    let done = match messages {
        [] => return Ok(None),
        [message] => {
            let traceparent = message.trace.traceparent();
            let params = append_params(message, traceparent.as_deref());
            bind_own(sqlx::query(APPEND), &params).execute(connection).await?
        }
        many => sqlx::query(APPEND_MANY).bind(many_as_json(many)).execute(connection).await?,
    };
    Ok(Some(done.last_insert_rowid()))
}

/// Stores a command's outcome and appends its messages. Returns how many rows the outcome changed, and the last message's
/// position.
pub(crate) async fn conclude(
    connection: &mut SqliteConnection,
    messages: &[Envelope],
    outcome: &[Param<'_>],
) -> Result<(u64, Option<i64>), sqlx::Error> {
    let query = match messages {
        [] => bind_own(sqlx::query(OUTCOME_INSERT), outcome),
        [message] => {
            let traceparent = message.trace.traceparent();
            let params = append_params(message, traceparent.as_deref());
            bind_own(bind_own(sqlx::query(CONCLUDE.as_str()), outcome), &params)
        }
        many => bind_own(sqlx::query(CONCLUDE_MANY.as_str()), outcome).bind(many_as_json(many)),
    };
    // The count is that of all statements, and each message is a row.
    let done = query.execute(connection).await?;
    let changed = done.rows_affected().saturating_sub(messages.len() as u64);
    Ok((changed, (!messages.is_empty()).then(|| done.last_insert_rowid())))
}
