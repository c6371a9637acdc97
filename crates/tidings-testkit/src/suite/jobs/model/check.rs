//! Whether the store says what the model says.

use tidings_core::store::{JobFilter, JobRow, JobState, Store};

use super::super::support::*;
use super::{History, Model};

impl History {
    pub(super) async fn check(&self, when: &str) {
        let store = self.database.store();
        let rows = store.jobs(&JobFilter::default(), 100_000).await.expect("jobs are listed");
        assert_eq!(rows.len(), self.jobs.len(), "each job is listed, {when}");
        for (row, job) in rows.iter().zip(&self.jobs) {
            self.check_row(row, job, when);
            if job.begun > 0 {
                let list = attempts(store.as_ref(), row.id).await;
                let ends: Vec<_> = list.iter().map(|row| row.end).collect();
                assert_eq!(ends, job.attempts, "the attempts of a job, {when}");
            }
        }
        self.check_queues(store.as_ref(), when).await;
    }

    fn check_row(&self, row: &JobRow, job: &Model, when: &str) {
        assert_eq!(row.id, job.new.id, "jobs are listed in the order of their enqueueing, {when}");
        let is_due = job.may_run(self.now) && matches!(row.state, JobState::Ready | JobState::Scheduled);
        assert!(
            row.state == job.state || is_due,
            "a job is {:?}, not {:?}, {when}: {row:?}",
            job.state,
            row.state
        );
        assert_eq!(
            (row.attempts, row.failures, row.worker),
            (job.begun, job.failures, job.lease.map(|lease| lease.worker)),
            "attempts, failures and worker of a job, {when}"
        );
        // What has ended lets nobody count on.
        if !row.state.is_final() {
            assert_eq!(row.losses, job.losses, "losses of a job, {when}");
        }
        assert_eq!(row.share, job.new.share, "whose job it is, {when}");
        assert_eq!(row.reason, job.reason, "why a job is, or is to be, cancelled, {when}");
        let has_ended = row.state.is_final() || row.state == JobState::Dead;
        assert_eq!(row.ended_at.is_some(), has_ended, "whether a job has ended, {when}");
        assert_eq!(
            row.death.is_some() && row.state != JobState::Discarded,
            row.state == JobState::Dead,
            "{when}"
        );
    }

    async fn check_queues(&self, store: &dyn Store, when: &str) {
        for queue in store.queues().await.expect("queues are listed") {
            assert_eq!(
                queue.paused.is_some(),
                self.paused[&*queue.name],
                "whether a queue is paused, {when}"
            );
            for state in JobState::ALL {
                // Whether one whose time has come is still scheduled is the store's affair.
                let same = |of: JobState| if of == JobState::Scheduled { JobState::Ready } else { of };
                let counted: u64 = JobState::ALL
                    .iter()
                    .filter(|of| same(**of) == same(state))
                    .map(|of| queue.count(*of))
                    .sum();
                let expected = self
                    .jobs
                    .iter()
                    .filter(|job| job.new.queue == queue.name && same(job.state) == same(state))
                    .count();
                assert_eq!(counted, expected as u64, "how many jobs of {} are {state:?}, {when}", queue.name);
            }
        }
    }
}
