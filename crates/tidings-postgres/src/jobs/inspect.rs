//! Questions about jobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    AttemptEnd, AttemptRow, DeathReason, JobFilter, JobRow, JobState, QueueStatus, StoreError, WorkerId,
};
use uuid::Uuid;

use crate::error::{foreign_row, meaning};
use crate::pool::{Alone as _, Pool};
use crate::rows::{column, number, text, time};

pub(crate) async fn job(pool: &Pool, id: MessageId) -> Result<Option<JobRow>, StoreError> {
    let query = sqlx::query(include_str!("../../queries/inspect_job.sql")).bind(id.0);
    let row = query.optional(pool).await.map_err(|error| meaning("looking a job up", error))?;
    row.as_ref().map(job_row).transpose()
}

pub(crate) async fn jobs(pool: &Pool, filter: &JobFilter, limit: usize) -> Result<Vec<JobRow>, StoreError> {
    let rows = sqlx::query(include_str!("../../queries/inspect_jobs.sql"))
        .bind(filter.queue.as_deref())
        .bind(filter.name.as_deref())
        .bind(filter.state.map(JobState::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .all(pool)
        .await
        .map_err(|error| meaning("listing jobs", error))?;
    rows.iter().map(job_row).collect()
}

pub(crate) async fn flow_jobs(pool: &Pool, flow: MessageId) -> Result<Vec<JobRow>, StoreError> {
    let query = sqlx::query(include_str!("../../queries/inspect_flow_jobs.sql")).bind(flow.0);
    let rows = query.all(pool).await.map_err(|error| meaning("reading the jobs of a flow", error))?;
    rows.iter().map(job_row).collect()
}

pub(crate) async fn attempts(pool: &Pool, id: MessageId) -> Result<Vec<AttemptRow>, StoreError> {
    let query = sqlx::query(include_str!("../../queries/inspect_attempts.sql")).bind(id.0);
    let rows = query.all(pool).await.map_err(|error| meaning("listing attempts of a job", error))?;
    rows.iter().map(attempt_row).collect()
}

pub(crate) async fn queues(pool: &Pool) -> Result<Vec<QueueStatus>, StoreError> {
    let rows = sqlx::query(include_str!("../../queries/inspect_queues.sql")).all(pool).await;
    let rows = rows.map_err(|error| meaning("listing queues", error))?;
    let mut queues: BTreeMap<Arc<str>, QueueStatus> = BTreeMap::new();
    for row in &rows {
        let name = text(row, "queue")?;
        let status = queues.entry(name.clone()).or_insert_with(|| QueueStatus {
            name,
            paused: None,
            jobs: Vec::new(),
            oldest_ready: None,
            next_due: None,
        });
        status.paused = column(row, "paused_reason")?;
        if column::<Option<&str>>(row, "state")?.is_some() {
            status.jobs.push((parsed(row, "state", JobState::parse)?, number(row, "jobs")?));
        }
        status.oldest_ready = status.oldest_ready.or(time_or_null(row, "oldest_ready")?);
        status.next_due = status.next_due.or(time_or_null(row, "next_due")?);
    }
    Ok(queues.into_values().collect())
}

pub(crate) async fn is_queue(pool: &Pool, name: &str) -> Result<bool, StoreError> {
    let query = sqlx::query(include_str!("../../queries/inspect_queue_known.sql")).bind(name);
    let row = query.one(pool).await.map_err(|error| meaning("looking for a queue", error))?;
    column(&row, "known")
}

/// A row of `tidings_job_rows`.
pub(crate) fn job_row(row: &PgRow) -> Result<JobRow, StoreError> {
    let death = column::<Option<&str>>(row, "death")?;
    Ok(JobRow {
        id: MessageId(column(row, "id")?),
        name: text(row, "name")?,
        queue: text(row, "queue")?,
        state: parsed(row, "state", JobState::parse)?,
        priority: column(row, "priority")?,
        key: column::<Option<String>>(row, "key")?.map(Key::from_stored),
        share: column::<Option<String>>(row, "share")?.map(Into::into),
        attempts: count(row, "attempts")?,
        failures: count(row, "failures")?,
        losses: count(row, "losses")?,
        at: time(column(row, "at")?),
        due: time(column(row, "due")?),
        started_at: time_or_null(row, "started_at")?,
        ended_at: time_or_null(row, "ended_at")?,
        worker: column::<Option<i64>>(row, "worker")?.map(WorkerId),
        death: death
            .map(|death| DeathReason::parse(death).ok_or_else(|| foreign_row("death", death)))
            .transpose()?,
        error: column(row, "error")?,
        reason: column(row, "reason")?,
        progress: column(row, "progress")?,
        source: text(row, "source")?,
        correlation_id: MessageId(column(row, "correlation_id")?),
        causation_id: column::<Option<Uuid>>(row, "causation_id")?.map(MessageId),
        data: column(row, "data")?,
    })
}

/// A row of `tidings_attempts`.
pub(crate) fn attempt_row(row: &PgRow) -> Result<AttemptRow, StoreError> {
    Ok(AttemptRow {
        attempt: count(row, "attempt")?,
        worker: WorkerId(column(row, "worker")?),
        started_at: time(column(row, "started_at")?),
        ended_at: time(column(row, "ended_at")?),
        end: parsed(row, "ending", AttemptEnd::parse)?,
        error: column(row, "error")?,
    })
}

fn count(row: &PgRow, name: &str) -> Result<u32, StoreError> {
    let wide: i32 = column(row, name)?;
    u32::try_from(wide).map_err(|_| foreign_row(name, &wide.to_string()))
}

fn parsed<T>(row: &PgRow, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let text: &str = column(row, name)?;
    parse(text).ok_or_else(|| foreign_row(name, text))
}

fn time_or_null(row: &PgRow, name: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(column::<Option<i64>>(row, name)?.map(time))
}
