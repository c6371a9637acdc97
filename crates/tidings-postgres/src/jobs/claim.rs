//! Claiming.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{Claim, Claimed, ClaimedJob, JobEnd, JobLease, StoreError, WorkerId};
use tidings_core::trace::{TraceContext, TraceParent};
use uuid::Uuid;

use super::end::{Ends, queues};
use super::rate::step_and_tolerance;
use super::sweeps::Sweeps;
use crate::error::meaning;
use crate::rows::{column, text, time};

/// So many delayed jobs become ready with one claim at most; the next one goes on.
const STAGED_MAX: i32 = 10_000;

/// What ends and a claim came to.
pub(crate) struct Settled {
    /// Of each end whether its lease was good.
    pub(crate) good: Vec<bool>,
    pub(crate) claimed: Claimed,
    /// The queues that may have something to claim after the ends.
    pub(crate) queues: Vec<Arc<str>>,
}

/// Ends attempts, and then claims: one statement.
pub(crate) async fn end_and_claim(
    connection: &mut PgConnection,
    sweeps: &Sweeps,
    ends: &[(JobLease, JobEnd)],
    at: Timestamp,
    claim: &Claim<'_>,
) -> Result<Settled, StoreError> {
    let failed = |error| meaning(format!("claiming jobs of queue `{}`", claim.queue), error);
    let ends = Ends::new(ends);
    let rate = claim.rate.map(step_and_tolerance);
    let sweeps_now = sweeps.is_time(claim.worker, claim.queue);
    let names: Vec<&str> = claim.names.iter().map(|name| &**name).collect();
    let rows = ends
        .bind(sqlx::query(include_str!("../../queries/job_end_and_claim.sql")), at)
        .bind(claim.worker.0)
        .bind(claim.queue)
        .bind(names)
        .bind(i64::try_from(claim.limit).unwrap_or(i64::MAX))
        .bind(claim.now.as_microsecond())
        .bind(rate.map(|(step, _)| step))
        .bind(rate.map(|(_, tolerance)| tolerance))
        .bind(claim.running_max.map(i64::from))
        .bind(STAGED_MAX)
        .bind(sweeps_now)
        .fetch_all(connection)
        .await
        .map_err(failed)?;
    let Some((last, rows)) = rows.split_last() else { return Err(failed(sqlx::Error::RowNotFound)) };
    let queue: Arc<str> = claim.queue.into();
    let read = |row| claimed(row, claim.names, claim.worker, queue.clone());
    let jobs = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    sweeps.note(claim.worker, claim.queue, column(last, "under_way")?, jobs.len());
    let next_at: Option<i64> = column(last, "next_at")?;
    Ok(Settled {
        good: ends.told(last)?,
        claimed: Claimed { jobs, more: column(last, "more")?, next_at: next_at.map(time) },
        queues: queues(last)?,
    })
}

/// Claims the oldest suspect of these queues and names.
pub(crate) async fn claim_suspect(
    connection: &mut PgConnection,
    worker: WorkerId,
    queues: &[(Arc<str>, Option<u32>)],
    names: &[Arc<str>],
    now: Timestamp,
) -> Result<Option<ClaimedJob>, StoreError> {
    let limits: Vec<Option<i64>> = queues.iter().map(|(_, limit)| limit.map(i64::from)).collect();
    let queues: Vec<&str> = queues.iter().map(|(queue, _)| &**queue).collect();
    let of_names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let row = sqlx::query(include_str!("../../queries/job_suspect.sql"))
        .bind(worker.0)
        .bind(queues)
        .bind(limits)
        .bind(of_names)
        .bind(now.as_microsecond())
        .fetch_optional(connection)
        .await
        .map_err(|error| meaning("claiming a suspect", error))?;
    row.map(|row| claimed(&row, names, worker, text(&row, "queue")?)).transpose()
}

/// A job whose next attempt begins.
fn claimed(
    row: &PgRow,
    names: &[Arc<str>],
    worker: WorkerId,
    queue: Arc<str>,
) -> Result<ClaimedJob, StoreError> {
    let count = |name| column::<i32>(row, name).map(|count| u32::try_from(count).unwrap_or_default());
    let name: &str = column(row, "name")?;
    let parent: Option<&str> = column(row, "traceparent")?;
    Ok(ClaimedJob {
        lease: JobLease {
            id: MessageId(column(row, "id")?),
            place: column(row, "place")?,
            worker,
            attempt: count("attempts")?.saturating_add(1),
            claim: column(row, "claim")?,
            is_plain: column(row, "is_plain")?,
        },
        // Many jobs share a name, and the caller has it already.
        name: names.iter().find(|known| ***known == *name).cloned().unwrap_or_else(|| name.into()),
        queue,
        key: column::<Option<String>>(row, "key")?.map(Key::from_stored),
        failures: count("failures")?,
        losses: count("losses")?,
        at: time(column(row, "at")?),
        correlation_id: MessageId(column(row, "correlation_id")?),
        causation_id: column::<Option<Uuid>>(row, "causation_id")?.map(MessageId),
        trace: TraceContext {
            parent: parent.and_then(TraceParent::parse),
            tracestate: column(row, "tracestate")?,
            baggage: column(row, "baggage")?,
        },
        progress: column(row, "progress")?,
        data: column(row, "data")?,
    })
}
