//! Ending attempts.

use std::collections::HashSet;

use jiff::Timestamp;
use tidings_core::store::{ATTEMPTS_KEPT, AttemptEnd, JobEnd, JobLease, JobState, StoreError};
use tidings_core::value::Value;

use super::{lease_params, promote, time};
use crate::columns::Columns;
use crate::exec::{Param, Statements};

/// Ends attempts; says of each whether its lease was good.
pub(crate) async fn end<E: Statements>(
    exec: &mut E,
    ends: &[(JobLease, JobEnd)],
    at: Timestamp,
) -> Result<Vec<bool>, StoreError> {
    let mut ended = vec![false; ends.len()];
    let (plain, others): (Vec<usize>, Vec<usize>) =
        (0..ends.len()).partition(|index| is_plain(&ends[*index]));
    for group in alike(ends, plain) {
        let mut completed = complete(exec, ends, &group, at).await?;
        for index in group {
            ended[index] = completed.remove(&ends[index].0.place);
        }
    }
    for index in others {
        ended[index] = end_one(exec, &ends[index].0, &ends[index].1, at).await?;
    }
    Ok(ended)
}

fn is_plain((lease, end): &(JobLease, JobEnd)) -> bool {
    lease.is_plain && *end == JobEnd::Completed
}

/// Groups of one worker and one number of attempts; nearly all are in the first one.
fn alike(ends: &[(JobLease, JobEnd)], indexes: Vec<usize>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let kind = |index: usize| (ends[index].0.worker, ends[index].0.attempt);
    for index in indexes {
        match groups.iter_mut().find(|group| kind(group[0]) == kind(index)) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// Completes jobs with one statement; answers with the places of those whose lease was good.
async fn complete<E: Statements>(
    exec: &mut E,
    ends: &[(JobLease, JobEnd)],
    group: &[usize],
    at: Timestamp,
) -> Result<HashSet<i64>, StoreError> {
    let Some(first) = group.first().map(|index| ends[*index].0) else { return Ok(HashSet::new()) };
    let places = serde_json::Value::from_iter(group.iter().map(|index| ends[*index].0.place)).to_string();
    let [_, worker, attempt] = lease_params(&first);
    let params = [Param::Text(&places), worker, attempt, time(at)];
    let sql = include_str!("../../../queries/job_complete_all.sql");
    let places = exec.read(sql, &params, |columns: &mut Columns<'_>| columns.int()).await?;
    Ok(places.into_iter().collect())
}

async fn end_one<E: Statements>(
    exec: &mut E,
    lease: &JobLease,
    end: &JobEnd,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let [place, worker, attempt] = lease_params(lease);
    let rows = if *end == JobEnd::Completed {
        // What nearly all attempts come to is one statement, and one that returns nothing: RETURNING costs as much again.
        let params = [place, worker, attempt, time(at)];
        let changed = exec.execute(include_str!("../../../queries/job_complete.sql"), &params).await?;
        if changed == 0 || lease.is_plain {
            return Ok(changed == 1);
        }
        exec.query(include_str!("../../../queries/job_let_go.sql"), &[place]).await?
    } else {
        if !note_attempt(exec, lease, end, at).await? {
            return Ok(false);
        }
        leave(exec, place, end, at).await?
    };
    let Some(row) = rows.into_iter().next() else { return Ok(false) };
    after(exec, row, end, at).await?;
    Ok(true)
}

/// Lists an attempt that did not complete its job, if its lease is good.
async fn note_attempt<E: Statements>(
    exec: &mut E,
    lease: &JobLease,
    end: &JobEnd,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let [place, worker, attempt] = lease_params(lease);
    let (ending, error) = match end {
        JobEnd::Completed | JobEnd::Retry { .. } | JobEnd::Dead { .. } => (AttemptEnd::Failed, error_of(end)),
        JobEnd::Snoozed { .. } => (AttemptEnd::Snoozed, ""),
        JobEnd::Cancelled { .. } => (AttemptEnd::Cancelled, ""),
        JobEnd::GivenBack => (AttemptEnd::GivenBack, ""),
    };
    let params = [place, worker, attempt, time(at), Param::Text(ending.as_str()), Param::Text(error)];
    let noted = exec.execute(include_str!("../../../queries/job_attempt_insert.sql"), &params).await? == 1;
    if noted && lease.attempt > ATTEMPTS_KEPT {
        let params = [place, Param::Int((lease.attempt - ATTEMPTS_KEPT).into())];
        exec.execute(include_str!("../../../queries/job_attempts_forget.sql"), &params).await?;
    }
    Ok(noted)
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
        JobEnd::Completed => Ok(Vec::new()),
    }
}

async fn after<E: Statements>(
    exec: &mut E,
    row: Vec<Value>,
    end: &JobEnd,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (queue, key) = {
        let mut columns = Columns::new(&row);
        (columns.text()?.to_owned(), columns.text_or_null()?.map(str::to_owned))
    };
    if let Some(key) = key {
        promote(exec, &queue, &key, at).await?;
    } else if *end != JobEnd::Completed {
        exec.wake_queue(&queue);
    }
    Ok(())
}
