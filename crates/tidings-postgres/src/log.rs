//! Appending and reading.

use sqlx::postgres::{PgArguments, PgDatabaseError, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};
use tidings_core::envelope::{Cursor, Envelope};
use tidings_core::partition::slot;
use tidings_core::store::{Batch, Filter, StoreError};
use uuid::Uuid;

use crate::config::Reader;
use crate::cursor::Window;
use crate::error::{meaning, read_only};
use crate::pool::Pool;
use crate::rows::{column, narrow, recorded, wide};

/// Appends messages in order, in one statement; returns the newest position, if there were any.
pub(crate) async fn append(
    connection: &mut PgConnection,
    messages: &[Envelope],
) -> Result<Option<i64>, StoreError> {
    let query = match messages {
        [] => return Ok(None),
        [message] => with_message(include_str!("../queries/append_one.sql"), message),
        _ => with_messages(include_str!("../queries/append_many.sql"), messages),
    };
    let row = query.fetch_one(connection).await;
    row.and_then(|row| row.try_get("newest")).map_err(|error| not_appended(messages, error))
}

/// A statement whose parameters are the columns of a message.
fn with_message<'q>(sql: &'static str, message: &'q Envelope) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql)
        .bind(message.id.0)
        .bind(message.kind.as_str())
        .bind(&*message.name)
        .bind(i64::from(message.version))
        .bind(&*message.source)
        .bind(message.key.as_ref().map(|key| key.as_str()))
        .bind(message.time.as_microsecond())
        .bind(message.correlation_id.0)
        .bind(message.causation_id.map(|id| id.0))
        .bind(message.trace.traceparent())
        .bind(message.trace.tracestate.as_deref())
        .bind(message.trace.baggage.as_deref())
        .bind(message.reply_to.as_deref())
        .bind(message.data.as_str())
        .bind(i16::from(slot(message)))
}

/// A statement whose first parameters are the columns of messages.
pub(crate) fn with_messages<'q>(
    sql: &'static str,
    messages: &'q [Envelope],
) -> Query<'q, Postgres, PgArguments> {
    fn each<'a, T>(messages: &'a [Envelope], field: impl Fn(&'a Envelope) -> T) -> Vec<T> {
        messages.iter().map(field).collect()
    }
    sqlx::query(sql)
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
        .bind(each(messages, |message| i16::from(slot(message))))
}

/// Why messages were not appended. Which of them holds what cannot be stored, the server does not say.
pub(crate) fn not_appended(messages: &[Envelope], error: sqlx::Error) -> StoreError {
    let context = "appending messages to the log";
    let holds = |text: &str| text.contains('\0');
    let found = messages.iter().find_map(|message| {
        let trace = [&message.trace.tracestate, &message.trace.baggage];
        let column = match () {
            () if message.key.as_ref().is_some_and(|key| holds(key.as_str())) => "key",
            () if holds(&message.data) => "data",
            () if holds(&message.name) => "name",
            () if holds(&message.source) => "source",
            () if trace.into_iter().flatten().any(|text| holds(text)) => "trace",
            () => return None,
        };
        Some(format!("{context}: the {column} of `{}` {}", message.name.replace('\0', "\\0"), message.id))
    });
    meaning(found.unwrap_or_else(|| context.to_owned()), error)
}

/// What a new transaction would see now.
pub(crate) async fn snapshot(connection: &mut PgConnection) -> Result<String, StoreError> {
    let row = sqlx::query(include_str!("../queries/snapshot.sql")).fetch_one(connection).await;
    column(&row.map_err(no_snapshot)?, "snapshot")
}

fn no_snapshot(error: sqlx::Error) -> StoreError {
    let refused = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    // "Not supported" is what a standby says of unlogged tables, and a plan of a table that has changed since.
    let standby = refused
        .is_some_and(|error| error.code() == "0A000" && error.routine() != Some("RevalidateCachedQuery"));
    if standby {
        return read_only("the server, which is a standby,", Some(error));
    }
    meaning("taking a snapshot", error)
}

/// Reads the messages after `cursor`.
pub(crate) async fn read_after(
    pool: &Pool,
    reader: Reader,
    cursor: &Cursor,
    filter: &Filter,
    limit: usize,
) -> Result<Batch, StoreError> {
    let mut connection = pool.lone().await.map_err(|error| meaning("reading the log", error))?;
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
    let window = if fresh { open(connection, &window).await? } else { window };
    if window.is_closed() {
        return Ok(Batch { messages: Vec::new(), cursors: Vec::new(), next: window.cursor(), at_end: true });
    }
    let batch = rows_of(connection, &window, filter, limit).await?;
    // Used up: if it reached to the present, so is the log.
    let at_end = fresh && Window::parse(&batch.next)?.is_closed();
    Ok(Batch { at_end, ..batch })
}

/// The window from a closed one to the present, which is closed itself if nothing has appeared.
async fn open(connection: &mut PgConnection, before: &Window) -> Result<Window, StoreError> {
    if before.is_from_the_beginning() {
        return Ok(before.up_to(snapshot(connection).await?, 0));
    }
    let row = sqlx::query(include_str!("../queries/window_open.sql"))
        .bind(&before.hi)
        .fetch_one(connection)
        .await
        .map_err(no_snapshot)?;
    let (hi, earlier): (String, bool) = (column(&row, "hi")?, column(&row, "earlier")?);
    Ok(before.open_to(hi, column(&row, "first")?, earlier))
}

/// At most this many rows are walked over in one call, so that a rare name does not hold a connection for long.
const LOOKED_AT_MAX: i64 = 10_000;

/// Rows of a window; `next` stands behind what was looked at, and is closed if there are no more.
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
        .bind(narrow(filter.part.index))
        .bind(narrow(filter.part.of))
        .bind(window.place())
        .bind(wide(limit))
        .bind(LOOKED_AT_MAX)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the log", error))?;
    let looked_to = match rows.first() {
        Some(row) => column::<Option<i64>>(row, "looked_to")?,
        None => None,
    };
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let position = column::<Option<i64>>(&row, "position")?;
        // What lies further on comes when the walk is there.
        if position.is_some_and(|position| looked_to.is_none_or(|looked_to| position <= looked_to)) {
            found.push(row);
        }
    }
    let batch = batch_of(&found, window, |window, _, position| Ok(window.at(position)))?;
    let last = batch.messages.last().map(|message| message.position.0);
    let next = window.after(last, batch.messages.len() >= limit, looked_to).cursor();
    Ok(Batch { next, ..batch })
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
    let used_up = Window::parse(&batch.next)?.is_closed();
    // It stays where it is, and comes back with another end.
    let next =
        if used_up { batch.cursors.last().cloned().unwrap_or_else(|| window.cursor()) } else { batch.next };
    Ok(Batch { next, at_end: used_up, ..batch })
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
        .bind(wide(limit))
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the log", error))?;
    let batch = batch_of(&rows, &window, |_, row, position| {
        let xid: i64 = column(row, "transaction")?;
        Ok(Window { lo: format!("{xid}:{xid}:"), hi: format!("{0}:{0}:", xid + 1), position, floor: 0 })
    })?;
    Ok(Batch { at_end: batch.messages.len() < limit, ..batch })
}
