//! Who works on jobs, and until when.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use tidings_core::ids::MessageId;
use tidings_core::store::{ATTEMPTS_KEPT, Heartbeat, Member, StoreError, WorkerId};

use crate::life;
use crate::rows::{column, text};
use crate::store::PostgresStore;
use crate::workers::void;

const LOST: &str = "its worker was lost: the process ended, or did not renew its lease";

pub(super) async fn enlist(
    store: &PostgresStore,
    member: &Member,
    lease: Duration,
) -> Result<WorkerId, StoreError> {
    let consumers = || member.consumers.iter().map(|known| known.consumer.to_string()).collect::<Vec<_>>();
    let generations = || member.consumers.iter().map(|known| known.generation).collect::<Vec<_>>();
    let jobs = || member.jobs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let query = || {
        sqlx::query(include_str!("../../queries/worker_enlist.sql"))
            .bind(&member.about)
            .bind(consumers())
            .bind(generations())
            .bind(jobs())
            // An interval takes fractions, and no lease is as long as the largest.
            .bind(lease.as_micros().min(MICROS_MAX) as f64)
    };
    // Whatever is claimed is claimed in one life of the server. After a crash it may be that nobody has begun one yet.
    store.answer("beginning a life of the log", life::begin(store.pool())).await?;
    let rows = store.statement("entering a worker", query).await?;
    let worker = WorkerId(column(one(&rows)?, "id")?);
    store.jobs().lives.entered(worker, column(one(&rows)?, "life")?);
    Ok(worker)
}

/// A hundred years.
const MICROS_MAX: u128 = 100 * 365 * 24 * 3_600 * 1_000_000;

pub(super) async fn heartbeat(store: &PostgresStore, worker: WorkerId) -> Result<Heartbeat, StoreError> {
    let rows = store.answer("renewing a worker's lease", store.beats.beat(worker)).await?;
    let Some((first, rows)) = rows.split_first() else {
        return Err(void(worker));
    };
    if !store.jobs().lives.goes_on(worker, column(first, "life")?) {
        return Err(void(worker));
    }
    let read = |row| {
        let attempt: i32 = column(row, "attempt")?;
        Ok((
            MessageId(column(row, "id")?),
            u32::try_from(attempt).unwrap_or_default(),
            column(row, "reason")?,
        ))
    };
    Ok(Heartbeat { cancelled: rows.iter().map(read).collect::<Result<_, StoreError>>()? })
}

pub(super) async fn take_over(
    store: &PostgresStore,
    worker: WorkerId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let query = || {
        sqlx::query(include_str!("../../queries/worker_take_over.sql"))
            .bind(worker.0)
            .bind(LOST)
            .bind(now.as_microsecond())
            .bind(kept())
    };
    let rows = store.statement("taking over from lost workers", query).await?;
    let row = one(&rows)?;
    let jobs: i64 = column(row, "jobs")?;
    store.wake_queues(&super::end::queues(row)?);
    Ok(u64::try_from(jobs).unwrap_or_default())
}

pub(super) async fn dismiss(
    store: &PostgresStore,
    worker: WorkerId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let query = || {
        sqlx::query(include_str!("../../queries/worker_dismiss.sql"))
            .bind(worker.0)
            .bind(now.as_microsecond())
            .bind(kept())
    };
    let rows = store.statement("giving back what a worker had claimed", query).await?;
    store.jobs().sweeps.forget(worker);
    store.jobs().lives.forget(worker);
    store.wake_queues(&super::end::queues(one(&rows)?)?);
    Ok(())
}

pub(super) async fn suspects(
    store: &PostgresStore,
    queues: &[Arc<str>],
    names: &[Arc<str>],
) -> Result<Vec<Arc<str>>, StoreError> {
    let texts = |texts: &[Arc<str>]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let query = || {
        sqlx::query(include_str!("../../queries/job_suspect_queues.sql"))
            .bind(texts(queues))
            .bind(texts(names))
    };
    let rows = store.statement("looking for suspects", query).await?;
    rows.iter().map(|row| text(row, "queue")).collect()
}

fn kept() -> i32 {
    i32::try_from(ATTEMPTS_KEPT).unwrap_or(i32::MAX)
}

/// The one row of a function that has one.
pub(super) fn one(rows: &[PgRow]) -> Result<&PgRow, StoreError> {
    rows.first().ok_or_else(|| crate::error::foreign_row("the answer of a function", "no row"))
}
