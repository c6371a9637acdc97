//! Entering a consumer, under its own name or in the place of an earlier one.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::partition::generation;
use tidings_core::store::{ConsumerSpec, Start, StoreError};

use super::reads;
use super::retire::give_up;
use crate::error::from_native;
use crate::store::SqliteStore;

pub(crate) async fn register(
    store: &SqliteStore,
    spec: &ConsumerSpec,
    now: Timestamp,
) -> Result<u16, StoreError> {
    let (spec, env) = (spec.clone(), store.shared.env.clone());
    let name = format!("registering `{}`", spec.name);
    let context = name.clone();
    store
        .write(&name, move |connection| {
            let fail = |source| from_native(&env.database, context.clone(), source);
            let before = reads::of(connection, &spec.name).map_err(fail)?;
            match enter(connection, &spec, now).map_err(fail)? {
                Entered::Yes => {
                    if before.is_some_and(|before| generation(&before) != spec.filter.generation()) {
                        env.workers.let_go(&spec.name);
                    }
                    Ok(())
                }
                Entered::AliasPending(problem) => Err(problem),
            }
        })
        .await?;
    // It may stand before all others.
    store.shared.env.fullness.forget();
    Ok(1)
}

enum Entered {
    Yes,
    AliasPending(StoreError),
}

fn enter(connection: &Connection, spec: &ConsumerSpec, now: Timestamp) -> rusqlite::Result<Entered> {
    let mut aliases = aliases_at_work(connection, spec)?;
    match is_retired(connection, &spec.name)? {
        None if !aliases.is_empty() => rename(connection, &aliases.remove(0), &spec.name)?,
        // Its pending work was given up for good; what comes back is a new consumer.
        None | Some(true) => start_new(connection, spec, now)?,
        Some(false) => {}
    }
    for alias in aliases {
        if let Some(problem) = replace(connection, &spec.name, &alias, now)? {
            return Ok(Entered::AliasPending(problem));
        }
    }
    let reads = reads::as_json(&spec.filter.names);
    let sql = include_str!("../../queries/consumer_seen.sql");
    let seen = params![spec.name, spec.kind.as_str(), reads, now.as_microsecond()];
    connection.prepare_cached(sql)?.execute(seen)?;
    reads::note(connection, &spec.name, &reads)?;
    Ok(Entered::Yes)
}

/// Whether the consumer is retired; `None` if it is not on record.
pub(super) fn is_retired(connection: &Connection, name: &str) -> rusqlite::Result<Option<bool>> {
    let sql = include_str!("../../queries/consumer_state.sql");
    connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()
}

/// The aliases that are on record and not retired, in the order in which they are named.
fn aliases_at_work(connection: &Connection, spec: &ConsumerSpec) -> rusqlite::Result<Vec<Arc<str>>> {
    let mut found: Vec<Arc<str>> = Vec::new();
    for alias in spec.aliases.iter().filter(|alias| **alias != spec.name) {
        if is_retired(connection, alias)? == Some(false) && !found.contains(alias) {
            found.push(alias.clone());
        }
    }
    Ok(found)
}

/// Everything that stood under the old name stands under the new one. A holder under the old name finds no row to
/// advance, which voids its lease.
fn rename(connection: &Connection, old: &str, new: &str) -> rusqlite::Result<()> {
    for sql in [
        include_str!("../../queries/consumer_rename.sql"),
        include_str!("../../queries/reads_rename.sql"),
        include_str!("../../queries/receipts_rename.sql"),
        include_str!("../../queries/parked_rename.sql"),
    ] {
        connection.execute(sql, [old, new])?;
    }
    Ok(())
}

/// Retires an alias whose consumer is on record already. If work waits under it, that is a person's to decide: nobody
/// would do it under the old name any more, and it would hold the log for ever.
fn replace(
    connection: &Connection,
    name: &Arc<str>,
    alias: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<StoreError>> {
    let sql = include_str!("../../queries/consumer_pending.sql");
    let (unread, parked): (i64, i64) =
        connection.query_row(sql, [alias], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if unread + parked > 0 {
        let pending = format!("{unread} unread and {parked} parked messages wait");
        let (name, alias) = (name.to_string(), alias.to_owned());
        return Ok(Some(StoreError::AliasPending { name, alias, pending }));
    }
    give_up(connection, alias, &format!("`{name}` has taken its place"), now)?;
    Ok(None)
}

fn start_new(connection: &Connection, spec: &ConsumerSpec, now: Timestamp) -> rusqlite::Result<()> {
    let head_or_before_the_oldest = match spec.start {
        Start::Now => include_str!("../../queries/log_head.sql"),
        Start::Beginning => include_str!("../../queries/log_before_oldest.sql"),
    };
    let cursor: i64 = connection.query_row(head_or_before_the_oldest, [], |row| row.get(0))?;
    let sql = include_str!("../../queries/consumer_start.sql");
    let reads = reads::as_json(&spec.filter.names);
    connection.execute(sql, params![spec.name, spec.kind.as_str(), reads, cursor, now.as_microsecond()])?;
    Ok(())
}
