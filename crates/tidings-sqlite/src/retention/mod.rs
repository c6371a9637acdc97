//! Keeping the tables bounded.

mod bounds;
mod chunks;
mod receipts;
mod wal;

use jiff::{SignedDuration, Timestamp};
use tidings_core::store::{Maintenance, Retention, StoreError};

use crate::store::SqliteStore;
pub(crate) use wal::Wal;

/// Rows deleted in one transaction: few enough that whoever waits for the writer hardly notices.
const CHUNK: u32 = 1_000;

pub(crate) async fn maintain(
    store: &SqliteStore,
    retention: &Retention,
    now: Timestamp,
) -> Result<Maintenance, StoreError> {
    store.shared.env.fullness.limit_to(retention.messages_hard_max);
    let cutoff = cutoff(retention, now);
    let messages_max = retention.messages_max;
    let through = store
        .ask("measuring the log", move |connection| bounds::through(connection, cutoff, messages_max))
        .await?;
    let messages_deleted = match through {
        Some(through) => chunks::delete_messages(store, through).await?,
        None => 0,
    };
    let outcomes_deleted = chunks::delete_outcomes(store, now).await?;
    chunks::delete_discarded(store, cutoff).await?;
    let receipts_merged = receipts::merge(store, retention.receipts_max).await?;
    let state = store
        .ask("measuring the log", move |connection| bounds::state(connection, cutoff, messages_max))
        .await?;
    if state.messages >= retention.messages_hard_max {
        chunks::count_again(store).await?;
    }
    store.shared.env.fullness.forget();
    wal::shrink(store).await?;
    Ok(Maintenance {
        messages_deleted,
        outcomes_deleted,
        receipts_merged,
        jobs_deleted: 0,
        messages: state.messages,
        held_by: state.held_by,
    })
}

/// The microsecond before which a message is old.
fn cutoff(retention: &Retention, now: Timestamp) -> i64 {
    let age = SignedDuration::try_from(retention.age_max).unwrap_or(SignedDuration::MAX);
    now.checked_sub(age).map_or(i64::MIN, Timestamp::as_microsecond)
}
