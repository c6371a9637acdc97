//! What is claimed, and in which order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tidings_core::store::{ClaimedJob, JobState};

use super::super::support::*;
use super::{History, Model, NAMES, QUEUES};

impl History {
    pub(super) fn some_worker(&mut self) -> Worker {
        let worker = self.workers[self.random.below(self.workers.len())].clone();
        let names = [&NAMES[..], &NAMES[..], &NAMES[..1], &NAMES[1..]][self.random.below(4)];
        let worker = worker.at(QUEUES[self.random.below(2)]).for_names(names);
        if self.random.chance(40) { worker.at_most(1 + self.random.below(4) as u32) } else { worker }
    }

    fn begun(&mut self, index: usize, job: &ClaimedJob) {
        let model = &mut self.jobs[index];
        model.begun += 1;
        (model.state, model.lease) = (JobState::Running, Some(job.lease));
        let expected = (model.new.id, model.begun, model.failures, model.losses);
        let claimed = (job.lease.id, job.lease.attempt, job.failures, job.losses);
        assert_eq!(claimed, expected, "an attempt begins where the last one left its job");
    }

    pub(super) async fn claim(&mut self) -> &'static str {
        let (worker, limit) = (self.some_worker(), 1 + self.random.below(4));
        let expected = self.expected(&worker, limit);
        let claimed = worker.claim(self.database.store().as_ref(), limit, self.now).await;
        let ids_expected: Vec<_> = expected.iter().map(|index| self.jobs[*index].new.id).collect();
        assert_eq!(ids(&claimed.jobs), ids_expected, "what is claimed from {} at {}", worker.queue, self.now);
        for (index, job) in expected.into_iter().zip(&claimed.jobs) {
            self.begun(index, job);
        }
        "a claim"
    }

    /// How many more the worker may let run.
    fn room(&self, worker: &Worker) -> usize {
        let is_running = |job: &&Model| job.state == JobState::Running && job.new.queue == worker.queue;
        let running = self.jobs.iter().filter(is_running).count();
        worker.running_max.map_or(usize::MAX, |most| (most as usize).saturating_sub(running))
    }

    /// What a claim takes: by priority, and then share by share.
    fn expected(&mut self, worker: &Worker, limit: usize) -> Vec<usize> {
        if self.paused[&*worker.queue] {
            return Vec::new();
        }
        // A slot is kept for a suspect.
        let suspects = usize::from(self.jobs.iter().any(|job| is_suspect_of(worker, job)));
        let room = self.room(worker).saturating_sub(suspects).min(limit);
        let mut waiting: BTreeMap<i16, BTreeMap<Arc<str>, VecDeque<usize>>> = BTreeMap::new();
        for (index, job) in self.jobs.iter().enumerate() {
            let is_there = job.new.queue == worker.queue && worker.names.contains(&job.new.name);
            if is_there && job.may_run(self.now) {
                let share = job.new.share.clone().unwrap_or_default();
                waiting.entry(job.new.priority).or_default().entry(share).or_default().push_back(index);
            }
        }
        let mut expected = Vec::new();
        for (priority, mut shares) in waiting {
            let round = (worker.queue.clone(), priority);
            let mut served = self.served.get(&round).cloned().unwrap_or_default();
            let is_round = shares.keys().any(|share| !share.is_empty());
            let before = expected.len();
            while expected.len() < room && !shares.is_empty() {
                let after = (std::ops::Bound::Excluded(served.clone()), std::ops::Bound::Unbounded);
                let next =
                    shares.range(after).next().or(shares.iter().next()).map(|(share, _)| share.clone());
                let Some(jobs) = next.as_ref().and_then(|share| shares.get_mut(share)) else { break };
                expected.extend(jobs.pop_front());
                let is_over = jobs.is_empty();
                served = next.unwrap_or_default();
                if is_over {
                    shares.remove(&served);
                }
            }
            // Where nobody had anything but those without a share, it was nobody's turn.
            if is_round && expected.len() > before {
                self.served.insert(round, served);
            }
        }
        expected
    }

    pub(super) async fn claim_suspect(&mut self) -> &'static str {
        let worker = self.some_worker();
        let may = !self.paused[&*worker.queue] && self.room(&worker) > 0;
        let expected = self.jobs.iter().position(|job| is_suspect_of(&worker, job)).filter(|_| may);
        let claimed = worker.claim_suspect(self.database.store().as_ref(), self.now).await;
        let expected_id = expected.map(|index| self.jobs[index].new.id);
        assert_eq!(claimed.as_ref().map(|job| job.lease.id), expected_id, "the suspect of {}", worker.queue);
        if let (Some(index), Some(job)) = (expected, claimed) {
            self.begun(index, &job);
        }
        "a claim of a suspect"
    }
}

fn is_suspect_of(worker: &Worker, job: &Model) -> bool {
    job.state == JobState::Suspect && job.new.queue == worker.queue && worker.names.contains(&job.new.name)
}
