//! Keeping the tables bounded.

mod bounds;
mod receipts;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use tidings_core::store::{Maintenance, Retention, StoreError};

use crate::env::Full;
use crate::error::from_native;
use crate::store::SqliteStore;

/// Rows deleted in one transaction: few enough that whoever waits for the writer hardly notices.
const CHUNK: u32 = 1_000;

pub(crate) async fn maintain(
    store: &SqliteStore,
    retention: &Retention,
    now: Timestamp,
) -> Result<Maintenance, StoreError> {
    let cutoff = cutoff(retention, now);
    let messages_max = retention.messages_max;
    let through = store
        .ask("measuring the log", move |connection| bounds::through(connection, cutoff, messages_max))
        .await?;
    let messages_deleted = match through {
        Some(through) => {
            let sql = include_str!("../../queries/retention_delete_messages.sql");
            delete_in_chunks(store, "deleting old messages", sql, through).await?
        }
        None => 0,
    };
    let sql = include_str!("../../queries/retention_delete_outcomes.sql");
    let outcomes_deleted =
        delete_in_chunks(store, "deleting expired outcomes", sql, now.as_microsecond()).await?;
    let receipts_merged = receipts::merge(store, retention.receipts_max).await?;
    let state = store
        .ask("measuring the log", move |connection| bounds::state(connection, cutoff, messages_max))
        .await?;
    let limit = retention.messages_hard_max;
    let full = (state.messages >= limit).then(|| Full {
        messages: state.messages,
        limit,
        holder: state.held_by.clone().unwrap_or_else(|| "nobody in particular".to_owned()),
    });
    store.shared.env.fullness.set(full);
    Ok(Maintenance {
        messages_deleted,
        outcomes_deleted,
        receipts_merged,
        messages: state.messages,
        held_by: state.held_by,
    })
}

/// The microsecond before which a message is old.
fn cutoff(retention: &Retention, now: Timestamp) -> i64 {
    let age = SignedDuration::try_from(retention.age_max).unwrap_or(SignedDuration::MAX);
    now.checked_sub(age).map_or(i64::MIN, Timestamp::as_microsecond)
}

/// Runs a DELETE with a bound and a row limit until it finds nothing more.
async fn delete_in_chunks(
    store: &SqliteStore,
    name: &'static str,
    sql: &'static str,
    bound: i64,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let database = store.shared.env.database.clone();
        let chunk = move |connection: &Connection| {
            let run = || connection.prepare_cached(sql)?.execute(params![bound, CHUNK]);
            run().map_err(|source| from_native(&database, name, source))
        };
        let rows = store.write(name, chunk).await? as u64;
        deleted += rows;
        if rows < u64::from(CHUNK) {
            return Ok(deleted);
        }
    }
}
