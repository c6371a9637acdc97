//! Holding consumers; moving their cursors under a fence.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use tidings_core::envelope::{Cursor, Position};
use tidings_core::key::Key;
use tidings_core::partition::Part;
use tidings_core::store::{Begun, Holding, Lease, ParkedKeys, Receipt, StoreError, WorkerId};

use crate::cursor::Window;
use crate::error::meaning;
use crate::life;
use crate::pool::{Alone as _, Pool};
use crate::rows::{column, narrow, number, time};
use crate::workers;

fn unknown(consumer: &str) -> StoreError {
    StoreError::NotFound { what: format!("consumer `{consumer}`") }
}

/// Takes the right to work. Waits for a transaction of the last holder that is about to commit.
pub(crate) async fn hold(
    pool: &Pool,
    consumer: &str,
    partition: u16,
    worker: WorkerId,
) -> Result<Holding, StoreError> {
    let failed = |error| meaning(format!("holding partition {partition} of `{consumer}`"), error);
    // Only in a life of the server that has begun; begun by whoever comes first after a crash.
    life::begin(pool).await?;
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    let of = check_hold(&mut tx, consumer, partition, worker).await?;
    let row = sqlx::query(include_str!("../queries/hold.sql"))
        .bind(consumer)
        .bind(narrow(partition))
        .bind(worker.0)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
    let parked = read_parked(&mut tx, consumer, partition).await?;
    tx.commit().await.map_err(failed)?;

    let begun = match column::<Option<i64>>(&row, "begun_first")? {
        Some(first) => {
            let (count, tries) = (number(&row, "begun_count")?, number(&row, "begun_tries")?);
            Some(Begun { first: Position(first), count, tries })
        }
        None => None,
    };
    Ok(Holding {
        lease: Lease { consumer: consumer.into(), partition, fence: column(&row, "fence")? },
        part: Part { index: partition, of: of.partitions },
        cursor: Cursor(column(&row, "cursor")?),
        unclean: of.unclean,
        begun,
        parked,
    })
}

struct MayHold {
    partitions: u16,
    unclean: bool,
}

/// Locks the partition and the worker's own row, and refuses a worker that may not have it. The generation is read after the
/// partition is locked: whoever begins a new one locks it, too.
async fn check_hold(
    connection: &mut PgConnection,
    consumer: &str,
    partition: u16,
    worker: WorkerId,
) -> Result<MayHold, StoreError> {
    let failed = |error| meaning(format!("holding partition {partition} of `{consumer}`"), error);
    let lock = "SELECT 1 FROM tidings_partitions WHERE consumer = $1 AND partition = $2 FOR UPDATE";
    let locked = sqlx::query(lock).bind(consumer).bind(narrow(partition));
    if locked.fetch_optional(&mut *connection).await.map_err(failed)?.is_none() {
        return Err(unknown(consumer));
    }
    // Whoever takes the worker for lost waits for this, or this finds no worker.
    let alive = sqlx::query("SELECT 1 FROM tidings_workers WHERE id = $1 FOR KEY SHARE").bind(worker.0);
    if alive.fetch_optional(&mut *connection).await.map_err(failed)?.is_none() {
        return Err(workers::void(worker));
    }
    let row = sqlx::query(include_str!("../queries/hold_check.sql"))
        .bind(consumer)
        .bind(narrow(partition))
        .bind(worker.0)
        .fetch_optional(connection)
        .await
        .map_err(failed)?
        .ok_or_else(|| unknown(consumer))?;
    if column(&row, "retired")? {
        return Err(unknown(consumer));
    }
    let generation: i64 = column(&row, "generation")?;
    if column::<Option<i64>>(&row, "known")?.is_some_and(|known| known != generation) {
        return Err(StoreError::Outdated { consumer: consumer.to_owned() });
    }
    let holder = column::<Option<i64>>(&row, "holder")?.filter(|holder| *holder != worker.0);
    if holder.is_some() && column(&row, "live")? {
        let holder = column::<Option<String>>(&row, "about")?.unwrap_or_default();
        return Err(StoreError::PartitionHeld { consumer: consumer.to_owned(), partition, holder });
    }
    let partitions: i16 = column(&row, "partitions")?;
    Ok(MayHold { partitions: partitions.unsigned_abs(), unclean: holder.is_some() })
}

/// Which keys a partition's parked messages hold, and when the next of them is due.
pub(crate) async fn read_parked(
    connection: &mut PgConnection,
    consumer: &str,
    partition: u16,
) -> Result<ParkedKeys, StoreError> {
    let failed = |error| meaning(format!("reading the parked keys of `{consumer}`"), error);
    let keys = sqlx::query(include_str!("../queries/hold_keys.sql"))
        .bind(consumer)
        .bind(narrow(partition))
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let due = sqlx::query(include_str!("../queries/hold_next_due.sql"))
        .bind(consumer)
        .bind(narrow(partition))
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let keys = keys
        .iter()
        .map(|row| Ok((Key::from_stored(column(row, "key")?), number(row, "parked")?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(ParkedKeys { keys, next_due: column::<Option<i64>>(&due, "due")?.map(time) })
}

/// A statement about the partition of a lease, which is its first three parameters.
fn leased<'q>(sql: &'static str, lease: &'q Lease) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql).bind(&*lease.consumer).bind(narrow(lease.partition)).bind(lease.fence)
}

fn fenced(lease: &Lease) -> StoreError {
    StoreError::Fenced { consumer: lease.consumer.to_string() }
}

/// Marks that this process gave the partition back in order, unless somebody else holds it by now.
pub(crate) async fn give_back(pool: &Pool, lease: &Lease) -> Result<(), StoreError> {
    leased(include_str!("../queries/give_back.sql"), lease).run(pool).await.map(|_| ()).map_err(|error| {
        meaning(format!("giving partition {} of `{}` back", lease.partition, lease.consumer), error)
    })
}

/// Locks the partition under its lease for the rest of the transaction.
pub(crate) async fn check_fence(connection: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    let row = leased(include_str!("../queries/fence_check.sql"), lease)
        .fetch_optional(connection)
        .await
        .map_err(|error| meaning(format!("checking the lease on `{}`", lease.consumer), error))?;
    row.map(drop).ok_or_else(|| fenced(lease))
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
    let row = leased(include_str!("../queries/advance.sql"), lease)
        .bind(&to)
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let from: String = column(&row.ok_or_else(|| fenced(lease))?, "cursor")?;
    let Some(receipt) = handled else { return Ok(()) };
    sqlx::query(include_str!("../queries/receipt_insert.sql"))
        .bind(&*lease.consumer)
        .bind(narrow(lease.partition))
        .bind(receipt.first.0.min(receipt.last.0))
        .bind(receipt.first.0.max(receipt.last.0))
        .bind(i64::from(receipt.count))
        .bind(receipt.at.as_microsecond())
        .bind(from)
        .bind(to)
        .bind(None::<i64>)
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
    leased(include_str!("../queries/begun_set.sql"), lease)
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
    leased(include_str!("../queries/begun_clear.sql"), lease)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| meaning(format!("clearing what `{}` has begun", lease.consumer), error))
}
