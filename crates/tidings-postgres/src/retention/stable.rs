//! Young receipts become stable ones.
//!
//! A young receipt holds the two cursors of its batch. Between its first and its last position there may be others that
//! belong to transactions that were open when the batch was read: their messages are not in it, and come with a later one.
//! Cursors say so exactly, but they are long, and mean something in this cluster only.
//!
//! Once no such transaction is left, everything that will ever have a position between the two is there, and whatever is not
//! of the batch can be named: the receipt's *holes*. When is that? Who has a position has a transaction id, because that
//! default comes first in the table. The positions in a receipt were drawn before it was written. So a transaction whose
//! id is drawn now, with the newest receipt that there is now, is a *mark*: when all transactions below it have ended,
//! the receipts up to the mark have nothing to come.

use std::time::Duration;

use sqlx::Row as _;
use tidings_core::store::StoreError;
use tokio::time::Instant;

use super::turn;
use crate::error::meaning;
use crate::pool::{Alone as _, Pool};

/// How long a round waits for the transactions below its mark. They take milliseconds, or are left to the next round.
const PATIENCE: Duration = Duration::from_secs(2);

/// Receipts made stable in one transaction.
const RECEIPTS: i64 = 200;

/// Makes the receipts stable that are there now, or as many of them as can be.
pub(super) async fn make_stable(pool: &Pool) -> Result<(), StoreError> {
    if !mark(pool).await? || !is_passed(pool).await? {
        return Ok(());
    }
    let failed = |error| meaning("making receipts stable", error);
    loop {
        let Some(mut tx) = turn(pool).await? else { return Ok(()) };
        let sql = include_str!("../../queries/receipts_make_stable.sql");
        let made = sqlx::query(sql).bind(RECEIPTS).execute(&mut *tx).await.map_err(failed)?.rows_affected();
        let is_last = made < RECEIPTS.unsigned_abs();
        if is_last {
            sqlx::query(include_str!("../../queries/receipts_unmark.sql"))
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
        if is_last {
            return Ok(());
        }
    }
}

/// Sets a mark behind the newest young receipt, unless there is one already; false if there is nothing to do.
async fn mark(pool: &Pool) -> Result<bool, StoreError> {
    let failed = |error| meaning("marking receipts", error);
    let Some(mut tx) = turn(pool).await? else { return Ok(false) };
    let sql = include_str!("../../queries/receipts_mark.sql");
    let marked = sqlx::query(sql).execute(&mut *tx).await.map_err(failed)?.rows_affected();
    tx.commit().await.map_err(failed)?;
    Ok(marked > 0)
}

/// Whether all transactions below the mark have ended.
async fn is_passed(pool: &Pool) -> Result<bool, StoreError> {
    let failed = |error| meaning("looking for open transactions", error);
    let begun = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let sql = include_str!("../../queries/receipts_mark_passed.sql");
        let row = sqlx::query(sql).optional(pool).await.map_err(failed)?;
        let passed = row.map(|row| row.try_get::<bool, _>("passed")).transpose().map_err(failed)?;
        if passed != Some(false) {
            return Ok(passed.is_some());
        }
        if begun.elapsed() + pause > PATIENCE {
            return Ok(false);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}
