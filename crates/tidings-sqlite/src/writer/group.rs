//! Group commit: works that wait at the same time share one commit, each inside a savepoint of its own.
//!
//! Nothing leaves before the commit, neither answers (not even of works that failed: they may have read a neighbour's
//! rows) nor wake-ups. When the transaction is lost on the way, or its commit fails, every work of the group runs again
//! alone, so that only the guilty one fails.

use std::time::Instant;

use tidings_core::store::StoreError;

use super::drive::{Clock, run_work};
use super::{Driver, NativeControl, TypedControl, Writer};
use crate::job::Job;

/// A work that has had its turn.
struct Member {
    job: Job,
    result: Result<(), StoreError>,
    /// What it came to does not depend on the others: it is not run again.
    definite: bool,
}

#[derive(Default)]
struct Group {
    members: Vec<Member>,
    /// Members whose writes the open transaction holds.
    kept: u64,
    open: bool,
}

/// How the group goes on after one work.
enum Step {
    Next,
    /// The transaction is gone.
    Lost,
}

impl Writer {
    pub(super) async fn run_native(&mut self, first: Job) {
        self.run_group(&mut NativeControl::new(self.native.clone()), first).await;
    }

    pub(super) async fn run_typed(&mut self, first: Job) {
        self.run_group(&mut TypedControl::new(self.typed.clone()), first).await;
    }

    async fn run_group<D: Driver>(&self, driver: &mut D, first: Job) {
        let started = Instant::now();
        let mut group = Group::default();
        let mut next = Some(first);
        let mut lost = false;
        while let Some(job) = next {
            if job.start() && matches!(self.run_member(driver, &mut group, job).await, Step::Lost) {
                lost = true;
                break;
            }
            let full = group.members.len() >= self.config.group_members_max
                || started.elapsed() >= self.config.group_elapsed_max;
            next = if full { None } else { driver.next(self) };
        }
        if lost {
            return self.run_each_alone(driver, group).await;
        }
        match self.commit_group(driver, &group).await {
            Ok(()) => {
                self.env.watchers.notify(&driver.take_topics().await);
                self.answer(group);
            }
            Err(error) => self.commit_failed(driver, group, error).await,
        }
    }

    async fn run_member<D: Driver>(&self, driver: &mut D, group: &mut Group, job: Job) -> Step {
        if !group.open {
            if let Err(error) = driver.begin().await {
                group.members.push(Member { job, result: Err(error), definite: true });
                return Step::Next;
            }
            group.open = true;
        }
        let nested = group.kept > 0;
        if nested && driver.enclose_work().await.is_err() {
            group.members.push(Member { job, result: Ok(()), definite: false });
            return Step::Lost;
        }
        let (job, result, _clock) = self.run_work(driver, job, nested).await;
        let lost = driver.is_lost().await;
        if lost && nested {
            let definite = is_fatal(&result);
            group.members.push(Member { job, result, definite });
            return Step::Lost;
        }
        let result = if lost { Err(lost_alone(&job, result, driver.ended_by().await)) } else { result };
        let kept = result.is_ok();
        // What failed while the transaction held nobody else's writes would fail alone too.
        group.members.push(Member { definite: !kept && (!nested || is_fatal(&result)), job, result });
        group.kept += u64::from(kept);
        let done = match (kept, nested) {
            (true, true) => driver.keep_work().await,
            (true, false) => Ok(()),
            (false, true) => driver.undo_work().await,
            (false, false) => {
                group.open = false;
                driver.rollback().await
            }
        };
        if done.is_ok() { Step::Next } else { Step::Lost }
    }

    async fn run_work<D: Driver>(
        &self,
        driver: &mut D,
        mut job: Job,
        nested: bool,
    ) -> (Job, Result<(), StoreError>, Clock<'_>) {
        let (result, clock) = run_work(driver, &self.slot, &mut job, nested).await;
        let result = result.and_then(|()| if job.settle() { Ok(()) } else { Err(StoreError::Closed) });
        (job, result, clock)
    }

    async fn commit_group<D: Driver>(&self, driver: &mut D, group: &Group) -> Result<(), StoreError> {
        if group.open {
            driver.commit().await?;
            self.env.counters.committed(group.kept);
        }
        Ok(())
    }

    async fn commit_failed<D: Driver>(&self, driver: &mut D, mut group: Group, error: StoreError) {
        tracing::debug!(%error, members = group.members.len(), "a commit failed");
        // With one member there is no doubt whose fault it is; with several, each shows alone.
        if let [member] = &mut group.members[..] {
            member.result = Err(commit_error(member.job.work.name(), error));
            member.definite = true;
        }
        self.run_each_alone(driver, group).await;
    }

    fn answer(&self, group: Group) {
        for member in group.members {
            if member.result.is_err() {
                self.env.counters.undone();
            }
            member.job.reply(member.result);
        }
    }

    async fn run_each_alone<D: Driver>(&self, driver: &mut D, group: Group) {
        self.end_lost(driver).await;
        for member in group.members {
            if member.definite {
                self.env.counters.undone();
                member.job.reply(member.result);
            } else if member.job.start() {
                self.env.counters.rerun();
                self.run_alone(driver, member.job).await;
            }
        }
    }

    async fn run_alone<D: Driver>(&self, driver: &mut D, job: Job) {
        if let Err(error) = driver.begin().await {
            return job.reply(Err(error));
        }
        let (job, result, clock) = self.run_work(driver, job, false).await;
        drop(clock);
        let result = match (result, driver.is_lost().await) {
            (result, true) => Err(lost_alone(&job, result, driver.ended_by().await)),
            (Ok(()), false) => driver.commit().await.map_err(|error| commit_error(job.work.name(), error)),
            (Err(error), false) => Err(error),
        };
        match &result {
            Ok(()) => {
                self.env.counters.committed(1);
                self.env.watchers.notify(&driver.take_topics().await);
            }
            Err(_) => {
                self.env.counters.undone();
                self.end_lost(driver).await;
            }
        }
        job.reply(result);
    }

    async fn end_lost<D: Driver>(&self, driver: &mut D) {
        if let Err(error) = driver.rollback().await {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
        drop(driver.take_topics().await);
    }
}

/// Whether the work itself, and nothing around it, is to blame.
fn is_fatal(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Panicked { .. } | StoreError::Budget { .. } | StoreError::Closed))
}

/// The work was alone, and the transaction is gone: it did that, unless the database was in trouble. A work that ended
/// with an error of its own has not told which it was; the driver has noted it.
fn lost_alone(job: &Job, result: Result<(), StoreError>, ended_by: Option<StoreError>) -> StoreError {
    match (result, ended_by) {
        (
            Err(
                error @ (StoreError::TransactionLost { .. }
                | StoreError::Budget { .. }
                | StoreError::Panicked { .. }
                | StoreError::Closed
                | StoreError::Busy { .. }),
            ),
            None,
        ) => error,
        (Err(error), _) if error.is_trouble_of_the_store() => error,
        (_, Some(trouble)) => trouble,
        (Err(error), None) => {
            StoreError::TransactionLost { context: job.work.name(), source: Some(error.into()) }
        }
        (Ok(()), None) => StoreError::TransactionLost {
            context: format!("{} ended it, or went on after an error that did", job.work.name()),
            source: None,
        },
    }
}

/// What a failed commit means for the one whose work it was.
pub(crate) fn commit_error(work: String, error: StoreError) -> StoreError {
    match error {
        // The frames may have reached the disk though the call failed; a recovery could find them.
        error @ StoreError::Io { .. } => {
            tracing::error!(%error, work, "a commit failed in the file system");
            StoreError::Unknown { work }
        }
        StoreError::Sql { context: _, source } => {
            StoreError::Sql { context: format!("{work} could not be committed"), source }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames may be on the disk: for works and for lent transactions alike.
    #[test]
    fn a_commit_that_failed_in_the_file_system_has_an_unknown_outcome() {
        const IOERR_FSYNC: i32 = 1034;
        let raw = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(IOERR_FSYNC), None);
        let error = crate::error::from_native("shop.db", "COMMIT", raw);
        assert!(error.is_trouble_of_the_store());
        let error = commit_error("a lent transaction".to_owned(), error);
        assert!(matches!(&error, StoreError::Unknown { work } if work == "a lent transaction"), "{error:?}");
    }
}
