//! Jobs inside a work's transaction.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::PgConnection;
use tidings_core::store::{Claim, Claimed, JobLease, NewJob, StoreError};

pub(crate) use super::claim::claim_suspect;
use super::claim::end_and_claim;
pub(crate) use super::end::end as end_attempts;
pub(crate) use super::enqueue::enqueue;
use super::sweeps::Sweeps;
use crate::error::meaning;

/// Claims jobs of one queue. From then on until the transaction ends nobody else claims from that queue.
pub(crate) async fn claim_jobs(
    connection: &mut PgConnection,
    sweeps: &Sweeps,
    claim: &Claim<'_>,
) -> Result<Claimed, StoreError> {
    let settled = end_and_claim(connection, sweeps, &[], claim.now, claim).await?;
    Ok(settled.claimed)
}

/// Keeps what a job says of its progress.
pub(crate) async fn report_progress(
    connection: &mut PgConnection,
    lease: &JobLease,
    progress: &str,
) -> Result<(), StoreError> {
    let done = sqlx::query(include_str!("../../queries/job_progress.sql"))
        .bind(lease.place)
        .bind(i64::from(lease.attempt))
        .bind(lease.worker.0)
        .bind(lease.claim)
        .bind(progress)
        .execute(connection)
        .await
        .map_err(|error| meaning(format!("keeping the progress of job {}", lease.id), error))?;
    if done.rows_affected() == 1 {
        return Ok(());
    }
    Err(StoreError::Fenced { consumer: format!("job {}", lease.id) })
}

/// Moves a recurring job from one time to the next.
pub(crate) async fn move_cron(
    connection: &mut PgConnection,
    name: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(include_str!("../../queries/cron_move.sql"))
        .bind(name)
        .bind(from.as_microsecond())
        .bind(to.as_microsecond())
        .execute(connection)
        .await
        .map_err(|error| meaning(format!("moving the recurring job `{name}`"), error))?;
    Ok(done.rows_affected() == 1)
}

/// The queues that jobs are enqueued in, each once.
pub(crate) fn queues_of(jobs: &[NewJob]) -> Vec<Arc<str>> {
    let mut queues: Vec<Arc<str>> = Vec::new();
    for job in jobs {
        if !queues.contains(&job.queue) {
            queues.push(job.queue.clone());
        }
    }
    queues
}
