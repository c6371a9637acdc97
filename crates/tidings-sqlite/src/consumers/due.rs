//! Parked messages that may run now.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use tidings_core::store::{ParkedMessage, StoreError};

use crate::rows::{LOG_COLUMNS, log_columns, recorded};
use crate::store::SqliteStore;

/// Heads whose time has come. A row is a head if it holds no key, or no earlier row holds the same one: behind a dead
/// head nothing is due.
const HEADS: &str = concat!(
    "SELECT ",
    log_columns!(),
    ", p.attempts, p.key FROM tidings_parked AS p JOIN tidings_log AS l ON l.position = p.position \
     WHERE p.consumer = ?1 AND p.state = 'retrying' AND p.due <= ?2 \
     AND (p.key IS NULL OR NOT EXISTS (SELECT 1 FROM tidings_parked AS q \
          WHERE q.consumer = ?1 AND q.key = p.key AND q.position < p.position)) \
     ORDER BY p.due, p.position LIMIT ?3"
);

/// What waits behind a head, up to the next row of the key that is more than waiting.
const FOLLOWERS: &str = concat!(
    "SELECT ",
    log_columns!(),
    ", p.attempts, p.key FROM tidings_parked AS p JOIN tidings_log AS l ON l.position = p.position \
     WHERE p.consumer = ?1 AND p.key = ?2 AND p.position > ?3 AND p.position < coalesce( \
         (SELECT min(q.position) FROM tidings_parked AS q \
          WHERE q.consumer = ?1 AND q.key = ?2 AND q.position > ?3 AND q.state <> 'behind'), 9223372036854775807) \
     ORDER BY p.position LIMIT ?4"
);

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
    let mut statement = connection.prepare_cached(HEADS)?;
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
        let mut statement = connection.prepare_cached(FOLLOWERS)?;
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
