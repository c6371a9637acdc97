//! One job, as the model knows it.

use tidings_core::store::{AttemptEnd, JobEnd, JobLease, JobState, NewJob};

use super::super::support::*;

pub(super) struct Model {
    pub(super) new: NewJob,
    pub(super) state: JobState,
    pub(super) due: i64,
    pub(super) attempts: Vec<AttemptEnd>,
    pub(super) begun: u32,
    pub(super) failures: u32,
    pub(super) losses: u32,
    /// It holds back later jobs of its queue and key.
    pub(super) holds: bool,
    /// It has its unique key.
    pub(super) has_unique: bool,
    pub(super) reason: Option<String>,
    pub(super) lease: Option<JobLease>,
    /// A lease that was good once.
    pub(super) void: Option<JobLease>,
}

impl Model {
    pub(super) fn may_run(&self, now: i64) -> bool {
        self.state == JobState::Ready || (self.state == JobState::Scheduled && self.due <= now)
    }

    pub(super) fn leave(&mut self, state: JobState, reason: Option<String>) {
        (self.state, self.reason, self.holds) = (state, reason, false);
        self.has_unique =
            self.has_unique && self.new.unique.as_ref().is_some_and(|unique| unique.until.is_some());
    }

    /// The attempt under way ends, in a way after which there is to be another.
    pub(super) fn again(&mut self, listed: AttemptEnd, state: JobState, due: i64) {
        self.attempts.push(listed);
        self.due = due;
        match self.reason.take() {
            Some(reason) => self.leave(JobState::Cancelled, Some(reason)),
            None => self.state = state,
        }
    }

    pub(super) fn give_back(&mut self, now: i64) {
        let state = if self.losses > 0 { JobState::Suspect } else { JobState::Ready };
        self.again(AttemptEnd::GivenBack, state, now);
    }

    pub(super) fn end_by_itself(&mut self, how: &JobEnd, now: i64) {
        let due_of = |due: jiff::Timestamp| due.duration_since(at(0)).as_secs();
        match how {
            JobEnd::Completed => self.leave(JobState::Completed, None),
            JobEnd::Retry { due, .. } => {
                (self.failures, self.losses) = (self.failures + 1, 0);
                self.again(AttemptEnd::Failed, JobState::Scheduled, due_of(*due));
            }
            JobEnd::Snoozed { due } => {
                self.losses = 0;
                self.again(AttemptEnd::Snoozed, JobState::Scheduled, due_of(*due));
            }
            JobEnd::Dead { releases_key, .. } => {
                self.attempts.push(AttemptEnd::Failed);
                (self.state, self.reason, self.failures) = (JobState::Dead, None, self.failures + 1);
                self.holds = self.holds && !releases_key;
            }
            JobEnd::Cancelled { reason } => {
                self.attempts.push(AttemptEnd::Cancelled);
                self.leave(JobState::Cancelled, Some(reason.clone()));
            }
            JobEnd::GivenBack => self.give_back(now),
        }
    }
}
