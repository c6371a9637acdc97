//! Ending attempts.

use std::collections::HashMap;

use jiff::Timestamp;
use tidings_core::store::{ATTEMPTS_KEPT, AttemptEnd, JobEnd, JobLease, JobState, StoreError};
use tidings_core::value::Value;

use super::{places, promote, time};
use crate::columns::Columns;
use crate::exec::{Param, Statements};

/// Ends attempts; says of each whether its lease was good.
pub(crate) async fn end<E: Statements>(
    exec: &mut E,
    ends: &[(JobLease, JobEnd)],
    at: Timestamp,
) -> Result<Vec<bool>, StoreError> {
    let mut claims = Claims::of(exec, ends).await?;
    let mut ended = vec![false; ends.len()];
    let mut groups: Vec<(Attempts, Vec<i64>)> = Vec::new();
    for (index, (lease, _)) in ends.iter().enumerate().filter(|(_, end)| is_plain(end)) {
        let Some(attempts) = claims.take(lease) else { continue };
        ended[index] = true;
        // Nearly all are in the first group.
        match groups.iter_mut().find(|(of, _)| *of == attempts) {
            Some((_, group)) => group.push(lease.place),
            None => groups.push((attempts, vec![lease.place])),
        }
    }
    for (attempts, group) in groups {
        complete(exec, attempts, group, at).await?;
    }
    for (index, (lease, end)) in ends.iter().enumerate().filter(|(_, end)| !is_plain(end)) {
        ended[index] = claims.take(lease).is_some();
        if ended[index] {
            end_one(exec, lease, end, at).await?;
        }
    }
    // Last of all: what became of an attempt is written down from its claim.
    claims.end(exec).await?;
    Ok(ended)
}

fn is_plain((lease, end): &(JobLease, JobEnd)) -> bool {
    lease.is_plain && *end == JobEnd::Completed
}

/// What the row of a job is to say of its attempts when one has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Attempts {
    count: u32,
    started_at: i64,
}

/// The attempts that are under way, of the jobs that were named.
struct Claims {
    /// By place: whose it is.
    under_way: HashMap<i64, (i64, Attempts)>,
    /// Places of those that end now.
    ended: Vec<i64>,
}

impl Claims {
    async fn of<E: Statements>(exec: &mut E, ends: &[(JobLease, JobEnd)]) -> Result<Self, StoreError> {
        let named = places(ends.iter().map(|(lease, _)| lease.place));
        let read = |columns: &mut Columns<'_>| {
            let (place, worker) = (columns.int()?, columns.int()?);
            Ok((place, (worker, Attempts { count: columns.count()?, started_at: columns.int()? })))
        };
        let sql = include_str!("../../../queries/job_claims.sql");
        let claims = exec.read(sql, &[Param::Text(&named)], read).await?;
        Ok(Self { under_way: claims.into_iter().collect(), ended: Vec::new() })
    }

    /// The attempt that a lease is for, if the lease is good; it is not after that.
    fn take(&mut self, lease: &JobLease) -> Option<Attempts> {
        let (worker, attempts) = *self.under_way.get(&lease.place)?;
        if worker != lease.worker.0 || attempts.count != lease.attempt {
            return None;
        }
        self.under_way.remove(&lease.place);
        self.ended.push(lease.place);
        Some(attempts)
    }

    async fn end<E: Statements>(self, exec: &mut E) -> Result<(), StoreError> {
        if self.ended.is_empty() {
            return Ok(());
        }
        let ended = places(self.ended);
        let sql = include_str!("../../../queries/job_claims_end.sql");
        exec.execute(sql, &[Param::Text(&ended)]).await.map(drop)
    }
}

/// Completes jobs with one statement.
async fn complete<E: Statements>(
    exec: &mut E,
    attempts: Attempts,
    group: Vec<i64>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let group = places(group);
    let Attempts { count, started_at } = attempts;
    let params = [Param::Text(&group), Param::Int(count.into()), Param::Int(started_at), time(at)];
    exec.execute(include_str!("../../../queries/job_complete_all.sql"), &params).await.map(drop)
}

async fn end_one<E: Statements>(
    exec: &mut E,
    lease: &JobLease,
    end: &JobEnd,
    at: Timestamp,
) -> Result<(), StoreError> {
    if *end != JobEnd::Completed {
        note_attempt(exec, lease, end, at).await?;
    }
    let rows = leave(exec, Param::Int(lease.place), end, at).await?;
    match rows.into_iter().next() {
        Some(row) => after(exec, row, at).await,
        None => Ok(()),
    }
}

/// Lists an attempt that did not complete its job.
async fn note_attempt<E: Statements>(
    exec: &mut E,
    lease: &JobLease,
    end: &JobEnd,
    at: Timestamp,
) -> Result<(), StoreError> {
    let place = Param::Int(lease.place);
    let (ending, error) = match end {
        JobEnd::Completed | JobEnd::Retry { .. } | JobEnd::Dead { .. } => (AttemptEnd::Failed, error_of(end)),
        JobEnd::Snoozed { .. } => (AttemptEnd::Snoozed, ""),
        JobEnd::Cancelled { .. } => (AttemptEnd::Cancelled, ""),
        JobEnd::GivenBack => (AttemptEnd::GivenBack, ""),
    };
    let params = [place, time(at), Param::Text(ending.as_str()), Param::Text(error)];
    exec.execute(include_str!("../../../queries/job_attempt_insert.sql"), &params).await?;
    if lease.attempt > ATTEMPTS_KEPT {
        let params = [place, Param::Int((lease.attempt - ATTEMPTS_KEPT).into())];
        exec.execute(include_str!("../../../queries/job_attempts_forget.sql"), &params).await?;
    }
    Ok(())
}

fn error_of(end: &JobEnd) -> &str {
    match end {
        JobEnd::Retry { error, .. } | JobEnd::Dead { error, .. } => error,
        _ => "",
    }
}

/// Gives the job the state that follows; answers with its queue and key.
async fn leave<E: Statements>(
    exec: &mut E,
    place: Param<'_>,
    end: &JobEnd,
    at: Timestamp,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let again = include_str!("../../../queries/job_again.sql");
    let state = |state: JobState| Param::Text(state.as_str());
    match end {
        JobEnd::Retry { due, error } => {
            let params =
                [place, state(JobState::Scheduled), time(*due), Param::Int(1), Param::Text(error), time(at)];
            exec.query(again, &params).await
        }
        JobEnd::Snoozed { due } => {
            let params =
                [place, state(JobState::Scheduled), time(*due), Param::Int(0), Param::Null, time(at)];
            exec.query(again, &params).await
        }
        JobEnd::GivenBack => {
            let params = [place, state(JobState::Ready), time(at), Param::Int(0), Param::Null, time(at)];
            exec.query(again, &params).await
        }
        JobEnd::Dead { reason, error, releases_key } => {
            let params = [
                place,
                Param::Text(reason.as_str()),
                Param::Text(error),
                Param::Int((*releases_key).into()),
                time(at),
            ];
            exec.query(include_str!("../../../queries/job_die.sql"), &params).await
        }
        JobEnd::Cancelled { reason } => {
            let params = [place, Param::Text(reason), time(at)];
            exec.query(include_str!("../../../queries/job_cancel.sql"), &params).await
        }
        JobEnd::Completed => {
            exec.query(include_str!("../../../queries/job_complete.sql"), &[place, time(at)]).await
        }
    }
}

async fn after<E: Statements>(exec: &mut E, row: Vec<Value>, at: Timestamp) -> Result<(), StoreError> {
    let (queue, key) = {
        let mut columns = Columns::new(&row);
        (columns.text()?.to_owned(), columns.text_or_null()?.map(str::to_owned))
    };
    if let Some(key) = key {
        promote(exec, &queue, &key, at).await?;
    } else {
        // It may be claimed again, or has made room for another.
        exec.wake_queue(&queue);
    }
    Ok(())
}
