//! Enqueueing.

use tidings_core::store::{Enqueued, JobState, NewJob, StoreError, UniqueKey};

use super::time;
use crate::columns::Columns;
use crate::exec::{Param, Statements};
use crate::statements::log::id;

const ENQUEUE: &str = include_str!("../../../queries/job_enqueue.sql");
const ENQUEUE_PARAMS: usize = 21;
/// What is added to the priority of a job with a share.
const OF_SHARES: i64 = 300_000;

pub(crate) async fn enqueue<E: Statements>(
    exec: &mut E,
    jobs: &[NewJob],
) -> Result<Vec<Enqueued>, StoreError> {
    let mut enqueued = Vec::with_capacity(jobs.len());
    // What depends on nothing that is there already goes together; the rest one by one, in its place among the others.
    for run in jobs.chunk_by(|one, next| is_plain(one) && is_plain(next)) {
        if run.iter().all(is_plain) {
            insert_plain(exec, run).await?;
            enqueued.extend(run.iter().map(|_| Enqueued::New));
            continue;
        }
        for job in run {
            enqueued.push(match &job.unique {
                Some(unique) => enqueue_unique(exec, job, unique).await?,
                None => insert(exec, job).await.map(|_| Enqueued::New)?,
            });
        }
    }
    Ok(enqueued)
}

fn is_plain(job: &NewJob) -> bool {
    job.key.is_none() && job.unique.is_none()
}

async fn insert_plain<E: Statements>(exec: &mut E, jobs: &[NewJob]) -> Result<(), StoreError> {
    let traceparents: Vec<_> = jobs.iter().map(|job| job.trace.traceparent()).collect();
    let rows: Vec<_> = jobs
        .iter()
        .zip(&traceparents)
        .map(|(job, traceparent)| params(job, traceparent.as_deref(), by_time(job)))
        .collect();
    let rows: Vec<&[Param<'_>]> = rows.iter().map(<[_; ENQUEUE_PARAMS]>::as_slice).collect();
    exec.execute_each(ENQUEUE, &rows).await?;
    jobs.iter().for_each(|job| exec.wake_queue(&job.queue));
    Ok(())
}

async fn enqueue_unique<E: Statements>(
    exec: &mut E,
    job: &NewJob,
    unique: &UniqueKey,
) -> Result<Enqueued, StoreError> {
    let params = [Param::Text(&job.name), Param::Text(&unique.key), time(job.at)];
    exec.execute(include_str!("../../../queries/job_unique_free.sql"), &params).await?;
    if insert(exec, job).await? == 1 {
        return Ok(Enqueued::New);
    }
    let rows = exec.query(include_str!("../../../queries/job_unique_get.sql"), &params[..2]).await?;
    let Some(row) = rows.into_iter().next() else {
        // Nothing else than the key can be in the way, and within the one write transaction it stays there.
        return Err(StoreError::Corrupt {
            what: "the index of unique jobs".to_owned(),
            remedy: crate::error::CORRUPT_REMEDY,
            source: None,
        });
    };
    let mut columns = Columns::new(&row);
    let there = columns.id()?;
    let is_same = columns.bytes_or_null()?.is_some_and(|hash| hash == unique.hash);
    Ok(if is_same { Enqueued::Existing(there) } else { Enqueued::Conflict(there) })
}

async fn insert<E: Statements>(exec: &mut E, job: &NewJob) -> Result<u64, StoreError> {
    let state = first_state(exec, job).await?;
    let traceparent = job.trace.traceparent();
    let inserted = exec.execute(ENQUEUE, &params(job, traceparent.as_deref(), state)).await?;
    exec.wake_queue(&job.queue);
    Ok(inserted)
}

fn params<'a>(job: &'a NewJob, traceparent: Option<&'a str>, state: JobState) -> [Param<'a>; ENQUEUE_PARAMS] {
    let unique = job.unique.as_ref();
    [
        id(&job.id),
        Param::Text(&job.name),
        Param::Text(&job.queue),
        Param::Int(job.priority.into()),
        time(job.due),
        time(job.at),
        Param::text(job.key.as_ref().map(|key| key.as_str())),
        Param::text(job.share.as_deref()),
        Param::text(unique.map(|unique| unique.key.as_str())),
        unique.map_or(Param::Null, |unique| Param::Blob(&unique.hash)),
        unique.and_then(|unique| unique.until).map_or(Param::Null, time),
        Param::Text(&job.source),
        id(&job.correlation_id),
        job.causation_id.as_ref().map_or(Param::Null, id),
        Param::text(traceparent),
        Param::text(job.trace.tracestate.as_deref()),
        Param::text(job.trace.baggage.as_deref()),
        Param::Text(&job.data),
        Param::Text(state.as_str()),
        if state == JobState::Ready { Param::Int(turn(job)) } else { Param::Null },
        if state == JobState::Scheduled { time(job.due) } else { Param::Null },
    ]
}

/// The turn of a job that is ready: see the column.
fn turn(job: &NewJob) -> i64 {
    i64::from(job.priority) + if job.share.is_some() { OF_SHARES } else { 0 }
}

/// A job with a key waits behind one of its queue and key that has not ended.
async fn first_state<E: Statements>(exec: &mut E, job: &NewJob) -> Result<JobState, StoreError> {
    if let Some(key) = &job.key {
        let params = [Param::Text(&job.queue), Param::Text(key.as_str())];
        let held = exec.query(include_str!("../../../queries/job_key_held.sql"), &params).await?;
        if !held.is_empty() {
            return Ok(JobState::Behind);
        }
    }
    Ok(by_time(job))
}

fn by_time(job: &NewJob) -> JobState {
    if job.due > job.at { JobState::Scheduled } else { JobState::Ready }
}
