//! Jobs inside a work's transaction.

mod claim;
mod end;
mod enqueue;
mod rate;
mod shares;

pub(crate) use claim::{claim, claim_suspect};
pub(crate) use end::end;
pub(crate) use enqueue::enqueue;

use jiff::Timestamp;
use tidings_core::store::{JobLease, RateLimit, StoreError};

use crate::exec::{Param, Statements};

/// When a queue with a limited rate may start another job; not after `now` if it may now.
pub(crate) fn rate_allows_at(limit: RateLimit, next_free: Option<i64>, now: Timestamp) -> Timestamp {
    rate::Rate::new(limit, next_free, now).next_at()
}

/// Keeps what a job says of its progress.
pub(crate) async fn report_progress<E: Statements>(
    exec: &mut E,
    lease: &JobLease,
    progress: &str,
) -> Result<(), StoreError> {
    let JobLease { place, worker, attempt, .. } = *lease;
    let params = [Param::Int(place), Param::Int(worker.0), Param::Int(attempt.into()), Param::Text(progress)];
    let changed = exec.execute(include_str!("../../../queries/job_progress.sql"), &params).await?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Fenced { consumer: format!("job {}", lease.id) }) }
}

/// Moves a recurring job from one time to the next.
pub(crate) async fn move_cron<E: Statements>(
    exec: &mut E,
    name: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<bool, StoreError> {
    let params = [Param::Text(name), time(from), time(to)];
    Ok(exec.execute(include_str!("../../../queries/cron_move.sql"), &params).await? == 1)
}

/// Places as an array of JSON, for `json_each`.
fn places(places: impl IntoIterator<Item = i64>) -> String {
    serde_json::Value::from_iter(places).to_string()
}

fn time(time: Timestamp) -> Param<'static> {
    Param::Int(time.as_microsecond())
}

/// The head of a key may have changed: whoever is it now may run.
async fn promote<E: Statements>(
    exec: &mut E,
    queue: &str,
    key: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let params = [Param::Text(queue), Param::Text(key), time(now)];
    exec.execute(include_str!("../../../queries/job_promote.sql"), &params).await?;
    exec.wake_queue(queue);
    Ok(())
}
