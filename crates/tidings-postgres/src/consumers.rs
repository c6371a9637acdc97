//! Registering, holding and retiring consumers; moving their cursors under a fence.

use jiff::Timestamp;
use sqlx::{PgConnection, PgPool};
use tidings_core::envelope::{Cursor, Position};
use tidings_core::key::Key;
use tidings_core::store::{Begun, ConsumerSpec, Holding, Lease, ParkedKeys, Receipt, Start, StoreError};

use crate::cursor::Window;
use crate::error::meaning;
use crate::life;
use crate::log::snapshot;
use crate::rows::{column, number, time};

fn unknown(consumer: &str) -> StoreError {
    StoreError::NotFound { what: format!("consumer `{consumer}`") }
}

/// Enters a consumer, or takes note of it.
pub(crate) async fn register(pool: &PgPool, spec: &ConsumerSpec, now: Timestamp) -> Result<(), StoreError> {
    let context = || format!("registering consumer `{}`", spec.name);
    let mut tx = pool.begin().await.map_err(|error| meaning(context(), error))?;
    take_over_alias(&mut tx, spec).await?;
    let cursor = match spec.start {
        Start::Beginning => Window::beginning(),
        Start::Now => Window::behind(snapshot(&mut tx).await?),
    };
    let names: Vec<&str> = spec.filter.names.iter().map(|name| &**name).collect();
    sqlx::query(include_str!("../queries/register.sql"))
        .bind(&*spec.name)
        .bind(spec.kind.as_str())
        .bind(spec.filter.kind.as_str())
        .bind(names)
        .bind(cursor.to_string())
        .bind(now.as_microsecond())
        .execute(&mut *tx)
        .await
        .map_err(|error| meaning(context(), error))?;
    tx.commit().await.map_err(|error| meaning(context(), error))
}

/// The first alias that is on record becomes the consumer, unless the consumer is there already.
async fn take_over_alias(connection: &mut PgConnection, spec: &ConsumerSpec) -> Result<(), StoreError> {
    const RENAMES: [&str; 3] = [
        "UPDATE tidings_consumers SET name = $1, fence = fence + 1 WHERE name = $2 \
         AND NOT EXISTS (SELECT 1 FROM tidings_consumers WHERE name = $1)",
        "UPDATE tidings_parked SET consumer = $1 WHERE consumer = $2",
        "UPDATE tidings_receipts SET consumer = $1 WHERE consumer = $2",
    ];
    for alias in &spec.aliases {
        for (index, sql) in RENAMES.into_iter().enumerate() {
            let done = sqlx::query(sql).bind(&*spec.name).bind(&**alias).execute(&mut *connection).await;
            let done = done.map_err(|error| meaning(format!("renaming consumer `{alias}`"), error))?;
            if index == 0 && done.rows_affected() == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Gives a consumer's pending work up.
pub(crate) async fn retire(
    pool: &PgPool,
    consumer: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const RETIRE: &str = "UPDATE tidings_consumers SET retired_at = $2, retired_reason = $3 \
                          WHERE name = $1 AND retired_at IS NULL";
    sqlx::query(RETIRE)
        .bind(consumer)
        .bind(now.as_microsecond())
        .bind(reason)
        .execute(pool)
        .await
        .map(|_| ())
        .map_err(|error| meaning(format!("retiring consumer `{consumer}`"), error))
}

/// Takes the right to work. Waits for a transaction of the last holder that is about to commit.
pub(crate) async fn hold(pool: &PgPool, consumer: &str) -> Result<Holding, StoreError> {
    let failed = |error| meaning(format!("holding consumer `{consumer}`"), error);
    // Only in a life of the server that has begun; begun by whoever comes first after a crash.
    life::begin(pool).await?;
    let mut tx = pool.begin().await.map_err(failed)?;
    let row = sqlx::query(include_str!("../queries/hold.sql"))
        .bind(consumer)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?
        .ok_or_else(|| unknown(consumer))?;
    let parked = read_parked(&mut tx, consumer).await?;
    tx.commit().await.map_err(failed)?;

    let begun = match column::<Option<i64>>(&row, "begun_first")? {
        Some(first) => {
            let (count, tries) = (number(&row, "begun_count")?, number(&row, "begun_tries")?);
            Some(Begun { first: Position(first), count, tries })
        }
        None => None,
    };
    Ok(Holding {
        lease: Lease { consumer: consumer.into(), fence: column(&row, "fence")? },
        cursor: Cursor(column(&row, "cursor")?),
        unclean: column(&row, "unclean")?,
        begun,
        parked,
    })
}

/// Which keys a consumer's parked messages hold, and when the next of them is due.
pub(crate) async fn read_parked(
    connection: &mut PgConnection,
    consumer: &str,
) -> Result<ParkedKeys, StoreError> {
    let failed = |error| meaning(format!("reading the parked keys of `{consumer}`"), error);
    let keys = sqlx::query(include_str!("../queries/hold_keys.sql"))
        .bind(consumer)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let due = sqlx::query(include_str!("../queries/hold_next_due.sql"))
        .bind(consumer)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let keys = keys
        .iter()
        .map(|row| Ok((Key::from_stored(column(row, "key")?), number(row, "parked")?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(ParkedKeys { keys, next_due: column::<Option<i64>>(&due, "due")?.map(time) })
}

/// Marks that this process gave the consumer back in order, unless somebody else holds it by now.
pub(crate) async fn give_back(pool: &PgPool, lease: &Lease) -> Result<(), StoreError> {
    sqlx::query("UPDATE tidings_consumers SET clean = true WHERE name = $1 AND fence = $2")
        .bind(&*lease.consumer)
        .bind(lease.fence)
        .execute(pool)
        .await
        .map(|_| ())
        .map_err(|error| meaning(format!("giving consumer `{}` back", lease.consumer), error))
}

/// Locks the consumer under its lease for the rest of the transaction, and returns its cursor.
pub(crate) async fn check_fence(connection: &mut PgConnection, lease: &Lease) -> Result<String, StoreError> {
    let row = sqlx::query(include_str!("../queries/fence_check.sql"))
        .bind(&*lease.consumer)
        .bind(lease.fence)
        .fetch_optional(connection)
        .await
        .map_err(|error| meaning(format!("checking the lease on `{}`", lease.consumer), error))?;
    let row = row.ok_or_else(|| StoreError::Fenced { consumer: lease.consumer.to_string() })?;
    column(&row, "cursor")
}

/// Moves a cursor and writes the receipt of what lies between the old place and the new one.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    lease: &Lease,
    to: &Cursor,
    handled: Option<&Receipt>,
) -> Result<(), StoreError> {
    let failed = |error| meaning(format!("moving the cursor of `{}`", lease.consumer), error);
    let to = Window::parse(to)?.to_string();
    let from = check_fence(connection, lease).await?;
    sqlx::query(include_str!("../queries/advance.sql"))
        .bind(&*lease.consumer)
        .bind(lease.fence)
        .bind(&to)
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let Some(receipt) = handled else { return Ok(()) };
    sqlx::query(include_str!("../queries/receipt_insert.sql"))
        .bind(&*lease.consumer)
        .bind(receipt.first.0.min(receipt.last.0))
        .bind(receipt.first.0.max(receipt.last.0))
        .bind(i64::from(receipt.count))
        .bind(receipt.at.as_microsecond())
        .bind(from)
        .bind(to)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(failed)
}

/// Marks messages as begun.
pub(crate) async fn begin_batch(
    connection: &mut PgConnection,
    lease: &Lease,
    begun: &Begun,
) -> Result<(), StoreError> {
    sqlx::query(include_str!("../queries/begun_set.sql"))
        .bind(&*lease.consumer)
        .bind(lease.fence)
        .bind(begun.first.0)
        .bind(i64::from(begun.count))
        .bind(i64::from(begun.tries))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| meaning(format!("marking what `{}` has begun", lease.consumer), error))
}

/// Clears the mark.
pub(crate) async fn clear_begun(connection: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    sqlx::query(include_str!("../queries/begun_clear.sql"))
        .bind(&*lease.consumer)
        .bind(lease.fence)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| meaning(format!("clearing what `{}` has begun", lease.consumer), error))
}
