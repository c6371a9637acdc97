//! What a consumer reads, and since when.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use tidings_core::partition::generation;

use crate::rows::unreadable;

pub(super) fn as_json(names: &[Arc<str>]) -> String {
    serde_json::Value::from(names.iter().map(|name| name.to_string()).collect::<Vec<_>>()).to_string()
}

/// The names that a consumer reads now; `None` if it is not on record, or retired.
pub(super) fn of(connection: &Connection, consumer: &str) -> rusqlite::Result<Option<Vec<Arc<str>>>> {
    let sql = include_str!("../../queries/consumer_reads.sql");
    let reads = connection.prepare_cached(sql)?.query_row([consumer], |row| row.get(0)).optional()?;
    reads.map(|reads: String| parse(&reads)).transpose()
}

/// The consumers that are not retired, each with its present generation.
pub(crate) fn generations(connection: &Connection) -> rusqlite::Result<Vec<(Arc<str>, i64)>> {
    let sql = "SELECT name, reads FROM tidings_consumers WHERE retired_at IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, generation(&parse(&row.get::<_, String>(1)?)?)));
    statement.query_map([], read)?.collect()
}

fn parse(reads: &str) -> rusqlite::Result<Vec<Arc<str>>> {
    let names: Vec<String> = serde_json::from_str(reads)
        .map_err(|error| unreadable(0, rusqlite::types::Type::Text, error.into()))?;
    Ok(names.into_iter().map(Into::into).collect())
}

/// Takes note that from its cursor on the consumer reads just these names.
pub(super) fn note(connection: &Connection, consumer: &str, reads: &str) -> rusqlite::Result<()> {
    end_others(connection, consumer, reads)?;
    connection.execute(include_str!("../../queries/reads_open.sql"), [consumer, reads])?;
    Ok(())
}

/// Takes note that the consumer reads nothing any more.
pub(super) fn end_all(connection: &Connection, consumer: &str) -> rusqlite::Result<()> {
    end_others(connection, consumer, "[]")
}

fn end_others(connection: &Connection, consumer: &str, reads: &str) -> rusqlite::Result<()> {
    connection.execute(include_str!("../../queries/reads_close.sql"), [consumer, reads])?;
    connection.execute(include_str!("../../queries/reads_drop_empty.sql"), [consumer])?;
    Ok(())
}
