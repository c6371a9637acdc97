//! Questions about jobs, asked of a connection.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
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
    let mut found = count_turns(connection)?;
    let state = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, parsed(row, 1, JobState::parse)?, row.get::<_, u32>(2)?))
    };
    for (queue, state, count) in
        all(connection, include_str!("../../queries/inspect_queue_states.sql"), &[], state)?
    {
        *found.entry(queue).or_default().jobs.entry(state).or_default() += u64::from(count);
    }
    let names = serde_json::Value::from_iter(found.keys().map(String::as_str)).to_string();
    let status = |row: &Row<'_>| {
        let name: Arc<str> = row.get(0)?;
        let Found { jobs, oldest_ready } = found.remove(&*name).unwrap_or_default();
        let (paused, next_due) = (row.get(1)?, time_or_null(row, 2)?);
        Ok(QueueStatus { name, paused, jobs: jobs.into_iter().collect(), oldest_ready, next_due })
    };
    all(connection, include_str!("../../queries/inspect_queues.sql"), &[&names], status)
}

pub(crate) fn is_queue(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = include_str!("../../queries/inspect_queue_known.sql");
    connection.prepare_cached(sql)?.query_row([name], |row| row.get(0))
}

/// What was counted of one queue.
#[derive(Default)]
struct Found {
    jobs: BTreeMap<JobState, u64>,
    oldest_ready: Option<Timestamp>,
}

fn count_turns(connection: &Connection) -> rusqlite::Result<HashMap<String, Found>> {
    let turn = |row: &Row<'_>| {
        let counted: (String, i64, u32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(counted)
    };
    let mut found: HashMap<String, Found> = HashMap::new();
    for (queue, turn, count, first) in
        all(connection, include_str!("../../queries/inspect_queue_turns.sql"), &[], turn)?
    {
        let of = found.entry(queue).or_default();
        let state = of_turn(turn);
        *of.jobs.entry(state).or_default() += u64::from(count);
        if state == JobState::Ready {
            // The first one of each priority is the oldest of it.
            let sql = include_str!("../../queries/job_at.sql");
            let at = connection.prepare_cached(sql)?.query_row([first], |row| time(row, 0))?;
            of.oldest_ready = of.oldest_ready.into_iter().chain([at]).min();
        }
    }
    Ok(found)
}

/// The state of a job that does not run, by its turn: see the column.
fn of_turn(turn: i64) -> JobState {
    match turn {
        ..100_000 | 200_000.. => JobState::Ready,
        100_000 => JobState::Suspect,
        _ => JobState::Dead,
    }
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
        share: row.get::<_, Option<String>>(22)?.map(Into::into),
    })
}
