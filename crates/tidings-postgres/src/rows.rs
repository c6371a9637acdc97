//! Between rows and the port's types.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tidings_core::envelope::{Envelope, MessageKind, Position, Recorded};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::StoreError;
use tidings_core::trace::{TraceContext, TraceParent};
use uuid::Uuid;

use crate::error::{foreign_row, meaning};

/// Reads one column; a failure names it.
pub(crate) fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(|error| meaning(format!("reading column `{name}`"), error))
}

pub(crate) fn text(row: &PgRow, name: &str) -> Result<Arc<str>, StoreError> {
    column::<String>(row, name).map(Into::into)
}

/// A count or a number that is stored in a wider type than the port has.
pub(crate) fn number<T: TryFrom<i64>>(row: &PgRow, name: &str) -> Result<T, StoreError> {
    let wide: i64 = column(row, name)?;
    T::try_from(wide).map_err(|_| foreign_row(name, &wide.to_string()))
}

pub(crate) fn time(micros: i64) -> Timestamp {
    tidings_core::clock::from_stored(micros)
}

/// A limit as the database takes it; no table has more rows than the most.
pub(crate) fn wide(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A partition's number, of which there are at most 64, as the database takes it.
pub(crate) fn narrow(number: u16) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

/// A row of `tidings_log`.
pub(crate) fn recorded(row: &PgRow) -> Result<Recorded, StoreError> {
    let kind = text(row, "kind")?;
    let parent = column::<Option<String>>(row, "traceparent")?;
    let envelope = Envelope {
        id: MessageId(column::<Uuid>(row, "id")?),
        kind: MessageKind::parse(&kind).ok_or_else(|| foreign_row("kind", &kind))?,
        name: text(row, "name")?,
        version: number(row, "version")?,
        source: text(row, "source")?,
        key: column::<Option<String>>(row, "key")?.map(Key::from_stored),
        time: time(column(row, "time")?),
        correlation_id: MessageId(column(row, "correlation_id")?),
        causation_id: column::<Option<Uuid>>(row, "causation_id")?.map(MessageId),
        trace: TraceContext {
            parent: parent.as_deref().and_then(TraceParent::parse),
            tracestate: column(row, "tracestate")?,
            baggage: column(row, "baggage")?,
        },
        reply_to: column::<Option<String>>(row, "reply_to")?.map(Into::into),
        data: column(row, "data")?,
    };
    Ok(Recorded { position: Position(column(row, "position")?), envelope })
}
