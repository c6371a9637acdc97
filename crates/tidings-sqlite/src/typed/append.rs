//! Appending over sqlx.

use sqlx::SqliteConnection;
use tidings_core::envelope::Envelope;

use super::values::bind_own;
use crate::statements::{APPEND, APPEND_MANY, append_params, many_as_json};

/// One statement whatever the number of messages: each statement is a thread hop.
pub(crate) async fn append(
    connection: &mut SqliteConnection,
    messages: &[Envelope],
) -> Result<(), sqlx::Error> {
    match messages {
        [] => Ok(()),
        [message] => {
            let traceparent = message.trace.traceparent();
            let params = append_params(message, traceparent.as_deref());
            bind_own(sqlx::query(APPEND), &params).execute(connection).await.map(drop)
        }
        many => sqlx::query(APPEND_MANY).bind(many_as_json(many)).execute(connection).await.map(drop),
    }
}
