//! The floor's log.

use std::path::Path;

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::orders::{INSERT_ORDER, Place, TABLES};

const LOG: &str = "
    CREATE TABLE log (
        position INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL,
        version INTEGER NOT NULL, source TEXT NOT NULL, key TEXT, time INTEGER NOT NULL, correlation_id BLOB NOT NULL,
        data TEXT NOT NULL) STRICT;
    CREATE INDEX log_flow ON log (correlation_id);
    CREATE TABLE cursors (name TEXT NOT NULL PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

pub(crate) const APPEND: &str = "
    INSERT INTO log (id, kind, name, version, source, key, time, correlation_id, data)
    VALUES (?1, 'event', 'orders.placed', 1, 'orders', ?2, ?3, ?4, ?5)";

/// An event or a job, serialised already.
pub(crate) struct Message {
    pub(crate) is_job: bool,
    pub(crate) id: Uuid,
    pub(crate) key: String,
    pub(crate) time: i64,
    pub(crate) data: String,
}

impl Message {
    /// A message of its own identity and time.
    pub(crate) fn new(key: String, data: String) -> Self {
        Self { is_job: false, id: Uuid::now_v7(), key, time: jiff::Timestamp::now().as_microsecond(), data }
    }

    /// The message that says what [`Place`] does.
    pub(crate) fn of(order: &Place) -> tidings::Result<Self> {
        Ok(Self::new(format!("order_id:{}", order.order_id), serde_json::to_string(&order.event())?))
    }

    /// A job with this payload.
    pub(crate) fn job(payload: &impl serde::Serialize) -> tidings::Result<Self> {
        Ok(Self { is_job: true, ..Self::new(String::new(), serde_json::to_string(payload)?) })
    }
}

pub(crate) fn connect(folder: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(folder.join("floor.db"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub(crate) fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(LOG)?;
    connection.execute_batch(super::jobs::TABLE)?;
    connection.execute_batch(TABLES)
}

pub(crate) fn append(connection: &Connection, message: &Message) -> rusqlite::Result<()> {
    if message.is_job {
        return super::jobs::enqueue(connection, message);
    }
    let Message { id, key, time, data, .. } = message;
    connection.prepare_cached(APPEND)?.execute(params![id.as_bytes(), key, time, id.as_bytes(), data])?;
    Ok(())
}

pub(crate) fn insert_order(connection: &Connection, order: &Place) -> rusqlite::Result<()> {
    connection.prepare_cached(INSERT_ORDER)?.execute(params![
        order.order_id.to_string(),
        order.customer_id.to_string(),
        order.total_cents,
        order.placed_at.to_string()
    ])?;
    Ok(())
}

/// Runs one statement that takes and gives nothing.
pub(crate) fn control(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
