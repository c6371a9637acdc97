//! The jobs of a flow.

use std::collections::HashMap;

use rusqlite::{Connection, Row};
use tidings_core::flow::JobFact;
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{AttemptEnd, AttemptRow, DeathReason, JobState, WorkerId};

use super::messages::{Words, trace_id};
use crate::rows::{message_id, message_id_or_null, parsed, parsed_or_null, time, time_or_null};

pub(super) fn jobs(connection: &Connection, flow: MessageId) -> rusqlite::Result<Vec<JobFact>> {
    let mut failed = attempts(connection, flow)?;
    let mut words = Words::default();
    let mut statement = connection.prepare_cached(include_str!("../../queries/flow_jobs.sql"))?;
    let read = |row: &Row<'_>| {
        let failed = failed.remove(&row.get(0)?).unwrap_or_default();
        Ok(JobFact { failed, ..job(row, &mut words)? })
    };
    statement.query_map([flow.0.as_bytes()], read)?.collect()
}

/// The attempts of all jobs of a flow, by the places of the jobs.
fn attempts(connection: &Connection, flow: MessageId) -> rusqlite::Result<HashMap<i64, Vec<AttemptRow>>> {
    let mut statement = connection.prepare_cached(include_str!("../../queries/flow_attempts.sql"))?;
    let mut rows = statement.query([flow.0.as_bytes()])?;
    let mut attempts: HashMap<i64, Vec<AttemptRow>> = HashMap::new();
    while let Some(row) = rows.next()? {
        attempts.entry(row.get(0)?).or_default().push(AttemptRow {
            attempt: row.get(1)?,
            worker: WorkerId(row.get(2)?),
            started_at: time(row, 3)?,
            ended_at: time(row, 4)?,
            end: parsed(row, 5, AttemptEnd::parse)?,
            error: row.get(6)?,
        });
    }
    Ok(attempts)
}

/// A job of which it is not told yet which attempts it has had.
fn job(row: &Row<'_>, words: &mut Words) -> rusqlite::Result<JobFact> {
    Ok(JobFact {
        id: message_id(row, 1)?,
        name: words.keep(row.get_ref(2)?.as_str()?),
        queue: words.keep(row.get_ref(3)?.as_str()?),
        source: words.keep(row.get_ref(4)?.as_str()?),
        key: row.get::<_, Option<String>>(5)?.map(Key::from_stored),
        causation_id: message_id_or_null(row, 6)?,
        trace_id: trace_id(row, 7)?,
        state: parsed(row, 8, JobState::parse)?,
        at: time(row, 9)?,
        due: time(row, 10)?,
        attempts: row.get(11)?,
        started_at: time_or_null(row, 12)?,
        ended_at: time_or_null(row, 13)?,
        death: parsed_or_null(row, 14, DeathReason::parse)?,
        error: row.get(15)?,
        reason: row.get(16)?,
        share: row.get::<_, Option<String>>(17)?.map(Into::into),
        failed: Vec::new(),
    })
}
