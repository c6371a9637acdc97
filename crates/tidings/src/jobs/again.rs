//! Making an attempt at a job once more, after its end: what happens where a process ends just before its commit.

use std::sync::Arc;

use tidings_core::error::{Error, Result};
use tidings_core::store::{ClaimedJob, JobLease, JobRow, StoreError, WorkerId};
use tidings_core::trace::TraceContext;

use super::attempt::{Attempt, Ran};
use super::ends::Snoozed;
use crate::app::Shared;

/// No attempt of a worker that is there.
const NOBODY: WorkerId = WorkerId(-1);
const NOWHERE: i64 = -1;

/// Runs a job's handler as this attempt, under a lease that is void: whatever it does for itself it does again, and the
/// transaction by which it would end is refused by the fence. An error is the handler's.
pub(crate) async fn again(shared: &Arc<Shared>, job: &JobRow, attempt: u32) -> Result<()> {
    let unknown = || Error::permanent(format!("no handler for job `{}`", job.name));
    let facts = shared.jobs.job(&job.name).ok_or_else(unknown)?;
    let (mut again, present) = Attempt::enter(shared, facts, claimed(job, attempt));
    again.is_again = true;
    match Arc::new(again).run_once(&present).await {
        Ran::Done | Ran::Finished => Ok(()),
        Ran::CalledOff => Err(Error::failed("it was called off")),
        // The fence is what it was to meet, and to ask for more time is no failure.
        Ran::Failed(error) if is_fenced(&error) || error.find::<Snoozed>().is_some() => Ok(()),
        Ran::Failed(error) => Err(error),
    }
}

fn is_fenced(error: &Error) -> bool {
    matches!(error.find(), Some(StoreError::Fenced { .. }))
}

fn claimed(job: &JobRow, attempt: u32) -> ClaimedJob {
    ClaimedJob {
        lease: JobLease { id: job.id, place: NOWHERE, worker: NOBODY, attempt, claim: 0, is_plain: false },
        name: job.name.clone(),
        queue: job.queue.clone(),
        key: job.key.clone(),
        failures: attempt.saturating_sub(1),
        losses: 0,
        at: job.at,
        correlation_id: job.correlation_id,
        causation_id: job.causation_id,
        trace: TraceContext::root(),
        progress: job.progress.clone(),
        data: job.data.clone(),
    }
}
