//! What is under way now, and what waits for its time.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tidings_core::error::chain;
use tidings_core::ids::MessageId;
use tidings_core::store::{JobFilter, JobState, ParkedRow, QueueStatus};
use tidings_sqlite::Unread;

use super::TestApp;
use super::fail::{Place, fail};

/// What is not done.
#[derive(Default)]
pub(super) struct Pending {
    /// What should be going on now.
    pub(super) now: Vec<UnderWay>,
    /// When something happens next, but for what recurs.
    pub(super) next: Option<Timestamp>,
    /// When a recurring job is due next.
    pub(super) next_cron: Option<Timestamp>,
}

/// One thing that should be going on.
pub(super) struct UnderWay {
    pub(super) what: String,
    /// The flows that it belongs to.
    pub(super) flows: Vec<MessageId>,
}

impl UnderWay {
    fn of(what: String) -> Self {
        Self { what, flows: Vec::new() }
    }
}

impl Pending {
    /// When anything happens next.
    pub(super) fn next_of_all(&self) -> Option<Timestamp> {
        [self.next, self.next_cron].into_iter().flatten().min()
    }

    fn at(&mut self, due: Timestamp, now: Timestamp, under_way: impl FnOnce() -> UnderWay) {
        if due <= now {
            self.now.push(under_way());
        } else {
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
        }
    }
}

/// Jobs that are named when an application does not settle.
const JOBS_NAMED: usize = 20;

impl TestApp {
    /// Looks once. What the record cannot tell is asked before and after: a command that is called is on record once it has
    /// ended, and the handler of a job may do something after that.
    pub(super) async fn pending(&self, place: Place) -> Pending {
        let mut running = self.running_now();
        let mut pending = self.pending_on_record(place).await;
        running.extend(self.running_now());
        let mut seen = HashSet::new();
        let new = running.into_iter().filter(|what| seen.insert(what.clone()));
        pending.now.extend(new.map(UnderWay::of));
        pending
    }

    /// Handlers that run, commands that are called, and maintenance.
    fn running_now(&self) -> Vec<String> {
        let shared = &self.app.shared;
        let mut running: Vec<String> = shared.underway.names();
        running.iter_mut().for_each(|handler| handler.push_str(" is running"));
        if !shared.gate.is_empty() {
            running.push("a command is being called".to_owned());
        }
        // It waits for its time itself, so what is due is at work.
        if shared.maintenance_due.load(Ordering::SeqCst) <= self.now().as_microsecond() {
            running.push("maintenance is at work".to_owned());
        }
        running
    }

    async fn pending_on_record(&self, place: Place) -> Pending {
        let now = self.now();
        let worked: Vec<_> = self.app.shared.jobs.worked().collect();
        let rates: Vec<_> =
            worked.iter().filter_map(|queue| Some((queue.name.clone(), queue.rate?))).collect();
        let found = self.store(place).pending(&rates, now).await;
        let found = found.unwrap_or_else(|error| fail(place, &chain(&error)));
        let consumers: HashSet<&str> = self.app.consumers().map(|consumer| &*consumer.spec.name).collect();
        let mut pending = Pending::default();
        for unread in found.unread.iter().filter(|unread| consumers.contains(&*unread.consumer.name)) {
            if unread.held_by < self.behind_max() {
                pending.now.push(reading(unread));
            }
        }
        for parked in found.retrying.iter().filter(|parked| consumers.contains(&*parked.consumer)) {
            pending.at(parked.due.unwrap_or(now), now, || retrying(parked));
        }
        for queue in found.queues.iter().filter(|queue| worked.iter().any(|of| of.name == queue.name)) {
            let held_until = found.held_until.iter().find(|(name, _)| *name == queue.name).map(|(_, at)| *at);
            pending.queue(queue, held_until, now);
        }
        for cron in &found.crons {
            if cron.due <= now {
                pending.now.push(UnderWay::of(format!("recurring job `{}` is due", cron.name)));
            }
        }
        let later = found.crons.iter().map(|cron| cron.due).filter(|due| *due > now);
        pending.next_cron = later.min().filter(|due| *due < tidings_core::clock::LAST);
        pending
    }

    fn behind_max(&self) -> u64 {
        self.app.shared.config.listeners.behind_max.max(1) as u64
    }

    /// The jobs that are or should be running, for people.
    pub(super) async fn running_jobs(&self) -> Vec<UnderWay> {
        let mut found = Vec::new();
        for state in [JobState::Running, JobState::Suspect, JobState::Ready] {
            let filter = JobFilter { state: Some(state), ..JobFilter::default() };
            for job in self.app.store().jobs(&filter, JOBS_NAMED).await.unwrap_or_default() {
                let what = format!(
                    "job `{}` {} in queue `{}` is {} at attempt {}",
                    job.name,
                    job.id,
                    job.queue,
                    state.as_str(),
                    job.attempts
                );
                found.push(UnderWay { what, flows: vec![job.correlation_id] });
            }
        }
        found
    }
}

impl Pending {
    fn queue(&mut self, queue: &QueueStatus, held_until: Option<Timestamp>, now: Timestamp) {
        let told = |state: JobState| {
            let (name, count) = (&queue.name, queue.count(state));
            UnderWay::of(format!("queue `{name}`: {count} {}", state.as_str()))
        };
        if queue.count(JobState::Running) > 0 {
            self.now.push(told(JobState::Running));
        }
        if queue.paused.is_some() {
            return;
        }
        if queue.count(JobState::Suspect) > 0 {
            self.now.push(told(JobState::Suspect));
        }
        if queue.count(JobState::Ready) > 0 {
            self.at(held_until.unwrap_or(now), now, || told(JobState::Ready));
        }
        if let Some(due) = queue.next_due {
            self.at(due, now, || told(JobState::Scheduled));
        }
    }
}

fn reading(unread: &Unread) -> UnderWay {
    let (consumer, first) = (&unread.consumer, &unread.first.envelope);
    let what = format!(
        "{} `{}` has not read {}, the first is `{}` {}",
        consumer.kind.as_str(),
        consumer.name,
        messages(consumer.lag),
        first.name,
        first.id
    );
    UnderWay { what, flows: vec![first.correlation_id] }
}

fn retrying(parked: &ParkedRow) -> UnderWay {
    let (consumer, message) = (&parked.consumer, &parked.message.envelope);
    let after = if parked.error.is_empty() { String::new() } else { format!(" after: {}", parked.error) };
    let what = format!("`{consumer}` is to try `{}` {} again{after}", message.name, message.id);
    UnderWay { what, flows: vec![message.correlation_id] }
}

fn messages(count: u64) -> String {
    if count == 1 { "a message".to_owned() } else { format!("{count} messages") }
}
