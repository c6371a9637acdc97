//! The loop of one queue.

use std::sync::Arc;

use jiff::Timestamp;
use tidings_core::store::{Claimed, Watch, WorkerId};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, broadcast, watch};
use tokio::task::{JoinError, JoinSet};

use super::ends::Ended;
use super::running::Running;
use super::settle::{Ends, Settled, settle};
use super::suspects::SuspectLane;
use super::{Cancel, QueueFacts};
use crate::app::Shared;

/// At most so many jobs are claimed in one transaction, so that none is long.
const CLAIMED_AT_ONCE_MAX: usize = 512;

/// Transactions of one queue that may be under way at once, where the store is asked for one in a single round trip: while it
/// writes the ends of some jobs and looks for others, those that it has told before are done and sent as well.
const UNDER_WAY_MAX: usize = 2;
/// The second one waits until it is worth it: for half of the slots.
const WORTH_IT: usize = 2;

/// Works the queues of this process for a worker, each in a task of its own, and one for the suspects.
pub(crate) fn work(
    shared: &Arc<Shared>,
    worker: WorkerId,
    look: &Arc<Notify>,
    stop: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for queue in shared.jobs.worked() {
        tasks.spawn(QueueLoop::new(shared, queue, worker, stop.clone()).work());
    }
    if !tasks.is_empty() {
        tasks.spawn(SuspectLane::new(shared, worker, look.clone(), stop.clone()).work());
    }
    tasks
}

pub(super) struct QueueLoop {
    shared: Arc<Shared>,
    queue: Arc<QueueFacts>,
    worker: WorkerId,
    running: Running,
    /// Not sent to be written yet.
    ended: Vec<Ended>,
    /// Transactions under way.
    settling: JoinSet<Option<Settled>>,
    /// There may be something to claim.
    is_hungry: bool,
    /// Then there may be something to claim.
    next_at: Option<Timestamp>,
    watch: Box<dyn Watch>,
    cancels: broadcast::Receiver<Cancel>,
    stop: watch::Receiver<bool>,
    give_back: watch::Receiver<bool>,
}

impl QueueLoop {
    pub(super) fn new(
        shared: &Arc<Shared>,
        queue: &Arc<QueueFacts>,
        worker: WorkerId,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            running: Running::new(shared.clone()),
            ended: Vec::new(),
            settling: JoinSet::new(),
            is_hungry: true,
            next_at: None,
            watch: shared.store.watch_queue(&queue.name),
            cancels: shared.jobs.cancels.subscribe(),
            give_back: shared.jobs.give_back.subscribe(),
            shared: shared.clone(),
            queue: queue.clone(),
            worker,
            stop,
        }
    }

    /// Works until told to stop, and then until the end of every attempt is written.
    pub(super) async fn work(mut self) {
        loop {
            self.running.collect(&mut self.ended);
            self.hear_cancels();
            if *self.give_back.borrow() {
                self.running.give_back(&mut self.ended);
            }
            self.running.time_out(self.shared.clock.now(), &mut self.ended);
            while let Some(settled) = self.settling.try_join_next() {
                if !self.take(settled) {
                    return;
                }
            }
            let permits = if self.may_settle() { self.free_slots() } else { None };
            if self.may_settle() && !self.ended.is_empty() || permits.is_some() {
                self.settle(permits);
                continue;
            }
            if self.is_stopping() && self.has_nothing_left() || !self.rest().await {
                return;
            }
        }
    }

    /// Whether a transaction may begin now.
    fn may_settle(&self) -> bool {
        match self.settling.len() {
            0 => true,
            under_way if under_way < UNDER_WAY_MAX && self.shared.store.at_once().is_some() => {
                self.ended.len() >= (self.queue.concurrency / WORTH_IT).clamp(1, CLAIMED_AT_ONCE_MAX)
            }
            _ => false,
        }
    }

    fn has_nothing_left(&self) -> bool {
        self.ended.is_empty() && self.settling.is_empty() && self.running.all_decided()
    }

    /// Hears what is to be cancelled, also where there is always something else to do.
    fn hear_cancels(&mut self) {
        loop {
            match self.cancels.try_recv() {
                Ok(cancel) => self.running.cancel(&cancel, &mut self.ended),
                // Those that are missed are told again by the heartbeat.
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// The free slots, if there is reason to claim something for them. What ends may let another job of its key run.
    fn free_slots(&self) -> Option<OwnedSemaphorePermit> {
        let has_reason = self.is_hungry || !self.ended.is_empty();
        if self.is_stopping() || !has_reason {
            return None;
        }
        let free = self.queue.slots.available_permits().min(CLAIMED_AT_ONCE_MAX);
        let free = u32::try_from(free).ok().filter(|free| *free > 0)?;
        // The lane of suspects may have been faster; its slot is free again soon.
        self.queue.slots.clone().try_acquire_many_owned(free).ok()
    }

    /// Has what has ended written, and claims as many as there are permits.
    fn settle(&mut self, permits: Option<OwnedSemaphorePermit>) {
        let mut ends = Ends::default();
        ends.extend(self.ended.drain(..));
        // Whatever becomes of jobs meanwhile wakes the watch.
        self.is_hungry &= permits.is_none();
        self.settling.spawn(settle(self.shared.clone(), self.queue.clone(), self.worker, ends, permits));
    }

    /// Starts what was claimed; false if the store is closed, or what it has claimed is not known.
    fn take(&mut self, settled: Result<Option<Settled>, JoinError>) -> bool {
        match settled {
            Ok(Some(Settled { claimed, permits })) => {
                if let Some(permits) = permits {
                    self.start(claimed, permits);
                }
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::error!(queue = %self.queue.name, %error, "jobs are not claimed any more");
                false
            }
        }
    }

    fn start(&mut self, claimed: Claimed, mut permits: OwnedSemaphorePermit) {
        self.is_hungry |= claimed.more;
        // Of two answers nobody knows which is the younger; to look too early costs little.
        self.next_at = [self.next_at, claimed.next_at].into_iter().flatten().min();
        for job in claimed.jobs {
            let facts = self.shared.jobs.job(&job.name).cloned();
            // Only jobs were claimed that are known here, and no more than there are permits.
            let Some((facts, permit)) = facts.zip(permits.split(1)) else { continue };
            self.running.start(&facts, job, permit);
        }
    }

    /// Waits until there may be something to do; false as of [`take`](Self::take).
    async fn rest(&mut self) -> bool {
        let stopping = self.is_stopping();
        let next_at = self.next_at.filter(|_| !stopping);
        let wake_at = [next_at, self.running.next_deadline()].into_iter().flatten().min();
        let given_back = *self.give_back.borrow();
        let is_idle = self.settling.is_empty();
        let mut settled = None;
        tokio::select! {
            Some(ended) = self.settling.join_next() => settled = Some(ended),
            () = self.running.wait(&mut self.ended) => {}
            () = self.watch.changed(), if !stopping && !self.is_hungry => self.is_hungry = true,
            // It was given up for want of a slot; the lane of suspects has given one back.
            slot = self.queue.slots.acquire(), if !stopping && self.is_hungry && is_idle => drop(slot),
            () = self.shared.clock.sleep_until(wake_at.unwrap_or(Timestamp::MAX)), if wake_at.is_some() => {}
            cancel = self.cancels.recv() => {
                if let Ok(cancel) = cancel {
                    self.running.cancel(&cancel, &mut self.ended);
                }
            }
            _ = self.stop.wait_for(|stop| *stop), if !stopping => {}
            _ = self.give_back.wait_for(|give_back| *give_back), if !given_back => {}
        }
        if self.next_at.is_some_and(|next_at| next_at <= self.shared.clock.now()) {
            self.next_at = None;
            self.is_hungry = true;
        }
        settled.is_none_or(|settled| self.take(settled))
    }
}
