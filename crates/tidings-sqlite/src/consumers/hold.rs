//! Taking the right to work for a consumer.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};
use tidings_core::envelope::{Cursor, Position};
use tidings_core::key::Key;
use tidings_core::store::{Begun, Holding, Lease, StoreError};

use crate::error::from_native;
use crate::rows::time_or_null;
use crate::store::SqliteStore;

pub(crate) async fn hold(store: &SqliteStore, consumer: &str) -> Result<Holding, StoreError> {
    let (consumer, database): (Arc<str>, _) = (consumer.into(), store.shared.env.database.clone());
    let unclean = store.shared.unclean;
    let name = format!("taking hold of `{consumer}`");
    let context = name.clone();
    store
        .write(&name, move |connection| {
            let held = take(connection, &consumer, unclean)
                .map_err(|source| from_native(&database, context.clone(), source))?;
            held.ok_or_else(|| StoreError::NotFound { what: format!("consumer `{consumer}`") })
        })
        .await
}

fn take(connection: &Connection, consumer: &Arc<str>, unclean: bool) -> rusqlite::Result<Option<Holding>> {
    let read = |row: &Row<'_>| {
        Ok(Holding {
            lease: Lease { consumer: consumer.clone(), fence: row.get(0)? },
            cursor: Cursor(row.get::<_, i64>(1)?.to_string()),
            unclean,
            begun: begun(row)?,
            parked_keys: Vec::new(),
            next_due: None,
        })
    };
    let sql = include_str!("../../queries/hold.sql");
    let Some(mut holding) = connection.query_row(sql, [&**consumer], read).optional()? else {
        return Ok(None);
    };
    let mut keys = connection.prepare(include_str!("../../queries/parked_keys.sql"))?;
    let read_key = |row: &Row<'_>| Ok((Key::from_stored(row.get(0)?), row.get::<_, u32>(1)? as usize));
    holding.parked_keys = keys.query_map([&**consumer], read_key)?.collect::<rusqlite::Result<_>>()?;
    let sql = include_str!("../../queries/next_due.sql");
    holding.next_due = connection.query_row(sql, [&**consumer], |row| time_or_null(row, 0))?;
    Ok(Some(holding))
}

fn begun(row: &Row<'_>) -> rusqlite::Result<Option<Begun>> {
    let Some(first) = row.get::<_, Option<i64>>(2)? else { return Ok(None) };
    Ok(Some(Begun { first: Position(first), count: row.get(3)?, tries: row.get(4)? }))
}
