//! Appending and reading.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool};
use tidings_core::envelope::{Cursor, Envelope};
use tidings_core::store::{Batch, Filter, StoreError};
use uuid::Uuid;

use crate::config::Reader;
use crate::cursor::Window;
use crate::error::meaning;
use crate::rows::{column, recorded, wide};

/// Appends messages in order, in one statement.
pub(crate) async fn append(connection: &mut PgConnection, messages: &[Envelope]) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    fn each<'a, T>(messages: &'a [Envelope], field: impl Fn(&'a Envelope) -> T) -> Vec<T> {
        messages.iter().map(field).collect()
    }
    sqlx::query(include_str!("../queries/append_many.sql"))
        .bind(each(messages, |message| message.id.0))
        .bind(each(messages, |message| message.kind.as_str()))
        .bind(each(messages, |message| &*message.name))
        .bind(each(messages, |message| i64::from(message.version)))
        .bind(each(messages, |message| &*message.source))
        .bind(each(messages, |message| message.key.as_ref().map(|key| key.as_str())))
        .bind(each(messages, |message| message.time.as_microsecond()))
        .bind(each(messages, |message| message.correlation_id.0))
        .bind(each::<Option<Uuid>>(messages, |message| message.causation_id.map(|id| id.0)))
        .bind(each(messages, |message| message.trace.traceparent()))
        .bind(each(messages, |message| message.trace.tracestate.as_deref()))
        .bind(each(messages, |message| message.trace.baggage.as_deref()))
        .bind(each(messages, |message| message.reply_to.as_deref()))
        .bind(each(messages, |message| message.data.as_str()))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| meaning("appending messages to the log", error))
}

/// What a new transaction would see now.
pub(crate) async fn snapshot(connection: &mut PgConnection) -> Result<String, StoreError> {
    let row = sqlx::query(include_str!("../queries/snapshot.sql")).fetch_one(connection).await;
    let row = row.map_err(|error| match &error {
        // Unlogged tables cannot be read there.
        sqlx::Error::Database(refused) if refused.code().as_deref() == Some("0A000") => {
            StoreError::ReadOnly { what: "the server, which is a standby,".to_owned(), source: Some(error.into()) }
        }
        _ => meaning("taking a snapshot", error),
    })?;
    column(&row, "snapshot")
}

/// Reads the messages after `cursor`.
pub(crate) async fn read_after(
    pool: &PgPool,
    reader: Reader,
    cursor: &Cursor,
    filter: &Filter,
    limit: usize,
) -> Result<Batch, StoreError> {
    let mut connection = pool.acquire().await.map_err(|error| meaning("reading the log", error))?;
    let window = Window::parse(cursor)?;
    match reader {
        Reader::BetweenSnapshots => read_window(&mut connection, window, filter, limit).await,
        Reader::BySequence => read_by_sequence(&mut connection, window, filter, limit).await,
        Reader::ByTransaction => read_by_transaction(&mut connection, window, filter, limit).await,
    }
}

async fn read_window(
    connection: &mut PgConnection,
    window: Window,
    filter: &Filter,
    limit: usize,
) -> Result<Batch, StoreError> {
    let fresh = window.is_closed();
    let window = if fresh { window.up_to(snapshot(connection).await?) } else { window };
    let batch = rows_of(connection, &window, filter, limit).await?;
    // Fewer rows than asked for: the window is used up. If it reached to the present, so is the log.
    let used_up = batch.messages.len() < limit;
    let last = batch.messages.last().map(|message| message.position.0);
    let next = window.after(last, used_up).cursor();
    Ok(Batch { next, at_end: used_up && fresh, ..batch })
}

/// Rows of a window; `next` stands behind the last of them.
async fn rows_of(
    connection: &mut PgConnection,
    window: &Window,
    filter: &Filter,
    limit: usize,
) -> Result<Batch, StoreError> {
    let rows = sqlx::query(include_str!("../queries/read_after.sql"))
        .bind(filter.kind.as_str())
        .bind(names(filter))
        .bind(&window.lo)
        .bind(&window.hi)
        .bind(window.position)
        .bind(wide(limit as u64)?)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the log", error))?;
    batch_of(&rows, window, |window, _, position| Ok(window.at(position)))
}

fn batch_of(
    rows: &[PgRow],
    from: &Window,
    behind: impl Fn(&Window, &PgRow, i64) -> Result<Window, StoreError>,
) -> Result<Batch, StoreError> {
    let messages = rows.iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
    let places = rows.iter().zip(&messages);
    let cursors = places
        .map(|(row, message)| Ok(behind(from, row, message.position.0)?.cursor()))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let next = cursors.last().cloned().unwrap_or_else(|| from.cursor());
    Ok(Batch { messages, cursors, next, at_end: false })
}

fn names(filter: &Filter) -> Vec<&str> {
    filter.names.iter().map(|name| &**name).collect()
}

/// A planted bug: a window from the beginning to the present in which only the position moves.
async fn read_by_sequence(
    connection: &mut PgConnection,
    window: Window,
    filter: &Filter,
    limit: usize,
) -> Result<Batch, StoreError> {
    let hi = snapshot(connection).await?;
    let window = Window { hi, lo: Window::beginning().lo, ..window };
    let batch = rows_of(connection, &window, filter, limit).await?;
    Ok(Batch { at_end: batch.messages.len() < limit, ..batch })
}

/// A planted bug: everything below the oldest open transaction, by transaction.
async fn read_by_transaction(
    connection: &mut PgConnection,
    window: Window,
    filter: &Filter,
    limit: usize,
) -> Result<Batch, StoreError> {
    let rows = sqlx::query(include_str!("../queries/read_by_transaction.sql"))
        .bind(filter.kind.as_str())
        .bind(names(filter))
        .bind(window.to_string())
        .bind(wide(limit as u64)?)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the log", error))?;
    let batch = batch_of(&rows, &window, |_, row, position| {
        let xid: i64 = column(row, "transaction")?;
        Ok(Window { lo: format!("{xid}:{xid}:"), hi: format!("{0}:{0}:", xid + 1), position })
    })?;
    Ok(Batch { at_end: batch.messages.len() < limit, ..batch })
}
