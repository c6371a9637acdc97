//! Giving a consumer up.

use jiff::Timestamp;
use sqlx::{Executor as _, PgConnection};
use tidings_core::store::StoreError;

use super::register::is_retired;
use super::{ONE_AT_A_TIME, reads, run};
use crate::cursor::Window;
use crate::error::meaning;
use crate::log::snapshot;
use crate::pool::Pool;
use crate::values::storable;

/// Gives a consumer's pending work up. Does nothing if it is unknown or retired: applications say it at every start.
pub(crate) async fn retire(
    pool: &Pool,
    consumer: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failed = |error| meaning(format!("retiring consumer `{consumer}`"), error);
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    tx.execute(ONE_AT_A_TIME).await.map_err(failed)?;
    if is_retired(&mut tx, consumer).await? == Some(false) {
        give_up(&mut tx, consumer, reason, now).await?;
    }
    tx.commit().await.map_err(failed)
}

/// Retires a consumer that is on record.
pub(super) async fn give_up(
    connection: &mut PgConnection,
    name: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let failed = |error| meaning(format!("retiring consumer `{name}`"), error);
    // First of all, so that whoever works for it is waited for, and cannot commit any more.
    sqlx::query(include_str!("../../queries/consumer_void.sql"))
        .bind(name)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    sqlx::query(include_str!("../../queries/parked_discard_all.sql"))
        .bind(name)
        .bind(now.as_microsecond())
        .bind(storable(reason))
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    // Before its cursor moves: what it has not read it did not handle.
    reads::end_all(connection, name).await?;
    // What it had not read is given up, too: a consumer that comes back must not find it again. The present has seen all
    // that any cursor has passed.
    let given_up = Window::behind(snapshot(connection).await?);
    run(connection, include_str!("../../queries/partitions_retire.sql"), &[name, &given_up.to_string()])
        .await?;
    sqlx::query(include_str!("../../queries/consumer_retire.sql"))
        .bind(name)
        .bind(now.as_microsecond())
        .bind(storable(reason))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(failed)
}
