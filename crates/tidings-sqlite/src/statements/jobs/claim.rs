//! Claiming.

use std::sync::Arc;

use jiff::Timestamp;
use tidings_core::clock::from_stored;
use tidings_core::key::Key;
use tidings_core::store::{Claim, Claimed, ClaimedJob, JobLease, StoreError, WorkerId};
use tidings_core::trace::{TraceContext, TraceParent};

use super::rate::Rate;
use super::shares::{Of, has_shares, take_turns};
use super::{places, time};
use crate::columns::Columns;
use crate::exec::{Param, Statements};

/// So many delayed jobs become ready in one transaction at most; the next claim goes on.
const STAGED_MAX: u32 = 10_000;

pub(crate) async fn claim<E: Statements>(exec: &mut E, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
    if !exec.env().workers.may_claim(claim.worker) {
        return Ok(Claimed::default());
    }
    let queue = Param::Text(claim.queue);
    let (is_paused, next_free) = queue_state(exec, claim.queue).await?;
    if is_paused {
        return Ok(Claimed::default());
    }
    let params = [queue, time(claim.now), Param::Int(STAGED_MAX.into())];
    let staged = exec.execute(include_str!("../../../queries/job_stage.sql"), &params).await?;
    let mut rate = claim.rate.map(|limit| Rate::new(limit, next_free, claim.now));
    let room = room(exec, claim).await?;
    let allowed = rate.as_ref().map_or(usize::MAX, Rate::allowed);
    let limit = claim.limit.min(room).min(allowed);
    let jobs = begin_ready(exec, claim, limit).await?;
    let is_full = jobs.len() == limit;
    if let Some(rate) = &mut rate
        && !jobs.is_empty()
    {
        let params = [queue, Param::Int(rate.start(jobs.len()))];
        exec.execute(include_str!("../../../queries/job_queue_move.sql"), &params).await?;
    }
    let next_due = next_due(exec, claim.queue).await?;
    // Where what runs is the bound, what is left has to wait for an end; where the rate is, for its time.
    let waits_for_end = is_full && limit == room;
    let held_until =
        rate.filter(|_| is_full && limit < claim.limit && !waits_for_end).map(|rate| rate.next_at());
    Ok(Claimed {
        more: held_until.is_none() && !waits_for_end && (is_full || staged == u64::from(STAGED_MAX)),
        next_at: [held_until, next_due].into_iter().flatten().min(),
        jobs,
    })
}

/// How many more attempts of the queue's jobs may be under way.
async fn room<E: Statements>(exec: &mut E, claim: &Claim<'_>) -> Result<usize, StoreError> {
    let Some(most) = claim.running_max else { return Ok(usize::MAX) };
    let names = json_array(claim.names);
    let params = [Param::Text(claim.queue), Param::Text(&names)];
    let rows = exec.query(include_str!("../../../queries/job_slots_taken.sql"), &params).await?;
    let taken = rows.first().map_or(Ok(0), |row| Columns::new(row).count())?;
    Ok(usize::try_from(most.saturating_sub(taken)).unwrap_or(usize::MAX))
}

/// Whether the queue is paused, and its next free time.
async fn queue_state<E: Statements>(exec: &mut E, queue: &str) -> Result<(bool, Option<i64>), StoreError> {
    let rows = exec.query(include_str!("../../../queries/job_queue_get.sql"), &[Param::Text(queue)]).await?;
    let Some(row) = rows.first() else { return Ok((false, None)) };
    let mut columns = Columns::new(row);
    Ok((columns.int()? == 1, columns.int_or_null()?))
}

async fn next_due<E: Statements>(exec: &mut E, queue: &str) -> Result<Option<Timestamp>, StoreError> {
    let rows = exec.query(include_str!("../../../queries/job_next_due.sql"), &[Param::Text(queue)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let due = Columns::new(row).int_or_null()?;
    Ok(due.map(from_stored))
}

async fn begin_ready<E: Statements>(
    exec: &mut E,
    claim: &Claim<'_>,
    limit: usize,
) -> Result<Vec<ClaimedJob>, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let names = json_array(claim.names);
    let queue: Arc<str> = claim.queue.into();
    let read = |columns: &mut Columns<'_>| {
        let mut job = claimed(columns, claim.names, claim.worker, |_| Ok(queue.clone()))?;
        job.lease.is_plain &= claim.running_max.is_none();
        Ok(job)
    };
    let jobs = if has_shares(exec, claim.queue).await? {
        let chosen = places(take_turns(exec, Of { queue: claim.queue, names: &names }, limit).await?);
        let params = [Param::Text(&chosen)];
        exec.read(include_str!("../../../queries/job_chosen.sql"), &params, read).await?
    } else {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = [Param::Text(claim.queue), Param::Text(&names), Param::Int(limit)];
        exec.read(include_str!("../../../queries/job_ready.sql"), &params, read).await?
    };
    begin(exec, &jobs, claim.worker, claim.now).await?;
    Ok(jobs)
}

pub(crate) async fn claim_suspect<E: Statements>(
    exec: &mut E,
    worker: WorkerId,
    queues: &[(Arc<str>, Option<u32>)],
    names: &[Arc<str>],
    now: Timestamp,
) -> Result<Option<ClaimedJob>, StoreError> {
    if !exec.env().workers.may_claim(worker) {
        return Ok(None);
    }
    let limits: serde_json::Map<_, _> =
        queues.iter().map(|(queue, limit)| (queue.to_string(), (*limit).into())).collect();
    let (of_queues, of_names) = (serde_json::Value::from(limits).to_string(), json_array(names));
    let params = [Param::Text(&of_queues), Param::Text(&of_names)];
    let is_limited = |queue: &str| queues.iter().any(|(name, limit)| **name == *queue && limit.is_some());
    let read = |columns: &mut Columns<'_>| {
        let mut job = claimed(columns, names, worker, |columns| Ok(columns.text()?.into()))?;
        job.lease.is_plain &= !is_limited(&job.queue);
        Ok(job)
    };
    let mut jobs = exec.read(include_str!("../../../queries/job_suspect.sql"), &params, read).await?;
    begin(exec, &jobs, worker, now).await?;
    Ok(jobs.pop())
}

async fn begin<E: Statements>(
    exec: &mut E,
    jobs: &[ClaimedJob],
    worker: WorkerId,
    now: Timestamp,
) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let places = places(jobs.iter().map(|job| job.lease.place));
    let params = [Param::Text(&places), Param::Int(worker.0), time(now)];
    exec.execute(include_str!("../../../queries/job_begin.sql"), &params).await.map(drop)
}

/// A job whose next attempt is about to begin.
fn claimed(
    columns: &mut Columns<'_>,
    names: &[Arc<str>],
    worker: WorkerId,
    queue: impl FnOnce(&mut Columns<'_>) -> Result<Arc<str>, StoreError>,
) -> Result<ClaimedJob, StoreError> {
    let place = columns.int()?;
    let id = columns.id()?;
    let name = columns.text()?;
    let key = columns.text_or_null()?.map(|key| Key::from_stored(key.to_owned()));
    let attempt = columns.count()?.saturating_add(1);
    let is_plain = columns.int()? == 0 && key.is_none();
    let text = |text: Option<&str>| text.map(str::to_owned);
    Ok(ClaimedJob {
        // Many jobs share a name, and the caller has it already.
        name: names.iter().find(|known| ***known == *name).cloned().unwrap_or_else(|| name.into()),
        lease: JobLease { id, place, worker, attempt, claim: 0, is_plain },
        key,
        failures: columns.count()?,
        losses: columns.count()?,
        at: columns.time()?,
        correlation_id: columns.id()?,
        causation_id: columns.id_or_null()?,
        trace: TraceContext {
            parent: columns.text_or_null()?.and_then(TraceParent::parse),
            tracestate: text(columns.text_or_null()?),
            baggage: text(columns.text_or_null()?),
        },
        progress: text(columns.text_or_null()?),
        data: columns.text()?.to_owned(),
        queue: queue(columns)?,
    })
}

fn json_array(names: &[Arc<str>]) -> String {
    serde_json::Value::from_iter(names.iter().map(|name| &**name)).to_string()
}
