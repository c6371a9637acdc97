//! The loop of one queue.

use std::sync::Arc;

use jiff::Timestamp;
use tidings_core::store::{Claimed, Watch, WorkerId};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, broadcast, watch};
use tokio::task::JoinSet;

use super::ends::Ended;
use super::running::Running;
use super::settle::{Ends, settle};
use super::suspects::SuspectLane;
use super::{Cancel, QueueFacts};
use crate::app::Shared;
use crate::patience::{Patience, is_closed, is_unknown};

/// At most so many jobs are claimed in one transaction, so that none is long.
const CLAIMED_AT_ONCE_MAX: usize = 512;

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
    /// Not written yet.
    ended: Vec<Ended>,
    /// There may be something to claim.
    is_hungry: bool,
    /// Then there may be something to claim.
    next_at: Option<Timestamp>,
    watch: Box<dyn Watch>,
    cancels: broadcast::Receiver<Cancel>,
    stop: watch::Receiver<bool>,
    give_back: watch::Receiver<bool>,
    patience: Patience,
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
            is_hungry: true,
            next_at: None,
            watch: shared.store.watch_queue(&queue.name),
            cancels: shared.jobs.cancels.subscribe(),
            give_back: shared.jobs.give_back.subscribe(),
            shared: shared.clone(),
            queue: queue.clone(),
            patience: Patience::default(),
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
            let permits = self.free_slots();
            if !self.ended.is_empty() || permits.is_some() {
                if !self.settle(permits).await {
                    return;
                }
            } else if self.is_stopping() && self.running.all_decided() {
                return;
            } else {
                self.rest().await;
            }
        }
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

    /// Writes what has ended and starts what it claims; false if the store is closed, or what it has claimed is not known.
    async fn settle(&mut self, permits: Option<OwnedSemaphorePermit>) -> bool {
        let limit = permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let mut ends = Ends::default();
        ends.extend(self.ended.drain(..));
        let ends = Arc::new(ends);
        // Whatever becomes of jobs meanwhile wakes the watch.
        self.is_hungry &= limit == 0;
        loop {
            match settle(&self.shared, &self.queue, self.worker, &ends, limit).await {
                Ok(claimed) => {
                    self.patience = Patience::default();
                    if let Some(permits) = permits {
                        self.start(claimed, permits);
                    }
                    return true;
                }
                Err(error) if is_closed(&error) || is_unknown(&error) => return false,
                Err(error) => {
                    // The ends stay as they are, and the leases are renewed meanwhile.
                    let pause = self.patience.pause(&self.queue.label, &error);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn start(&mut self, claimed: Claimed, mut permits: OwnedSemaphorePermit) {
        self.is_hungry |= claimed.more;
        self.next_at = claimed.next_at;
        for job in claimed.jobs {
            let facts = self.shared.jobs.job(&job.name).cloned();
            // Only jobs were claimed that are known here, and no more than there are permits.
            let Some((facts, permit)) = facts.zip(permits.split(1)) else { continue };
            self.running.start(&facts, job, permit);
        }
    }

    /// Waits until there may be something to do.
    async fn rest(&mut self) {
        let stopping = self.is_stopping();
        let next_at = self.next_at.filter(|_| !stopping);
        let wake_at = [next_at, self.running.next_deadline()].into_iter().flatten().min();
        let given_back = *self.give_back.borrow();
        tokio::select! {
            () = self.running.wait(&mut self.ended) => {}
            () = self.watch.changed(), if !stopping && !self.is_hungry => self.is_hungry = true,
            // It was given up for want of a slot; the lane of suspects has given one back.
            slot = self.queue.slots.acquire(), if !stopping && self.is_hungry => drop(slot),
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
    }
}
