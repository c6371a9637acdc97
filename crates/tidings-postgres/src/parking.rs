//! Parking messages, settling them, and finding what is due.

use jiff::Timestamp;
use sqlx::PgConnection;
use tidings_core::envelope::Position;
use tidings_core::store::{Lease, Parked, ParkedMessage, ParkedState, Settled, StoreError};

use crate::error::meaning;
use crate::pool::{Alone as _, Pool};
use crate::rows::{column, narrow, number, recorded, wide};
use crate::values::storable;

/// Puts messages aside.
pub(crate) async fn park(
    connection: &mut PgConnection,
    lease: &Lease,
    parked: &[Parked],
) -> Result<(), StoreError> {
    for one in parked {
        let key = one.key.as_ref().filter(|_| !one.releases_key);
        sqlx::query(include_str!("../queries/park.sql"))
            .bind(&*lease.consumer)
            .bind(narrow(lease.partition))
            .bind(one.position.0)
            .bind(key.map(|key| key.as_str()))
            .bind(one.state.as_str())
            .bind(i64::from(one.attempts))
            .bind(one.due.map(Timestamp::as_microsecond))
            .bind(storable(&one.error).into_owned())
            .bind(one.at.as_microsecond())
            .execute(&mut *connection)
            .await
            .map_err(|error| meaning("parking a message", error))?;
    }
    Ok(())
}

/// Records what became of a parked message, and lets the next of its key run when it frees the key.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    lease: &Lease,
    position: Position,
    how: &Settled,
) -> Result<(), StoreError> {
    let context = || format!("settling message {} of `{}`", position.0, lease.consumer);
    let row = sqlx::query(include_str!("../queries/parked_get.sql"))
        .bind(&*lease.consumer)
        .bind(narrow(lease.partition))
        .bind(position.0)
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| meaning(context(), error))?;
    let is_dead = |row| column::<String>(row, "state").map(|state| state == ParkedState::Dead.as_str());
    let discards = matches!(how, Settled::Discarded { .. });
    let row = match row {
        // Only a dead letter is a person's to give up.
        Some(row) if discards && !is_dead(&row)? => None,
        row => row,
    };
    let Some(row) = row else {
        let what = format!("parked message {} of `{}`", position.0, lease.consumer);
        return Err(StoreError::NotFound { what });
    };
    let key: Option<String> = column(&row, "key")?;
    let due: Option<i64> = column(&row, "due")?;
    let parked_at: i64 = column(&row, "at")?;
    write_settled(connection, lease, position, how, key.as_deref()).await?;

    let frees_key_at = match how {
        Settled::Handled { at, .. } | Settled::Discarded { at, .. } => Some(at.as_microsecond()),
        // The port does not say when it died; it was due when it ran, so its successor is due by then too.
        Settled::Dead { releases_key: true, .. } => Some(due.unwrap_or(parked_at)),
        _ => None,
    };
    if let (Some(key), Some(due)) = (key, frees_key_at) {
        sqlx::query(include_str!("../queries/parked_promote.sql"))
            .bind(&*lease.consumer)
            .bind(key)
            .bind(due)
            .execute(connection)
            .await
            .map_err(|error| meaning(context(), error))?;
    }
    Ok(())
}

async fn write_settled(
    connection: &mut PgConnection,
    lease: &Lease,
    position: Position,
    how: &Settled,
    key: Option<&str>,
) -> Result<(), StoreError> {
    let on = |sql: &'static str| sqlx::query(sql).bind(lease.consumer.to_string()).bind(position.0);
    let update = || on(include_str!("../queries/parked_update.sql"));
    let query = match how {
        Settled::Handled { at, attempts } => {
            write_receipt_of_one(connection, lease, position, *at, *attempts).await?;
            on(include_str!("../queries/parked_delete.sql"))
        }
        Settled::Retry { due, attempts, error } => update()
            .bind(ParkedState::Retrying.as_str())
            .bind(key.map(str::to_owned))
            .bind(i64::from(*attempts))
            .bind(Some(due.as_microsecond()))
            .bind(storable(error).into_owned()),
        Settled::Dead { attempts, error, releases_key } => update()
            .bind(ParkedState::Dead.as_str())
            .bind(key.filter(|_| !releases_key).map(str::to_owned))
            .bind(i64::from(*attempts))
            .bind(None::<i64>)
            .bind(storable(error).into_owned()),
        Settled::Revive { due } => {
            on(include_str!("../queries/parked_revive.sql")).bind(due.as_microsecond())
        }
        Settled::Discarded { at, reason } => on(include_str!("../queries/parked_discard.sql"))
            .bind(at.as_microsecond())
            .bind(storable(reason).into_owned()),
    };
    query.execute(connection).await.map(|_| ()).map_err(|error| meaning("settling a parked message", error))
}

async fn write_receipt_of_one(
    connection: &mut PgConnection,
    lease: &Lease,
    position: Position,
    at: Timestamp,
    attempts: u32,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("../queries/receipt_insert.sql"))
        .bind(&*lease.consumer)
        .bind(narrow(lease.partition))
        .bind(position.0)
        .bind(position.0)
        .bind(1_i64)
        .bind(at.as_microsecond())
        .bind(None::<String>)
        .bind(None::<String>)
        .bind(Some(i64::from(attempts)))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| meaning("writing a receipt", error))
}

/// The parked messages of a partition that may run at `now`.
pub(crate) async fn due(
    pool: &Pool,
    consumer: &str,
    partition: u16,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<ParkedMessage>, StoreError> {
    let rows = sqlx::query(include_str!("../queries/parked_due.sql"))
        .bind(consumer)
        .bind(narrow(partition))
        .bind(now.as_microsecond())
        .bind(wide(limit))
        .all(pool)
        .await
        .map_err(|error| meaning("looking for due messages", error))?;
    rows.iter()
        .map(|row| Ok(ParkedMessage { message: recorded(row)?, attempts: number(row, "attempts")? }))
        .collect()
}
