//! Entering a consumer, and giving one up.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::store::{ConsumerSpec, Start, StoreError};

use crate::error::from_native;
use crate::store::SqliteStore;

pub(crate) async fn register(
    store: &SqliteStore,
    spec: &ConsumerSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (spec, database) = (spec.clone(), store.shared.env.database.clone());
    let name = format!("registering `{}`", spec.name);
    let context = name.clone();
    store
        .write(&name, move |connection| {
            enter(connection, &spec, now).map_err(|source| from_native(&database, context.clone(), source))
        })
        .await?;
    // It may stand before all others.
    store.shared.env.fullness.forget();
    Ok(())
}

fn enter(connection: &Connection, spec: &ConsumerSpec, now: Timestamp) -> rusqlite::Result<()> {
    match is_retired(connection, &spec.name)? {
        None => {
            if let Some(alias) = find_alias(connection, &spec.aliases)? {
                rename(connection, &alias, &spec.name)?;
            } else {
                start_new(connection, spec, now)?;
            }
        }
        // Its pending work was given up for good; what comes back is a new consumer.
        Some(true) => start_new(connection, spec, now)?,
        Some(false) => {}
    }
    let sql = include_str!("../../queries/consumer_seen.sql");
    let reads = reads_json(&spec.filter.names);
    connection.prepare_cached(sql)?.execute(params![
        spec.name,
        spec.kind.as_str(),
        reads,
        now.as_microsecond()
    ])?;
    Ok(())
}

/// Whether the consumer is retired; `None` if it is not on record.
fn is_retired(connection: &Connection, name: &str) -> rusqlite::Result<Option<bool>> {
    let sql = include_str!("../../queries/consumer_state.sql");
    connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
}

fn find_alias(connection: &Connection, aliases: &[Arc<str>]) -> rusqlite::Result<Option<Arc<str>>> {
    for alias in aliases {
        if is_retired(connection, alias)? == Some(false) {
            return Ok(Some(alias.clone()));
        }
    }
    Ok(None)
}

/// Everything that stood under the old name stands under the new one. A holder under the old name finds no row to
/// advance, which voids its lease.
fn rename(connection: &Connection, old: &str, new: &str) -> rusqlite::Result<()> {
    for sql in [
        include_str!("../../queries/consumer_rename.sql"),
        include_str!("../../queries/receipts_rename.sql"),
        include_str!("../../queries/parked_rename.sql"),
    ] {
        connection.execute(sql, [old, new])?;
    }
    Ok(())
}

fn start_new(connection: &Connection, spec: &ConsumerSpec, now: Timestamp) -> rusqlite::Result<()> {
    let head_or_before_the_oldest = match spec.start {
        Start::Now => include_str!("../../queries/log_head.sql"),
        Start::Beginning => include_str!("../../queries/log_before_oldest.sql"),
    };
    let cursor: i64 = connection.query_row(head_or_before_the_oldest, [], |row| row.get(0))?;
    let sql = include_str!("../../queries/consumer_start.sql");
    let reads = reads_json(&spec.filter.names);
    connection.execute(sql, params![spec.name, spec.kind.as_str(), reads, cursor, now.as_microsecond()])?;
    Ok(())
}

fn reads_json(names: &[Arc<str>]) -> String {
    serde_json::Value::from(names.iter().map(|name| name.to_string()).collect::<Vec<_>>()).to_string()
}

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
            let changed = give_up(connection, &consumer, &reason, now)
                .map_err(|source| from_native(&database, context.clone(), source))?;
            let not_found = || StoreError::NotFound { what: format!("consumer `{consumer}`") };
            if changed == 1 { Ok(()) } else { Err(not_found()) }
        })
        .await
}

fn give_up(connection: &Connection, name: &str, reason: &str, now: Timestamp) -> rusqlite::Result<usize> {
    let now = now.as_microsecond();
    connection.execute(include_str!("../../queries/parked_discard_all.sql"), params![name, now, reason])?;
    connection.execute(include_str!("../../queries/consumer_retire.sql"), params![name, now, reason])
}
