//! Keeping the tables bounded.

mod bounds;
mod chunks;
mod jobs;
mod receipts;
mod wal;

use std::time::Duration;

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
    let jobs_cutoff = cutoff(retention.jobs_age_max, now);
    let cutoff = cutoff(retention.age_max, now);
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
    let jobs_deleted = jobs::delete(store, jobs_cutoff, retention.jobs_max, now.as_microsecond()).await?;
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
        jobs_deleted,
        messages: state.messages,
        held_by: state.held_by,
    })
}

/// The microsecond before which something is old.
fn cutoff(age_max: Duration, now: Timestamp) -> i64 {
    let age = SignedDuration::try_from(age_max).unwrap_or(SignedDuration::MAX);
    now.checked_sub(age).map_or(i64::MIN, Timestamp::as_microsecond)
}
