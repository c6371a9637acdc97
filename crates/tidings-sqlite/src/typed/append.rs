//! Appending over sqlx.

use std::sync::LazyLock;

use sqlx::SqliteConnection;
use tidings_core::envelope::Envelope;

use super::values::bind_own;
use crate::exec::Param;
use crate::statements::{APPEND, APPEND_MANY, OUTCOME_INSERT, OUTCOME_PARAMS, append_params, many_as_json};

/// A command's outcome and its messages in one round trip: sqlx runs several statements in one call, and numbers the
/// parameters through all of them.
static CONCLUDE: LazyLock<String> = LazyLock::new(|| {
    let append = APPEND_MANY.replace("?1", &format!("?{}", OUTCOME_PARAMS + 1));
    format!("{};\n{append}", OUTCOME_INSERT.trim_end())
});

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
    if messages.is_empty() {
        let done = bind_own(sqlx::query(OUTCOME_INSERT), outcome).execute(connection).await?;
        return Ok((done.rows_affected(), None));
    }
    let query = bind_own(sqlx::query(CONCLUDE.as_str()), outcome).bind(many_as_json(messages));
    // The count is that of all statements, and each message is a row.
    let done = query.execute(connection).await?;
    let changed = done.rows_affected().saturating_sub(messages.len() as u64);
    Ok((changed, Some(done.last_insert_rowid())))
}
