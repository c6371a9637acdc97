//! Old messages, and how many there are.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use sqlx::PgConnection;
use tidings_core::store::StoreError;

use super::{CHUNK, turn};
use crate::error::meaning;
use crate::fullness;
use crate::pool::Pool;
use crate::rows::{column, number};

/// Counts what was appended since it was counted last.
pub(super) async fn count(pool: &Pool) -> Result<(), StoreError> {
    let Some(mut tx) = turn(pool).await? else { return Ok(()) };
    execute(&mut tx, "counting messages", include_str!("../../queries/log_counted.sql")).await?;
    tx.commit().await.map_err(|error| meaning("counting messages", error))
}

/// Counts the whole log once, when it seems full: somebody may have deleted messages by hand, and publishing must not be
/// refused for their sake. Says whether it did.
pub(super) async fn count_again(pool: &Pool, done: &AtomicBool) -> Result<bool, StoreError> {
    if done.load(Relaxed) {
        return Ok(false);
    }
    let Some(mut tx) = turn(pool).await? else { return Ok(false) };
    execute(&mut tx, "counting the log", include_str!("../../queries/log_counted_again.sql")).await?;
    tx.commit().await.map_err(|error| meaning("counting the log", error))?;
    done.store(true, Relaxed);
    Ok(true)
}

async fn execute(connection: &mut PgConnection, context: &str, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await.map(|_| ()).map_err(|error| meaning(context, error))
}

/// What one look at a chunk came to.
struct Chunk {
    looked: i64,
    last: Option<i64>,
    deleted: i64,
    /// How many are still too many.
    excess: i64,
    /// A message in it is needed by a consumer: from here on nearly all are.
    is_needed: bool,
    /// A message in it is young: from here on only the bound on their number counts.
    is_young: bool,
}

/// Deletes what is too old, and of the rest the oldest that are too many, up to the first message that a consumer needs.
/// One that is parked stays, and those around it go.
pub(super) async fn delete(pool: &Pool, cutoff: i64, messages_max: u64) -> Result<u64, StoreError> {
    let (mut after, mut cutoff, mut deleted) = (i64::MIN, cutoff, 0_u64);
    loop {
        let Some(chunk) = delete_chunk(pool, after, cutoff, messages_max).await? else { return Ok(deleted) };
        deleted += chunk.deleted.unsigned_abs();
        if chunk.is_young {
            cutoff = i64::MIN;
        }
        let nothing_more = cutoff == i64::MIN && chunk.excess == 0;
        match chunk.last {
            Some(last) if chunk.looked == CHUNK && !chunk.is_needed && !nothing_more => after = last,
            _ => return Ok(deleted),
        }
    }
}

async fn delete_chunk(
    pool: &Pool,
    after: i64,
    cutoff: i64,
    messages_max: u64,
) -> Result<Option<Chunk>, StoreError> {
    let failed = |error| meaning("deleting old messages", error);
    let Some(mut tx) = turn(pool).await? else { return Ok(None) };
    // Asked in each turn: other processes have theirs in between.
    let messages = fullness::messages(&mut tx).await?;
    let excess = i64::try_from(messages.saturating_sub(messages_max)).unwrap_or(i64::MAX);
    let row = sqlx::query(include_str!("../../queries/retention_delete_messages.sql"))
        .bind(after)
        .bind(CHUNK)
        .bind(cutoff)
        .bind(excess)
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
    let deleted: i64 = number(&row, "deleted")?;
    let chunk = Chunk {
        looked: number(&row, "looked")?,
        last: column(&row, "last")?,
        deleted,
        excess: (excess - deleted).max(0),
        is_needed: column(&row, "needed")?,
        is_young: column(&row, "young")?,
    };
    sqlx::query(include_str!("../../queries/log_removed_add.sql"))
        .bind(chunk.deleted)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(Some(chunk))
}
