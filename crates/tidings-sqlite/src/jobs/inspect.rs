//! Questions about jobs, asked of a connection.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    AttemptEnd, AttemptRow, DeathReason, JobFilter, JobRow, JobState, QueueStatus, WorkerId,
};

use crate::rows::{message_id, message_id_or_null, parsed, parsed_or_null, time, time_or_null};

pub(crate) fn job(connection: &Connection, id: MessageId) -> rusqlite::Result<Option<JobRow>> {
    connection.query_row(include_str!("../../queries/inspect_job.sql"), [id.0.as_bytes()], job_row).optional()
}

pub(crate) fn jobs(connection: &Connection, filter: &JobFilter, limit: i64) -> rusqlite::Result<Vec<JobRow>> {
    let params = params![filter.queue, filter.name, filter.state.map(JobState::as_str), limit];
    all(connection, include_str!("../../queries/inspect_jobs.sql"), params, job_row)
}

pub(crate) fn flow_jobs(connection: &Connection, flow: MessageId) -> rusqlite::Result<Vec<JobRow>> {
    all(connection, include_str!("../../queries/inspect_flow_jobs.sql"), &[&flow.0.as_bytes()], job_row)
}

pub(crate) fn attempts(connection: &Connection, id: MessageId) -> rusqlite::Result<Vec<AttemptRow>> {
    let read = |row: &Row<'_>| {
        Ok(AttemptRow {
            attempt: row.get(0)?,
            worker: WorkerId(row.get(1)?),
            started_at: time(row, 2)?,
            ended_at: time(row, 3)?,
            end: parsed(row, 4, AttemptEnd::parse)?,
            error: row.get(5)?,
        })
    };
    all(connection, include_str!("../../queries/inspect_attempts.sql"), &[&id.0.as_bytes()], read)
}

pub(crate) fn queues(connection: &Connection) -> rusqlite::Result<Vec<QueueStatus>> {
    let state = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, parsed(row, 1, JobState::parse)?, row.get::<_, u32>(2)?))
    };
    let mut states: HashMap<String, Vec<(JobState, u64)>> = HashMap::new();
    for (queue, state, count) in
        all(connection, include_str!("../../queries/inspect_queue_states.sql"), &[], state)?
    {
        states.entry(queue).or_default().push((state, count.into()));
    }
    let status = |row: &Row<'_>| {
        let name: Arc<str> = row.get(0)?;
        let mut jobs = states.remove(&*name).unwrap_or_default();
        jobs.sort();
        let (oldest_ready, next_due) = (time_or_null(row, 2)?, time_or_null(row, 3)?);
        Ok(QueueStatus { name, paused: row.get(1)?, jobs, oldest_ready, next_due })
    };
    all(connection, include_str!("../../queries/inspect_queues.sql"), &[], status)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: &[&dyn ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        id: message_id(row, 0)?,
        name: row.get(1)?,
        queue: row.get(2)?,
        state: parsed(row, 3, JobState::parse)?,
        priority: row.get(4)?,
        key: row.get::<_, Option<String>>(5)?.map(Key::from_stored),
        attempts: row.get(6)?,
        failures: row.get(7)?,
        losses: row.get(8)?,
        at: time(row, 9)?,
        due: time(row, 10)?,
        started_at: time_or_null(row, 11)?,
        ended_at: time_or_null(row, 12)?,
        worker: row.get::<_, Option<i64>>(13)?.map(WorkerId),
        death: parsed_or_null(row, 14, DeathReason::parse)?,
        error: row.get(15)?,
        reason: row.get(16)?,
        progress: row.get(17)?,
        source: row.get(18)?,
        correlation_id: message_id(row, 19)?,
        causation_id: message_id_or_null(row, 20)?,
        data: row.get(21)?,
    })
}
