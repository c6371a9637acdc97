//! Parked messages that may run now.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use tidings_core::store::{ParkedMessage, StoreError};

use crate::rows::{LOG_COLUMNS, recorded};
use crate::store::SqliteStore;

pub(crate) async fn due(
    store: &SqliteStore,
    consumer: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<ParkedMessage>, StoreError> {
    let consumer = consumer.to_owned();
    store.ask("reading parked messages", move |connection| collect(connection, &consumer, now, limit)).await
}

struct Parked {
    message: ParkedMessage,
    key: Option<String>,
}

fn collect(
    connection: &Connection,
    consumer: &str,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<ParkedMessage>> {
    let mut statement = connection.prepare_cached(include_str!("../../queries/due_heads.sql"))?;
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let heads = statement.query_map(params![consumer, now.as_microsecond(), limit_rows], parked)?;
    let mut messages = Vec::new();
    for head in heads {
        if messages.len() >= limit {
            break;
        }
        let Parked { message, key } = head?;
        let position = message.message.position.0;
        messages.push(message);
        let Some(key) = key else { continue };
        let room = i64::try_from(limit - messages.len()).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(include_str!("../../queries/due_followers.sql"))?;
        let followers = statement.query_map(params![consumer, key, position, room], parked)?;
        for follower in followers {
            messages.push(follower?.message);
        }
    }
    Ok(messages)
}

fn parked(row: &Row<'_>) -> rusqlite::Result<Parked> {
    let message = ParkedMessage { message: recorded(row)?, attempts: row.get(LOG_COLUMNS)? };
    Ok(Parked { message, key: row.get(LOG_COLUMNS + 1)? })
}
