//! What a consumer reads, and since when.

use std::sync::Arc;

use rusqlite::Connection;

pub(super) fn as_json(names: &[Arc<str>]) -> String {
    serde_json::Value::from(names.iter().map(|name| name.to_string()).collect::<Vec<_>>()).to_string()
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
