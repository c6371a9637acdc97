//! Taking the right to work for a consumer.

use std::sync::Arc;
use std::sync::atomic::Ordering::Release;

use rusqlite::{Connection, OptionalExtension, Row};
use tidings_core::envelope::{Cursor, Position};
use tidings_core::key::Key;
use tidings_core::partition::{Part, generation};
use tidings_core::store::{Begun, Holding, Lease, ParkedKeys, StoreError, WorkerId};

use super::reads;
use crate::error::from_native;
use crate::rows::time_or_null;
use crate::store::SqliteStore;

/// A consumer has one partition here: only one process has the file.
pub(crate) async fn hold(
    store: &SqliteStore,
    consumer: &str,
    partition: u16,
    worker: WorkerId,
) -> Result<Holding, StoreError> {
    if partition != 0 {
        return Err(StoreError::NotFound { what: format!("partition {partition} of `{consumer}`") });
    }
    let (consumer, env): (Arc<str>, _) = (consumer.into(), store.shared.env.clone());
    let unclean = store.shared.unclean;
    let name = format!("taking hold of `{consumer}`");
    let context = name.clone();
    let holding = store
        .write(&name, move |connection| {
            let failed = |source| from_native(&env.database, context.clone(), source);
            let unknown = || StoreError::NotFound { what: format!("consumer `{consumer}`") };
            let reads = reads::of(connection, &consumer).map_err(failed)?.ok_or_else(unknown)?;
            // Within the one write transaction: nobody else holds or registers it meanwhile.
            env.workers.may_hold(worker, &consumer, generation(&reads))?;
            let held = take(connection, &consumer, unclean).map_err(failed)?;
            let holding = held.ok_or_else(unknown)?;
            env.workers.held(consumer.clone(), worker, holding.lease.fence);
            Ok(holding)
        })
        .await?;
    store.shared.ending.held.store(true, Release);
    Ok(holding)
}

fn take(connection: &Connection, consumer: &Arc<str>, unclean: bool) -> rusqlite::Result<Option<Holding>> {
    let read = |row: &Row<'_>| {
        Ok(Holding {
            lease: Lease { consumer: consumer.clone(), partition: 0, fence: row.get(0)? },
            part: Part::WHOLE,
            cursor: Cursor(row.get::<_, i64>(1)?.to_string()),
            unclean,
            begun: begun(row)?,
            parked: ParkedKeys::default(),
        })
    };
    let sql = include_str!("../../queries/hold.sql");
    let Some(mut holding) = connection.query_row(sql, [&**consumer], read).optional()? else {
        return Ok(None);
    };
    holding.parked = read_parked(connection, consumer)?;
    Ok(Some(holding))
}

/// Which keys a consumer's parked messages hold, and when the next of them is due.
pub(crate) async fn parked_keys(store: &SqliteStore, consumer: &str) -> Result<ParkedKeys, StoreError> {
    let consumer = consumer.to_owned();
    store.ask("reading the parked keys", move |connection| read_parked(connection, &consumer)).await
}

fn read_parked(connection: &Connection, consumer: &str) -> rusqlite::Result<ParkedKeys> {
    let mut keys = connection.prepare_cached(include_str!("../../queries/parked_keys.sql"))?;
    let read_key = |row: &Row<'_>| Ok((Key::from_stored(row.get(0)?), row.get::<_, u32>(1)? as usize));
    let keys = keys.query_map([consumer], read_key)?.collect::<rusqlite::Result<_>>()?;
    let mut due = connection.prepare_cached(include_str!("../../queries/next_due.sql"))?;
    let next_due = due.query_row([consumer], |row| time_or_null(row, 0))?;
    Ok(ParkedKeys { keys, next_due })
}

fn begun(row: &Row<'_>) -> rusqlite::Result<Option<Begun>> {
    let Some(first) = row.get::<_, Option<i64>>(2)? else { return Ok(None) };
    Ok(Some(Begun { first: Position(first), count: row.get(3)?, tries: row.get(4)? }))
}
