//! Giving a consumer up.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tidings_core::store::StoreError;

use super::reads;
use super::register::is_retired;
use crate::error::from_native;
use crate::store::SqliteStore;

pub(crate) async fn retire(
    store: &SqliteStore,
    consumer: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (consumer, reason, database) =
        (consumer.to_owned(), reason.to_owned(), store.shared.env.database.clone());
    let name = format!("retiring `{consumer}`");
    let context = name.clone();
    store
        .write(&name, move |connection| {
            let run = || match is_retired(connection, &consumer)? {
                Some(false) => give_up(connection, &consumer, &reason, now),
                // Applications say it at every start.
                Some(true) | None => Ok(()),
            };
            run().map_err(|source| from_native(&database, context.clone(), source))
        })
        .await
}

/// Retires a consumer that is on record.
pub(super) fn give_up(
    connection: &Connection,
    name: &str,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let now = now.as_microsecond();
    connection.execute(include_str!("../../queries/parked_discard_all.sql"), params![name, now, reason])?;
    // Before its cursor moves: what it has not read it did not handle.
    reads::end_all(connection, name)?;
    connection.execute(include_str!("../../queries/consumer_retire.sql"), params![name, now, reason])?;
    Ok(())
}
