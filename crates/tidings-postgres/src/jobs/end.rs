//! Ending attempts.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use tidings_core::store::{ATTEMPTS_KEPT, JobEnd, JobLease, StoreError};

use crate::error::meaning;
use crate::rows::column;

/// Ends of attempts as the database's functions take them.
pub(super) struct Ends<'a> {
    ends: &'a [(JobLease, JobEnd)],
    /// In the order in which they are told.
    order: Vec<usize>,
    /// The first so many of them are completed together.
    batch: usize,
}

impl<'a> Ends<'a> {
    /// What is completed and concerns no other job goes first and together. What is completed and lets go of a key may go
    /// with it unless another job's end has its say in who is next, too: those keep their order.
    pub(super) fn new(ends: &'a [(JobLease, JobEnd)]) -> Self {
        let is_completed = |index: &usize| ends[*index].1 == JobEnd::Completed;
        let is_plain = |index: &usize| is_completed(index) && ends[*index].0.is_plain;
        let all_alike = (0..ends.len()).all(|index| is_completed(&index) || ends[index].0.is_plain);
        let mut named = HashSet::with_capacity(ends.len());
        let may_batch = |index: &usize| {
            let JobLease { place, attempt, .. } = ends[*index].0;
            (is_plain(index) || (all_alike && is_completed(index))) && named.insert((place, attempt))
        };
        let (mut order, rest): (Vec<usize>, Vec<usize>) = (0..ends.len()).partition(may_batch);
        let batch = order.len();
        order.extend(rest);
        Self { ends, order, batch }
    }

    /// Binds them, and the time at which they end.
    pub(super) fn bind<'q>(
        &self,
        query: Query<'q, Postgres, PgArguments>,
        at: Timestamp,
    ) -> Query<'q, Postgres, PgArguments> {
        let rest: Vec<&JobEnd> = self.order[self.batch..].iter().map(|index| &self.ends[*index].1).collect();
        // The parts that tell how an attempt ended are long only as far as they are looked at.
        fn padded<T: Clone>(batch: usize, filler: T, rest: impl Iterator<Item = T>) -> Vec<T> {
            if rest.size_hint().0 == 0 {
                Vec::new()
            } else {
                vec![filler; batch].into_iter().chain(rest).collect()
            }
        }
        query
            .bind(self.each(|lease| lease.worker.0))
            .bind(self.each(|lease| lease.claim))
            .bind(self.each(|lease| lease.place))
            .bind(self.each(tried_before))
            .bind(i32::try_from(self.batch).unwrap_or(i32::MAX))
            .bind(padded(self.batch, "", rest.iter().map(|end| word(end))))
            .bind(padded(self.batch, None, rest.iter().map(|end| due(end).map(Timestamp::as_microsecond))))
            .bind(padded(self.batch, None, rest.iter().map(|end| text(end).map(str::to_owned))))
            .bind(padded(self.batch, None, rest.iter().map(|end| death(end))))
            .bind(padded(self.batch, false, rest.iter().map(|end| releases_key(end))))
            .bind(at.as_microsecond())
            .bind(i32::try_from(ATTEMPTS_KEPT).unwrap_or(i32::MAX))
    }

    fn each<T>(&self, field: impl Fn(&JobLease) -> T) -> Vec<T> {
        self.order.iter().map(|index| field(&self.ends[*index].0)).collect()
    }

    /// Reads of each whether its lease was good.
    pub(super) fn told(&self, row: &PgRow) -> Result<Vec<bool>, StoreError> {
        let mut good = vec![false; self.ends.len()];
        let completed: Option<Vec<i64>> = column(row, "completed")?;
        let tried: Option<Vec<i32>> = column(row, "tried")?;
        let completed: HashSet<(i64, i32)> =
            completed.into_iter().flatten().zip(tried.into_iter().flatten()).collect();
        for index in &self.order[..self.batch] {
            let lease = &self.ends[*index].0;
            good[*index] = completed.contains(&(lease.place, tried_before(lease)));
        }
        let others: Option<Vec<i32>> = column(row, "others")?;
        for number in others.into_iter().flatten() {
            let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            if let Some(index) = place.and_then(|place| self.order.get(place)) {
                good[*index] = true;
            }
        }
        Ok(good)
    }
}

/// The queues that may have something to claim after the ends.
pub(super) fn queues(row: &PgRow) -> Result<Vec<Arc<str>>, StoreError> {
    let queues: Option<Vec<String>> = column(row, "queues")?;
    Ok(queues.into_iter().flatten().map(Into::into).collect())
}

/// Ends attempts; says of each whether its lease was good, and which queues may have something to claim now.
pub(crate) async fn end(
    connection: &mut PgConnection,
    ends: &[(JobLease, JobEnd)],
    at: Timestamp,
) -> Result<(Vec<bool>, Vec<Arc<str>>), StoreError> {
    if ends.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let ends = Ends::new(ends);
    let row = ends
        .bind(sqlx::query(include_str!("../../queries/job_end.sql")), at)
        .fetch_one(connection)
        .await
        .map_err(|error| meaning("ending attempts of jobs", error))?;
    Ok((ends.told(&row)?, queues(&row)?))
}

/// How many attempts of the job had ended when this one began; a number that no job has, if that is not possible.
fn tried_before(lease: &JobLease) -> i32 {
    i32::try_from(lease.attempt.wrapping_sub(1)).unwrap_or(-1)
}

fn word(end: &JobEnd) -> &'static str {
    match end {
        JobEnd::Completed => "completed",
        JobEnd::Retry { .. } => "retry",
        JobEnd::Snoozed { .. } => "snoozed",
        JobEnd::Dead { .. } => "dead",
        JobEnd::Cancelled { .. } => "cancelled",
        JobEnd::GivenBack => "given back",
    }
}

fn due(end: &JobEnd) -> Option<Timestamp> {
    match end {
        JobEnd::Retry { due, .. } | JobEnd::Snoozed { due } => Some(*due),
        _ => None,
    }
}

fn text(end: &JobEnd) -> Option<&str> {
    match end {
        JobEnd::Retry { error, .. } | JobEnd::Dead { error, .. } => Some(error),
        JobEnd::Cancelled { reason } => Some(reason),
        _ => None,
    }
}

fn death(end: &JobEnd) -> Option<&'static str> {
    if let JobEnd::Dead { reason, .. } = end { Some(reason.as_str()) } else { None }
}

fn releases_key(end: &JobEnd) -> bool {
    matches!(end, JobEnd::Dead { releases_key: true, .. })
}
