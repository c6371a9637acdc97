//! Random histories against a model so simple that it is easily right.

mod check;
mod claims;
mod job;

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{AttemptEnd, Cancelled, Enqueued, JobEnd, JobState, NewJob, StoreError, UniqueKey};

use self::job::Model;
use super::support::*;
use crate::random::Random;

const QUEUES: [&str; 2] = ["mail", "letters"];
const NAMES: [&str; 2] = ["suite.send", "suite.print"];
const STEPS: usize = 250;

/// Jobs with keys, unique keys, shares, priorities and delays; claims with limits, ends of every kind, people, pauses, other queues, lapses, crashes: in random
/// order. After every step the store answers what the model answers. A failure names its seed; `TIDINGS_TEST_SEED` runs it
/// again.
pub async fn random_lives_of_jobs_match_the_model(factory: &dyn StoreFactory) {
    let first = Random::seed(40);
    for seed in [first, first.wrapping_add(1)] {
        let mut history = History::begin(factory.fresh().await, seed).await;
        for step in 0..STEPS {
            let what = history.step(step).await;
            history.check(&format!("after step {step} ({what}) of seed {seed}")).await;
        }
    }
}

struct History {
    database: Box<dyn TestDatabase>,
    random: Random,
    now: i64,
    jobs: Vec<Model>,
    workers: Vec<Worker>,
    paused: BTreeMap<&'static str, bool>,
    /// In which queue the jobs of a name wait.
    placed: BTreeMap<&'static str, &'static str>,
    /// Whose turn it was last, of each queue and priority; empty for those without a share.
    served: BTreeMap<(Arc<str>, i16), Arc<str>>,
}

impl History {
    async fn begin(database: Box<dyn TestDatabase>, seed: u64) -> Self {
        let mut history = Self {
            database,
            random: Random::new(seed),
            now: 0,
            jobs: Vec::new(),
            workers: Vec::new(),
            paused: QUEUES.map(|queue| (queue, false)).into(),
            placed: NAMES.into_iter().zip(QUEUES).collect(),
            served: BTreeMap::new(),
        };
        history.place().await;
        history.enlist().await;
        history
    }

    async fn enlist(&mut self) {
        let worker = Worker::enlist(self.database.store().as_ref()).await;
        self.workers.push(worker);
    }

    async fn step(&mut self, step: usize) -> &'static str {
        self.now += i64::try_from(self.random.below(8)).unwrap_or_default();
        match self.random.below(100) {
            0..22 => self.enqueue().await,
            22..42 => self.claim().await,
            42..47 => self.claim_suspect().await,
            47..75 => self.end_some().await,
            75..84 => self.decide().await,
            84..86 => self.pause_or_resume().await,
            86..88 => self.move_some().await,
            88..90 => self.enlist_or_dismiss().await,
            90..94 => self.lose_some().await,
            94..97 => self.fail().await,
            _ => {
                if step.is_multiple_of(2) {
                    crash(self.database.as_mut()).await;
                } else {
                    reopen(self.database.as_mut()).await;
                }
                self.workers.clear();
                self.enlist().await;
                self.take_over().await;
                "a restart"
            }
        }
    }

    fn new_job(&mut self) -> NewJob {
        let random = &mut self.random;
        let key = random.chance(50).then(|| Key::new("order", ["a", "b"][random.below(2)]));
        let unique = random.chance(25).then(|| UniqueKey {
            key: ["x", "y"][random.below(2)].to_owned(),
            hash: [random.chance(30).into(); 32],
            until: random.chance(20).then(|| at(10_000_000)),
        });
        let share = random.chance(60).then(|| ["s", "t", "u"][random.below(3)].into());
        let delay = if random.chance(30) { random.below(30) } else { 0 };
        let name = NAMES[random.below(2)];
        NewJob {
            name: name.into(),
            queue: self.placed[name].into(),
            priority: [-1, 0, 0, 1][random.below(4)],
            due: at(self.now + i64::try_from(delay).unwrap_or_default()),
            key,
            share,
            unique,
            at: at(self.now),
            ..job()
        }
    }

    /// Who has the unique key of a job, and whether with the same payload.
    fn taken(&self, new: &NewJob) -> Option<(MessageId, bool)> {
        self.jobs.iter().find_map(|there| {
            let (wish, taken) = (new.unique.as_ref()?, there.new.unique.as_ref()?);
            (there.has_unique && there.new.name == new.name && taken.key == wish.key)
                .then_some((there.new.id, taken.hash == wish.hash))
        })
    }

    fn enter(&mut self, new: NewJob) -> Enqueued {
        if let Some((id, is_same)) = self.taken(&new) {
            return if is_same { Enqueued::Existing(id) } else { Enqueued::Conflict(id) };
        }
        let due = new.due.duration_since(at(0)).as_secs();
        let is_behind = self.jobs.iter().any(|there| there.holds && is_of_key(there, &new));
        let first = if due > self.now { JobState::Scheduled } else { JobState::Ready };
        self.jobs.push(Model {
            state: if is_behind { JobState::Behind } else { first },
            due,
            attempts: Vec::new(),
            begun: 0,
            failures: 0,
            losses: 0,
            holds: new.key.is_some(),
            has_unique: new.unique.is_some(),
            reason: None,
            lease: None,
            void: None,
            new,
        });
        Enqueued::New
    }

    async fn enqueue(&mut self) -> &'static str {
        let new: Vec<_> = (0..=self.random.below(4)).map(|_| self.new_job()).collect();
        let done = enqueue(self.database.store().as_ref(), &new).await;
        let expected: Vec<_> = new.into_iter().map(|job| self.enter(job)).collect();
        assert_eq!(done, expected, "what becomes of jobs that are enqueued");
        "jobs come in"
    }

    fn some_end(&mut self) -> JobEnd {
        let due = self.now + i64::try_from(self.random.below(20)).unwrap_or_default();
        match self.random.below(12) {
            0..5 => JobEnd::Completed,
            5..7 => retry(due),
            7 => snoozed(due),
            8..10 => dead(self.random.chance(50)),
            10 => JobEnd::Cancelled { reason: "while it ran".to_owned() },
            _ => JobEnd::GivenBack,
        }
    }

    async fn end_some(&mut self) -> &'static str {
        let mut ends = Vec::new();
        for index in 0..self.jobs.len() {
            for lease in [self.jobs[index].lease, self.jobs[index].void].into_iter().flatten() {
                if self.random.chance(35) {
                    ends.push((index, lease, self.some_end()));
                }
            }
        }
        let told: Vec<_> = ends.iter().map(|(_, lease, how)| (*lease, how.clone())).collect();
        let ended = end_all(self.database.store().as_ref(), told, self.now).await;
        for ((index, lease, how), ended) in ends.into_iter().zip(ended) {
            let is_good = self.jobs[index].lease == Some(lease);
            assert_eq!(ended, is_good, "whether a lease is good: {lease:?}");
            if is_good {
                let now = self.now;
                self.void(index);
                self.jobs[index].end_by_itself(&how, now);
                self.wait_if_beside(index);
                self.promote(index);
            }
        }
        "ends"
    }

    fn void(&mut self, index: usize) {
        self.jobs[index].void = self.jobs[index].lease.take();
    }

    /// Whether another job of its key holds it, and does not wait: that happens where queues have become one.
    fn is_beside(&self, index: usize) -> bool {
        let new = &self.jobs[index].new;
        self.jobs.iter().any(|other| {
            other.holds && other.state != JobState::Behind && other.new.id != new.id && is_of_key(other, new)
        })
    }

    /// A job that is to be tried again does not run beside another of its key.
    fn wait_if_beside(&mut self, index: usize) {
        let is_to_run =
            matches!(self.jobs[index].state, JobState::Scheduled | JobState::Ready | JobState::Suspect);
        if is_to_run && self.jobs[index].holds && self.is_beside(index) {
            self.jobs[index].state = JobState::Behind;
        }
    }

    /// The next of the job's key moves up, if nothing of it holds the others back.
    fn promote(&mut self, index: usize) {
        let new = self.jobs[index].new.clone();
        self.promote_of(&new);
    }

    fn promote_of(&mut self, new: &NewJob) {
        let now = self.now;
        let mut of_key: Vec<_> =
            self.jobs.iter_mut().filter(|job| job.holds && is_of_key(job, new)).collect();
        if of_key.iter().any(|job| job.state != JobState::Behind) {
            return;
        }
        if let Some(next) = of_key.first_mut() {
            next.state = match next.losses {
                0 if next.due > now => JobState::Scheduled,
                0 => JobState::Ready,
                _ => JobState::Suspect,
            };
        }
    }

    async fn decide(&mut self) -> &'static str {
        if self.jobs.is_empty() {
            return "nothing to decide";
        }
        let index = self.random.below(self.jobs.len());
        let (store, now, id) = (self.database.store(), at(self.now), self.jobs[index].new.id);
        let is_there = |answer: &Result<(), StoreError>| match answer {
            Ok(()) => true,
            Err(StoreError::NotFound { .. }) => false,
            Err(error) => panic!("what a person decides is done, or not found: {error}"),
        };
        match self.random.below(3) {
            0 => {
                let answer = store.cancel_job(id, "by a person", now).await;
                let job = &mut self.jobs[index];
                match job.state {
                    JobState::Running => {
                        assert!(matches!(answer, Ok(Cancelled::Asked)), "a running job is asked: {answer:?}");
                        job.reason = Some("by a person".to_owned());
                    }
                    state if state.is_final() || state == JobState::Dead => {
                        assert!(matches!(answer, Err(StoreError::NotFound { .. })), "too late: {answer:?}");
                    }
                    _ => {
                        assert!(matches!(answer, Ok(Cancelled::AtOnce)), "a waiting job: {answer:?}");
                        job.leave(JobState::Cancelled, Some("by a person".to_owned()));
                        self.promote(index);
                    }
                }
            }
            1 => {
                let state = self.jobs[index].state;
                if self.jobs[index].may_run(self.now) {
                    return "nothing to revive"; // Whether one whose time has come is still scheduled is the store's affair.
                }
                let answer = store.revive_job(id, now).await;
                let may = matches!(state, JobState::Dead | JobState::Scheduled | JobState::Cancelled);
                let taken_by = self.taken(&self.jobs[index].new).map(|(id, _)| id).filter(|by| *by != id);
                if let (true, Some(by)) = (may, taken_by) {
                    assert!(
                        matches!(answer, Err(StoreError::UniqueTaken { taken_by, .. }) if taken_by == by),
                        "a job whose key is taken by {by}: {answer:?}"
                    );
                    return "a person";
                }
                let revived = is_there(&answer);
                assert_eq!(revived, may, "whether a job is revived that is {state:?}");
                if revived {
                    self.revive(index);
                }
            }
            _ => {
                let discarded = is_there(&store.discard_job(id, "by a person", now).await);
                let job = &mut self.jobs[index];
                assert_eq!(discarded, job.state == JobState::Dead, "whether a job is discarded");
                if discarded {
                    job.leave(JobState::Discarded, Some("by a person".to_owned()));
                    self.promote(index);
                }
            }
        }
        "a person"
    }

    fn revive(&mut self, index: usize) {
        self.jobs[index].new.queue = self.placed[&*self.jobs[index].new.name].into();
        let is_behind = self.is_beside(index);
        let (now, job) = (self.now, &mut self.jobs[index]);
        job.state = if is_behind { JobState::Behind } else { JobState::Ready };
        (job.due, job.failures, job.losses, job.reason) = (now, 0, 0, None);
        (job.holds, job.has_unique) = (job.new.key.is_some(), job.new.unique.is_some());
    }

    async fn place(&self) {
        let queues: Vec<_> =
            self.placed.iter().map(|(name, queue)| (Arc::from(*name), Arc::from(*queue))).collect();
        let left = self.database.store().place_jobs(&queues).await.expect("jobs are placed");
        assert!(left.is_empty(), "each name is told: {left:?}");
    }

    /// A name moves to another queue, or to the same.
    async fn move_some(&mut self) -> &'static str {
        let (name, queue) = (NAMES[self.random.below(2)], QUEUES[self.random.below(2)]);
        self.placed.insert(name, queue);
        self.place().await;
        let moves = |job: &Model| &*job.new.name == name && &*job.new.queue != queue && !job.state.is_final();
        let moved: Vec<_> = (0..self.jobs.len()).filter(|index| moves(&self.jobs[*index])).collect();
        let keyed: Vec<_> = moved.iter().copied().filter(|index| self.jobs[*index].holds).collect();
        let before: Vec<_> = keyed.iter().map(|index| self.jobs[*index].new.clone()).collect();
        for index in moved {
            self.jobs[index].new.queue = queue.into();
        }
        for (index, before) in keyed.into_iter().zip(before) {
            self.promote_of(&before);
            let new = self.jobs[index].new.clone();
            // Who has not begun waits, until it is clear who is the first.
            for job in self.jobs.iter_mut().filter(|job| job.holds && is_of_key(job, &new)) {
                if !matches!(job.state, JobState::Running | JobState::Dead) {
                    job.state = JobState::Behind;
                }
            }
            self.promote_of(&new);
        }
        "a name moves"
    }

    async fn pause_or_resume(&mut self) -> &'static str {
        let (queue, store) = (QUEUES[self.random.below(2)], self.database.store());
        let pauses = self.random.chance(40);
        if pauses {
            store.pause_queue(queue, "the model", at(self.now)).await.expect("a queue is paused");
        } else {
            store.resume_queue(queue, at(self.now)).await.expect("a queue is resumed");
        }
        self.paused.insert(queue, pauses);
        "a pause or its end"
    }

    async fn enlist_or_dismiss(&mut self) -> &'static str {
        if self.workers.len() < 3 {
            self.enlist().await;
            return "a new worker";
        }
        let gone = self.workers.swap_remove(self.random.below(self.workers.len()));
        self.database.store().dismiss(gone.id, at(self.now)).await.expect("a worker is dismissed");
        let now = self.now;
        self.for_each_of(|worker| worker == gone.id, |job| job.give_back(now));
        "a worker goes"
    }

    /// Ends the attempts of some workers otherwise than by themselves.
    fn for_each_of(
        &mut self,
        of: impl Fn(tidings_core::store::WorkerId) -> bool,
        end: impl Fn(&mut Model),
    ) -> u64 {
        let mut count = 0;
        // Newest first: of several of one key the oldest is the next to run.
        for index in (0..self.jobs.len()).rev() {
            if self.jobs[index].lease.is_some_and(|lease| of(lease.worker)) {
                self.void(index);
                end(&mut self.jobs[index]);
                self.wait_if_beside(index);
                self.promote(index);
                count += 1;
            }
        }
        count
    }

    async fn lose_some(&mut self) -> &'static str {
        lapse(self.database.as_ref()).await;
        let store = self.database.store();
        let survivors = self.workers.len() - self.random.below(self.workers.len() + 1);
        self.workers.truncate(survivors);
        for worker in &self.workers {
            store.heartbeat(worker.id).await.expect("who was not taken over renews its lease");
        }
        self.enlist().await;
        self.take_over().await;
        "workers are lost"
    }

    async fn take_over(&mut self) {
        let taker = self.workers[self.workers.len() - 1].clone();
        let taken = taker.take_over(self.database.store().as_ref(), self.now).await;
        let living: Vec<_> = self.workers.iter().map(|worker| worker.id).collect();
        let lose = |job: &mut Model| {
            let due = job.due;
            job.losses += 1;
            job.again(AttemptEnd::Lost, JobState::Suspect, due);
        };
        let expected = self.for_each_of(|worker| !living.contains(&worker), lose);
        assert_eq!(taken, expected, "how many jobs are taken over");
    }

    /// A transaction that does a bit of everything, and fails.
    async fn fail(&mut self) -> &'static str {
        let worker = self.some_worker();
        let ends = self.jobs.iter().filter_map(|job| Some((job.lease?, JobEnd::Completed))).collect();
        let ops = [
            Op::Enqueue(vec![self.new_job(), self.new_job()]),
            Op::End(ends, at(self.now)),
            Op::Claim(worker.claiming(10, at(self.now))),
            Op::Fail,
        ];
        let failed = run(self.database.store().as_ref(), ops).await;
        assert!(failed.is_err(), "a work that fails fails");
        "a failed work"
    }
}

fn is_of_key(there: &Model, new: &NewJob) -> bool {
    new.key.is_some() && there.new.key == new.key && there.new.queue == new.queue
}
