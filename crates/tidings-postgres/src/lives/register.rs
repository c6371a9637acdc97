//! Entering a consumer, under its own name or in the place of an earlier one.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Executor as _, PgConnection};
use tidings_core::partition::SLOTS;
use tidings_core::store::{ConsumerSpec, Start, StoreError};

use super::retire::give_up;
use super::{ONE_AT_A_TIME, reads, run};
use crate::cursor::Window;
use crate::error::{foreign_row, meaning};
use crate::log::snapshot;
use crate::pool::Pool;
use crate::rows::{column, narrow};

/// Enters a consumer, or takes note of it.
pub(crate) async fn register(pool: &Pool, spec: &ConsumerSpec, now: Timestamp) -> Result<u16, StoreError> {
    let failed = |error| meaning(format!("registering consumer `{}`", spec.name), error);
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    tx.execute(ONE_AT_A_TIME).await.map_err(failed)?;
    let partitions = enter(&mut tx, spec, now).await?;
    tx.commit().await.map_err(failed)?;
    Ok(partitions)
}

async fn enter(
    connection: &mut PgConnection,
    spec: &ConsumerSpec,
    now: Timestamp,
) -> Result<u16, StoreError> {
    let mut aliases = aliases_at_work(connection, spec).await?;
    match is_retired(connection, &spec.name).await? {
        None if !aliases.is_empty() => rename(connection, &aliases.remove(0), &spec.name).await?,
        // Its pending work was given up for good; what comes back is a new consumer.
        None | Some(true) => start_new(connection, spec, now).await?,
        Some(false) => {}
    }
    for alias in aliases {
        replace(connection, &spec.name, &alias, now).await?;
    }
    let before = generation(connection, &spec.name).await?;
    let names: Vec<&str> = spec.filter.names.iter().map(|name| &**name).collect();
    let row = sqlx::query(include_str!("../../queries/consumer_seen.sql"))
        .bind(&*spec.name)
        .bind(spec.kind.as_str())
        .bind(spec.filter.kind.as_str())
        .bind(&names)
        .bind(spec.filter.generation())
        .bind(now.as_microsecond())
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| meaning("taking note of a consumer", error))?;
    if before.is_some_and(|before| before != spec.filter.generation()) {
        run(connection, include_str!("../../queries/new_generation.sql"), &[&spec.name]).await?;
    }
    reads::note(connection, &spec.name, &names).await?;
    let partitions: i16 = column(&row, "partitions")?;
    u16::try_from(partitions).map_err(|_| foreign_row("partitions", &partitions.to_string()))
}

async fn generation(connection: &mut PgConnection, name: &str) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(include_str!("../../queries/consumer_state.sql"))
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(|error| meaning(format!("looking for consumer `{name}`"), error))?;
    row.map(|row| column(&row, "generation")).transpose()
}

/// Whether the consumer is retired; `None` if it is not on record.
pub(super) async fn is_retired(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<bool>, StoreError> {
    let row = sqlx::query(include_str!("../../queries/consumer_state.sql"))
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(|error| meaning(format!("looking for consumer `{name}`"), error))?;
    row.map(|row| column(&row, "retired")).transpose()
}

/// The aliases that are on record and not retired, in the order in which they are named.
async fn aliases_at_work(
    connection: &mut PgConnection,
    spec: &ConsumerSpec,
) -> Result<Vec<Arc<str>>, StoreError> {
    let mut found: Vec<Arc<str>> = Vec::new();
    for alias in spec.aliases.iter().filter(|alias| **alias != spec.name) {
        if is_retired(connection, alias).await? == Some(false) && !found.contains(alias) {
            found.push(alias.clone());
        }
    }
    Ok(found)
}

/// Everything that stood under the old name stands under the new one. A holder under the old name finds no row to
/// advance, which voids its lease.
async fn rename(connection: &mut PgConnection, old: &str, new: &str) -> Result<(), StoreError> {
    for sql in [
        include_str!("../../queries/consumer_rename.sql"),
        include_str!("../../queries/partitions_rename.sql"),
        include_str!("../../queries/reads_rename.sql"),
        include_str!("../../queries/receipts_rename.sql"),
        include_str!("../../queries/parked_rename.sql"),
    ] {
        run(connection, sql, &[old, new]).await?;
    }
    Ok(())
}

/// Retires an alias whose consumer is on record already. If work waits under it, that is a person's to decide: nobody
/// would do it under the old name any more, and it would hold the log for ever.
async fn replace(
    connection: &mut PgConnection,
    name: &Arc<str>,
    alias: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = sqlx::query(include_str!("../../queries/consumer_pending.sql"))
        .bind(alias)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| meaning(format!("looking for what waits for `{alias}`"), error))?;
    let (unread, parked): (i64, i64) = (column(&row, "unread")?, column(&row, "parked")?);
    if unread + parked > 0 {
        let pending = format!("{unread} unread and {parked} parked messages wait");
        return Err(StoreError::AliasPending { name: name.to_string(), alias: alias.to_owned(), pending });
    }
    give_up(connection, alias, &format!("`{name}` has taken its place"), now).await
}

async fn start_new(
    connection: &mut PgConnection,
    spec: &ConsumerSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failed = |error| meaning(format!("entering consumer `{}`", spec.name), error);
    let cursor = match spec.start {
        Start::Beginning => Window::beginning(),
        Start::Now => Window::behind(snapshot(connection).await?),
    };
    let names: Vec<&str> = spec.filter.names.iter().map(|name| &**name).collect();
    let row = sqlx::query(include_str!("../../queries/consumer_start.sql"))
        .bind(&*spec.name)
        .bind(spec.kind.as_str())
        .bind(spec.filter.kind.as_str())
        .bind(names)
        .bind(spec.filter.generation())
        .bind(narrow(spec.partitions.clamp(1, SLOTS)))
        .bind(now.as_microsecond())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    sqlx::query(include_str!("../../queries/partitions_start.sql"))
        .bind(&*spec.name)
        .bind(column::<i16>(&row, "partitions")?)
        .bind(cursor.to_string())
        .bind(matches!(spec.start, Start::Now))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(failed)
}
