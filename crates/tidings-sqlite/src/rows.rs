//! Rows of the log, read back.

use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::Type;
use tidings_core::clock::from_stored;
use tidings_core::envelope::{Envelope, MessageKind, Position, Recorded};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::trace::{TraceContext, TraceParent};
use uuid::Uuid;

/// How many columns of a row [`recorded`] reads, in the order of the queries.
pub(crate) const LOG_COLUMNS: usize = 15;

/// A message from a row that begins with the log's columns.
pub(crate) fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    recorded_as(row, row.get(3)?, row.get(5)?)
}

/// As [`recorded`], with a name and a source that are known already, so that many messages share them.
pub(crate) fn recorded_as(row: &Row<'_>, name: Arc<str>, source: Arc<str>) -> rusqlite::Result<Recorded> {
    let traceparent = row.get_ref(10)?.as_str_or_null()?;
    Ok(Recorded {
        position: Position(row.get(0)?),
        envelope: Envelope {
            id: message_id(row, 1)?,
            kind: parsed(row, 2, MessageKind::parse)?,
            name,
            version: row.get(4)?,
            source,
            key: row.get::<_, Option<String>>(6)?.map(Key::from_stored),
            time: time(row, 7)?,
            correlation_id: message_id(row, 8)?,
            causation_id: message_id_or_null(row, 9)?,
            trace: TraceContext {
                parent: traceparent.and_then(TraceParent::parse),
                tracestate: row.get(11)?,
                baggage: row.get(12)?,
            },
            reply_to: row.get(13)?,
            data: row.get(14)?,
        },
    })
}

/// A column of 16 bytes as an id.
pub(crate) fn message_id(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageId> {
    uuid(row.get_ref(column)?.as_blob()?, column)
}

/// As [`message_id`], for a column that may be NULL.
pub(crate) fn message_id_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<MessageId>> {
    row.get_ref(column)?.as_blob_or_null()?.map(|bytes| uuid(bytes, column)).transpose()
}

/// A column of microseconds as a time.
pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<jiff::Timestamp> {
    row.get(column).map(from_stored)
}

/// As [`time`], for a column that may be NULL.
pub(crate) fn time_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<jiff::Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(from_stored))
}

/// A column of text as one of a closed set of words.
pub(crate) fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| unreadable(column, Type::Text, format!("`{text}` is not a known word").into()))
}

/// As [`parsed`], for a column that may be NULL.
pub(crate) fn parsed_or_null<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    if row.get_ref(column)?.as_str_or_null()?.is_none() {
        return Ok(None);
    }
    parsed(row, column, parse).map(Some)
}

fn uuid(bytes: &[u8], column: usize) -> rusqlite::Result<MessageId> {
    Uuid::from_slice(bytes).map(MessageId).map_err(|error| unreadable(column, Type::Blob, error.into()))
}

pub(crate) fn unreadable(
    column: usize,
    found: Type,
    why: Box<dyn std::error::Error + Send + Sync>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, found, why)
}
