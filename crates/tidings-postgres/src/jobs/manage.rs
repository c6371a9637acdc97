//! What people do with jobs and queues.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidings_core::ids::MessageId;
use tidings_core::store::{Cancelled, StoreError};
use uuid::Uuid;

use super::workers::one;
use crate::rows::column;
use crate::store::PostgresStore;

/// How long a job may be in the middle of its end before whoever wants to cancel it is told to come again.
const BUSY_MAX: Duration = Duration::from_secs(10);
const BUSY_LOOK: Duration = Duration::from_millis(10);

pub(super) async fn cancel(
    store: &PostgresStore,
    id: MessageId,
    reason: &str,
    now: Timestamp,
) -> Result<Cancelled, StoreError> {
    let query = || {
        sqlx::query(include_str!("../../queries/job_cancel.sql"))
            .bind(id.0)
            .bind(reason)
            .bind(now.as_microsecond())
    };
    let since = Instant::now();
    loop {
        let rows = store.statement("cancelling a job", query).await?;
        let row = one(&rows)?;
        match column::<Option<&str>>(row, "answer")? {
            Some("cancelled") => {
                store.wake_queues(column::<Option<&str>>(row, "queue")?.as_slice());
                return Ok(Cancelled::AtOnce);
            }
            Some("asked") => return Ok(Cancelled::Asked),
            Some(_) if since.elapsed() < BUSY_MAX => tokio::time::sleep(BUSY_LOOK).await,
            Some(_) => {
                let context =
                    format!("job {id} is in the middle of its end, and cannot be cancelled just now");
                return Err(StoreError::Busy { context, source: None });
            }
            None => return Err(unknown(id, "that has not ended")),
        }
    }
}

pub(super) async fn revive(store: &PostgresStore, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
    let query =
        || sqlx::query(include_str!("../../queries/job_revive.sql")).bind(id.0).bind(now.as_microsecond());
    let rows = store.statement("reviving a job", query).await?;
    let row = one(&rows)?;
    if let Some(by) = column::<Option<Uuid>>(row, "taken_by")? {
        return Err(StoreError::UniqueTaken { id, taken_by: MessageId(by) });
    }
    let queue: Option<&str> = column(row, "queue")?;
    let queue = queue.ok_or_else(|| unknown(id, "that is dead, scheduled or cancelled"))?;
    store.wake_queues(&[queue]);
    Ok(())
}

pub(super) async fn discard(
    store: &PostgresStore,
    id: MessageId,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = || {
        sqlx::query(include_str!("../../queries/job_discard.sql"))
            .bind(id.0)
            .bind(reason)
            .bind(now.as_microsecond())
    };
    let rows = store.statement("discarding a job", query).await?;
    let queue: Option<&str> = column(one(&rows)?, "queue")?;
    store.wake_queues(&[queue.ok_or_else(|| unknown(id, "that is dead"))?]);
    Ok(())
}

/// Pauses a queue for a reason, or lets it go on without one.
pub(super) async fn pause(
    store: &PostgresStore,
    queue: &str,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = || {
        sqlx::query(include_str!("../../queries/queue_pause.sql"))
            .bind(queue)
            .bind(reason)
            .bind(now.as_microsecond())
    };
    store.statement("pausing a queue, or letting it go on", query).await?;
    if reason.is_none() {
        store.wake_queues(&[queue]);
    }
    Ok(())
}

fn unknown(id: MessageId, which: &str) -> StoreError {
    StoreError::NotFound { what: format!("a job {id} {which}") }
}
