//! The attempts that are under way, as whoever started them sees them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use tidings_core::store::ClaimedJob;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::attempt::FinishState;
use super::ends::{self, Ended};
use super::{Attempt, Cancel, JobFacts};
use crate::app::Shared;
use crate::unit::panicked;

/// Attempts under way. Dropped, it calls them all off.
pub(super) struct Running {
    shared: Arc<Shared>,
    /// By slot; a slot whose attempt is over is used again.
    slots: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// Attempts whose end is not known yet.
    open: usize,
    /// No attempt is out of time before this.
    first_deadline: Timestamp,
    over: mpsc::UnboundedReceiver<Over>,
    /// Each attempt tells by it that it is over.
    teller: mpsc::UnboundedSender<Over>,
}

struct Entry {
    attempt: Arc<Attempt>,
    /// What becomes of the job is decided, though its handler may still be running.
    is_decided: bool,
}

/// An attempt is over: its handler runs no more.
pub(super) struct Over {
    slot: usize,
    ended: Option<Ended>,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (teller, over) = mpsc::unbounded_channel();
        let first_deadline = Timestamp::MAX;
        Self { shared, slots: Vec::new(), free: Vec::new(), open: 0, first_deadline, over, teller }
    }

    /// Starts an attempt, which keeps its permit until it is over.
    pub(super) fn start(&mut self, facts: &Arc<JobFacts>, job: ClaimedJob, permit: OwnedSemaphorePermit) {
        let (attempt, present) = Attempt::new(&self.shared, facts, job);
        self.first_deadline = self.first_deadline.min(attempt.deadline);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(Entry { attempt: attempt.clone(), is_decided: false });
        self.open += 1;
        let teller = self.teller.clone();
        tokio::spawn(async move {
            let whole = async { ends::of(&attempt, attempt.run(&present).await) };
            // Beside the handler's polls this runs what else is its: it drops what the handler holds, and shows its error.
            let ended = AssertUnwindSafe(whole).catch_unwind().await.unwrap_or_else(|panic| {
                let panic = panicked(&attempt.facts.label, panic.as_ref());
                (attempt.finish_state() != FinishState::Committed).then(|| ends::panicked(&attempt, panic))
            });
            attempt.call_off();
            drop((attempt, present));
            // Free first, so that whoever hears of it finds a free slot.
            drop(permit);
            // Where nobody hears it the attempt is void.
            let _ = teller.send(Over { slot, ended });
        });
    }

    /// Whether the end of every attempt is known.
    pub(super) fn all_decided(&self) -> bool {
        self.open == 0
    }

    /// Whether no handler runs any more.
    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// When the next attempt may be out of time.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        (self.open > 0).then_some(self.first_deadline)
    }

    /// Waits until an attempt is over, and takes its end.
    pub(super) async fn wait(&mut self, ended: &mut Vec<Ended>) {
        // The channel does not close: this holds a sender itself.
        if let Some(over) = self.over.recv().await {
            self.take(over, ended);
        }
        self.collect(ended);
    }

    /// Takes the ends of the attempts that are over, without waiting.
    pub(super) fn collect(&mut self, ended: &mut Vec<Ended>) {
        while let Ok(over) = self.over.try_recv() {
            self.take(over, ended);
        }
    }

    fn take(&mut self, over: Over, ended: &mut Vec<Ended>) {
        let Some(entry) = self.slots[over.slot].take() else { return };
        self.free.push(over.slot);
        if entry.is_decided {
            return;
        }
        self.open -= 1;
        // A job whose attempt is over and that is not ended would be running for ever.
        let is_written = entry.attempt.finish_state() == FinishState::Committed;
        ended.extend(over.ended.or_else(|| (!is_written).then(|| ends::forsaken(&entry.attempt))));
    }

    /// Ends the attempts that are out of time.
    pub(super) fn time_out(&mut self, now: Timestamp, ended: &mut Vec<Ended>) {
        if now < self.first_deadline {
            return;
        }
        self.decide(|attempt| (attempt.deadline <= now).then(|| ends::timed_out(attempt)), ended);
        let open = self.slots.iter().flatten().filter(|entry| !entry.is_decided);
        self.first_deadline = open.map(|entry| entry.attempt.deadline).min().unwrap_or(Timestamp::MAX);
    }

    /// Ends the attempt that somebody cancels, if it is here.
    pub(super) fn cancel(&mut self, cancel: &Cancel, ended: &mut Vec<Ended>) {
        let is_meant =
            |attempt: &Attempt| attempt.id() == cancel.id && attempt.job.lease.attempt == cancel.attempt;
        self.decide(|attempt| is_meant(attempt).then(|| ends::cancelled(attempt, &cancel.reason)), ended);
    }

    /// Gives all jobs back.
    pub(super) fn give_back(&mut self, ended: &mut Vec<Ended>) {
        self.decide(|attempt| Some(ends::given_back(attempt)), ended);
    }

    fn decide(&mut self, decide: impl Fn(&Attempt) -> Option<Ended>, ended: &mut Vec<Ended>) {
        for entry in self.slots.iter_mut().flatten().filter(|entry| !entry.is_decided) {
            if let Some(end) = decide(&entry.attempt) {
                ended.push(end);
                entry.is_decided = true;
                self.open -= 1;
                entry.attempt.call_off();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for entry in self.slots.iter().flatten() {
            entry.attempt.call_off();
        }
    }
}
