//! The jobs of a flow.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use tidings_core::flow::JobFact;
use tidings_core::ids::MessageId;
use tidings_core::store::{AttemptRow, StoreError};

use super::messages::{Words, trace_id};
use crate::error::meaning;
use crate::jobs::inspect::{attempt_row, job_row};
use crate::rows::column;

pub(super) async fn jobs(connection: &mut PgConnection, flow: MessageId) -> Result<Vec<JobFact>, StoreError> {
    let mut failed = attempts(connection, flow).await?;
    let rows = sqlx::query(include_str!("../../queries/inspect_flow_jobs.sql"))
        .bind(flow.0)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the jobs of a flow", error))?;
    let mut words = Words::default();
    let read = |row: &PgRow| {
        let failed = failed.remove(&column(row, "place")?).unwrap_or_default();
        Ok(JobFact { failed, ..job(row, &mut words)? })
    };
    rows.iter().map(read).collect()
}

/// The attempts of all jobs of a flow, by the places of the jobs.
async fn attempts(
    connection: &mut PgConnection,
    flow: MessageId,
) -> Result<HashMap<i64, Vec<AttemptRow>>, StoreError> {
    let rows = sqlx::query(include_str!("../../queries/flow_attempts.sql"))
        .bind(flow.0)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the attempts of a flow", error))?;
    let mut attempts: HashMap<i64, Vec<AttemptRow>> = HashMap::new();
    for row in &rows {
        attempts.entry(column(row, "job")?).or_default().push(attempt_row(row)?);
    }
    Ok(attempts)
}

/// A job of which it is not told yet which attempts it has had.
fn job(row: &PgRow, words: &mut Words) -> Result<JobFact, StoreError> {
    let job = job_row(row)?;
    Ok(JobFact {
        id: job.id,
        name: words.column(row, "name")?,
        queue: words.column(row, "queue")?,
        source: words.column(row, "source")?,
        key: job.key,
        share: job.share,
        causation_id: job.causation_id,
        trace_id: trace_id(row)?,
        state: job.state,
        at: job.at,
        due: job.due,
        attempts: job.attempts,
        started_at: job.started_at,
        ended_at: job.ended_at,
        death: job.death,
        error: job.error,
        reason: job.reason,
        failed: Vec::new(),
    })
}
