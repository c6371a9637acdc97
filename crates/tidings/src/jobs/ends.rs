//! How attempts end.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::envelope::Envelope;
use tidings_core::error::{Error, chain};
use tidings_core::store::{DeathReason, JobEnd, JobLease, StoreError};

use super::Attempt;
use super::attempt::Ran;
use super::died::died;
use super::wish::after;
use crate::consumer::Failure;
use crate::{QueryError, SendError};

/// An attempt's end, to be written.
pub(super) struct Ended {
    /// The job's name.
    pub(super) job: Arc<str>,
    pub(super) lease: JobLease,
    pub(super) end: JobEnd,
    /// The newest report of its progress, if that was not written.
    pub(super) progress: Option<String>,
    /// The event of the job's death.
    pub(super) died: Option<Envelope>,
}

/// The handler asks to be run later.
#[derive(Debug, thiserror::Error)]
#[error("the job asked to be run {0:?} later")]
pub(super) struct Snoozed(pub(super) Duration);

/// The handler failed, and says when to try again.
#[derive(Debug, thiserror::Error)]
#[error("it is to be tried again after {time:?}")]
pub(super) struct RetryAfter {
    pub(super) time: Duration,
    pub(super) source: Box<dyn StdError + Send + Sync>,
}

/// An attempt took too long.
#[derive(Debug, thiserror::Error)]
#[error("{job} did not end within {timeout:?}")]
struct TimedOut {
    job: String,
    timeout: Duration,
}

/// An attempt was over, and had not said how.
#[derive(Debug, thiserror::Error)]
#[error("{0} was called off, and nobody has said what becomes of it")]
struct Forsaken(String);

/// What there is to write after the handler has ended.
pub(super) fn of(attempt: &Attempt, ran: Ran) -> Option<Ended> {
    match ran {
        Ran::Done => Some(ended(attempt, JobEnd::Completed)),
        Ran::Failed(error) => Some(failed(attempt, error)),
        Ran::Finished | Ran::CalledOff => None,
    }
}

/// The end of an attempt that somebody cancelled.
pub(super) fn cancelled(attempt: &Attempt, reason: &str) -> Ended {
    ended(attempt, JobEnd::Cancelled { reason: reason.to_owned() })
}

/// The end of an attempt whose worker stops.
pub(super) fn given_back(attempt: &Attempt) -> Ended {
    ended(attempt, JobEnd::GivenBack)
}

/// The end of an attempt that took too long.
pub(super) fn timed_out(attempt: &Attempt) -> Ended {
    let (job, timeout) = (attempt.facts.label.to_string(), attempt.facts.timeout);
    failed(attempt, Error::failed(TimedOut { job, timeout }))
}

/// The end of an attempt that panicked elsewhere than in its handler.
pub(super) fn panicked(attempt: &Attempt, panic: StoreError) -> Ended {
    failed(attempt, panic.into())
}

/// The end of an attempt that was called off by nobody who says what becomes of the job.
pub(super) fn forsaken(attempt: &Attempt) -> Ended {
    failed(attempt, Error::failed(Forsaken(attempt.facts.label.to_string())))
}

/// The end of an attempt that is not made, because too many processes ended while they made one.
pub(super) fn lethal(attempt: &Attempt) -> Ended {
    let error = format!("the process ended {} times while the job ran", attempt.job.losses);
    dead(attempt, DeathReason::Lethal, error)
}

fn failed(attempt: &Attempt, error: Error) -> Ended {
    let (facts, job, now) = (&attempt.facts, &attempt.job, attempt.shared.clock.now());
    if let Some(Snoozed(time)) = error.find() {
        return ended(attempt, JobEnd::Snoozed { due: after(now, *time) });
    }
    if is_shutting_down(&error) {
        return given_back(attempt);
    }
    let asked = error.find::<RetryAfter>().map(|retry| after(now, retry.time));
    // What follows the words of Tidings itself is the handler's own error.
    let text = error.find::<RetryAfter>().map_or_else(|| error.chain(), |retry| chain(&*retry.source));
    if asked.is_none() && Failure::is_final(&error, &*attempt.shared.store) {
        return dead(attempt, DeathReason::Permanent, text);
    }
    let failures = job.failures.saturating_add(1);
    let Some(due) = facts.schedule.next_due(now, job.lease.id, failures) else {
        return dead(attempt, DeathReason::Exhausted, text);
    };
    let due = asked.unwrap_or(due);
    ended(attempt, JobEnd::Retry { due, error: text })
}

/// Whether the handler called something that is not begun any more, because the application stops.
fn is_shutting_down(error: &Error) -> bool {
    matches!(error.find(), Some(SendError::ShuttingDown { .. }))
        || matches!(error.find(), Some(QueryError::ShuttingDown { .. }))
}

fn dead(attempt: &Attempt, reason: DeathReason, error: String) -> Ended {
    let (facts, job) = (&attempt.facts, &attempt.job);
    let died = died(attempt, reason).inspect_err(|error| {
        tracing::error!(job = %facts.name, id = %job.lease.id, error = %error, "nobody can be told of the job's death");
    });
    let releases_key = facts.continue_after_dead;
    Ended { died: died.ok(), ..ended(attempt, JobEnd::Dead { reason, error, releases_key }) }
}

fn ended(attempt: &Attempt, end: JobEnd) -> Ended {
    Ended {
        job: attempt.facts.name.clone(),
        lease: attempt.job.lease,
        end,
        progress: attempt.take_progress(),
        died: None,
    }
}
