//! Working through the log, by hand.

use rusqlite::{Connection, params};
use tidings::Reads;

use super::log::control;
use crate::orders::{INSERT_COPY, OrderRef};

/// As many events in one transaction as Tidings takes.
const BATCH: usize = 256;

const READ: &str = "
    SELECT position, data FROM log WHERE position > ?1 AND name = 'orders.placed' ORDER BY position LIMIT ?2";
const MOVE: &str = "
    INSERT INTO cursors (name, position) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET position = excluded.position";

/// Lets each listener copy every event: read a batch, decode, insert a row each, move the cursor, commit. The listeners
/// take turns on one connection, which is faster than connections that fight for the write lock.
pub(crate) fn drain(connection: &Connection, listeners: usize) -> tidings::Result<()> {
    let mut cursors = vec![0; listeners];
    let mut at_end = 0;
    while at_end < listeners {
        at_end = 0;
        for (listener, cursor) in cursors.iter_mut().enumerate() {
            at_end += usize::from(!work_batch(connection, &format!("copy-{listener}"), cursor)?);
        }
    }
    Ok(())
}

/// One batch; false if there was nothing to do.
fn work_batch(connection: &Connection, name: &str, cursor: &mut i64) -> tidings::Result<bool> {
    let batch = read(connection, *cursor)?;
    let Some((last, _)) = batch.last() else { return Ok(false) };
    control(connection, "BEGIN IMMEDIATE")?;
    for (_, data) in &batch {
        let order = OrderRef::decode(data)?;
        connection
            .prepare_cached(INSERT_COPY)?
            .execute(params![order.order_id.to_string(), order.total_cents])?;
    }
    connection.prepare_cached(MOVE)?.execute(params![name, last])?;
    control(connection, "COMMIT")?;
    *cursor = *last;
    Ok(true)
}

/// The next batch behind the cursor.
pub(crate) fn read(connection: &Connection, after: i64) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare_cached(READ)?;
    let rows = statement.query_map(params![after, BATCH as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Moves a cursor in a transaction of its own.
pub(crate) fn move_cursor(connection: &Connection, name: &str, to: i64) -> rusqlite::Result<()> {
    control(connection, "BEGIN IMMEDIATE")?;
    connection.prepare_cached(MOVE)?.execute(params![name, to])?;
    control(connection, "COMMIT")
}
