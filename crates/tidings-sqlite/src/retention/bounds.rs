//! How much of the log may go, and what holds the rest.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::fullness::lagging_holder;

/// What maintenance reports about the log.
pub(super) struct State {
    pub(super) messages: u64,
    pub(super) held_by: Option<String>,
}

/// The ends of the log and the slowest consumer.
struct Log {
    messages: u64,
    newest: i64,
    slowest: Option<(String, i64)>,
}

impl Log {
    fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let sql = include_str!("../../queries/retention_size.sql");
        let (Some(messages), Some(newest)): (Option<i64>, Option<i64>) =
            connection.query_row(sql, [], pair)?
        else {
            return Ok(None);
        };
        let sql = include_str!("../../queries/retention_lowest_cursor.sql");
        let slowest = connection.query_row(sql, [], pair).optional()?;
        Ok(Some(Self { messages: messages.max(0).unsigned_abs(), newest, slowest }))
    }

    /// The last position that may go at all. The newest message always stays, so that no position is used twice.
    fn free_through(&self) -> i64 {
        let cursor = self.slowest.as_ref().map_or(i64::MAX, |(_, cursor)| *cursor);
        cursor.min(self.newest - 1)
    }
}

/// The last position to delete: what is too old, and what is too much.
pub(super) fn through(
    connection: &Connection,
    cutoff: i64,
    messages_max: u64,
) -> rusqlite::Result<Option<i64>> {
    let Some(log) = Log::read(connection)? else { return Ok(None) };
    let free = log.free_through();
    let sql = include_str!("../../queries/retention_first_young.sql");
    let first_young: Option<i64> =
        connection.query_row(sql, params![free, cutoff], |row| row.get(0)).optional()?;
    let too_old = first_young.map_or(free, |first| first - 1);
    let too_many = match log.messages.checked_sub(messages_max) {
        None | Some(0) => i64::MIN,
        Some(excess) => nth_free(connection, excess, free)?.unwrap_or(free),
    };
    Ok(Some(too_old.max(too_many).min(free)))
}

pub(super) fn state(connection: &Connection, cutoff: i64, messages_max: u64) -> rusqlite::Result<State> {
    let Some(log) = Log::read(connection)? else { return Ok(State { messages: 0, held_by: None }) };
    let sql = include_str!("../../queries/retention_oldest.sql");
    let (oldest, time): (i64, i64) = connection.query_row(sql, [], pair)?;
    let over = log.messages > messages_max || (time < cutoff && oldest < log.newest);
    let held_by = if over { holder(connection, &log)? } else { None };
    Ok(State { messages: log.messages, held_by })
}

fn holder(connection: &Connection, log: &Log) -> rusqlite::Result<Option<String>> {
    let next_free = nth_free(connection, 1, i64::MAX)?;
    match &log.slowest {
        Some((name, cursor))
            if next_free.is_some_and(|position| position > *cursor) && *cursor < log.newest =>
        {
            Ok(Some(lagging_holder(name, *cursor, log.newest)))
        }
        _ => parked_holder(connection),
    }
}

fn parked_holder(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = include_str!("../../queries/retention_parked_most.sql");
    let most: Option<(i64, String)> = connection.query_row(sql, [], pair).optional()?;
    Ok(most.map(|(count, consumer)| crate::fullness::parked_holder(&consumer, count)))
}

/// The position of the n-th oldest message, from 1, that nobody has parked, if it is not beyond `last`.
fn nth_free(connection: &Connection, n: u64, last: i64) -> rusqlite::Result<Option<i64>> {
    let sql = include_str!("../../queries/retention_nth_free.sql");
    let offset = i64::try_from(n.saturating_sub(1)).unwrap_or(i64::MAX);
    connection.query_row(sql, [offset, last], |row| row.get(0)).optional()
}

fn pair<A: rusqlite::types::FromSql, B: rusqlite::types::FromSql>(row: &Row<'_>) -> rusqlite::Result<(A, B)> {
    Ok((row.get(0)?, row.get(1)?))
}
