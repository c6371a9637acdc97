//! The lane of suspects.
//!
//! A job that was running when its worker was lost may be what ended the process. It runs alone: no other suspect beside
//! it, and for a while no consumer that is being careful, so that another end would leave one suspect. Ordinary jobs go on
//! meanwhile.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use jiff::Timestamp;
use tidings_core::error::{Error, Result};
use tidings_core::store::{ClaimedJob, StoreError, Watch, WorkerId};
use tokio::sync::{MutexGuard, Notify, OwnedSemaphorePermit, broadcast, watch};
use tokio::time::Instant;

use super::ends::{self, Ended};
use super::running::Running;
use super::settle::{Ends, settle};
use super::{Attempt, Cancel, QueueFacts};
use crate::app::Shared;
use crate::patience::{Patience, is_closed, is_unknown};
use crate::unit::{self, Access, Unit};

pub(super) struct SuspectLane {
    shared: Arc<Shared>,
    worker: WorkerId,
    /// Told when there may be a suspect.
    look: Arc<Notify>,
    /// Tell when one may have become claimable: because its queue goes on, or it is the next of its key.
    watches: Vec<Box<dyn Watch>>,
    running: Running,
    ended: Vec<Ended>,
    cancels: broadcast::Receiver<Cancel>,
    stop: watch::Receiver<bool>,
    give_back: watch::Receiver<bool>,
}

/// How long consumers that go carefully wait for a suspect. What ends a process mostly does so soon; what waits for the
/// world outside may take minutes, and no listener is to wait for that.
const ALONE_MAX: Duration = Duration::from_secs(2);

/// Busy queues change all the time, mostly without a suspect: after a change nobody looks for one earlier than this.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// A free slot of a queue.
type Slot = (Arc<QueueFacts>, OwnedSemaphorePermit);

impl SuspectLane {
    pub(super) fn new(
        shared: &Arc<Shared>,
        worker: WorkerId,
        look: Arc<Notify>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let watches = shared.jobs.worked().map(|queue| shared.store.watch_queue(&queue.name)).collect();
        Self {
            watches,
            running: Running::new(shared.clone()),
            ended: Vec::new(),
            cancels: shared.jobs.cancels.subscribe(),
            give_back: shared.jobs.give_back.subscribe(),
            shared: shared.clone(),
            worker,
            look,
            stop,
        }
    }

    /// Runs one suspect after the other until told to stop.
    pub(super) async fn work(mut self) {
        let mut patience = Patience::default();
        while !*self.stop.borrow() {
            let pause = match self.work_one().await {
                Ok(true) => {
                    patience = Patience::default();
                    continue;
                }
                Ok(false) => None,
                Err(error) if is_closed(&error) || is_unknown(&error) => return,
                Err(error) => Some(patience.pause("the lane of suspect jobs", &error)),
            };
            let wait = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => may_be_there(&self.look, &mut self.watches).await,
                }
            };
            tokio::select! {
                () = wait => {}
                _ = self.stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Runs a suspect; false if there is none, or it is time to stop.
    async fn work_one(&mut self) -> Result<bool> {
        let shared = self.shared.clone();
        let mut left = self.suspicious().await?;
        while !left.is_empty() {
            let (slots, alone) = tokio::select! {
                ready = alone_with_slots(&shared, &mut left) => ready,
                () = may_be_there(&self.look, &mut self.watches) => return Ok(true),
                _ = self.stop.wait_for(|stop| *stop) => return Ok(false),
            };
            if let Some(job) = self.claim(&slots).await? {
                self.run(job, slots, alone).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The queues that have a suspect to be run.
    async fn suspicious(&mut self) -> Result<Vec<Arc<QueueFacts>>> {
        let mut worked: Vec<Arc<QueueFacts>> = self.shared.jobs.worked().cloned().collect();
        let queues: Vec<Arc<str>> = worked.iter().map(|queue| queue.name.clone()).collect();
        let names: Vec<Arc<str>> = worked.iter().flat_map(|queue| queue.jobs.iter().cloned()).collect();
        let found = self.shared.store.suspects(&queues, &names).await?;
        worked.retain(|queue| found.contains(&queue.name));
        Ok(worked)
    }

    async fn run(&mut self, job: ClaimedJob, slots: Vec<Slot>, alone: MutexGuard<'_, ()>) -> Result<()> {
        let slot = slots.into_iter().find(|(queue, _)| queue.name == job.queue);
        let facts = self.shared.jobs.job(&job.name).cloned();
        let Some(((queue, permit), facts)) = slot.zip(facts) else {
            return Err(Error::failed(format!("job `{}` was claimed, which was not asked for", job.name)));
        };
        if job.losses > self.shared.config.jobs.kills_max {
            let (attempt, _present) = Attempt::new(&self.shared, &facts, job);
            self.ended.push(ends::lethal(&attempt));
        } else {
            self.running.start(&facts, job, permit);
        }
        self.attend(&queue, alone).await
    }

    async fn claim(&mut self, slots: &[Slot]) -> Result<Option<ClaimedJob>> {
        let queue_of = |(queue, _): &Slot| (queue.name.clone(), queue.concurrency_overall);
        let queues: Arc<[_]> = slots.iter().map(queue_of).collect();
        let names: Arc<[Arc<str>]> = slots.iter().flat_map(|(queue, _)| queue.jobs.iter().cloned()).collect();
        let (worker, clock) = (self.worker, self.shared.clock.clone());
        let unit = Unit {
            name: "the lane of suspect jobs".into(),
            driver: "native",
            start: Box::new(move |slot| {
                let (queues, names, clock) = (queues.clone(), names.clone(), clock.clone());
                Box::pin(async move {
                    let mut tx = slot.take().await;
                    // Read within the transaction: before it, the attempt would begin before the lost one has ended.
                    let now = clock.now();
                    let claimed = tx.claim_suspect(worker, &queues, &names, now).await.map_err(Error::from);
                    (Some(tx), claimed)
                })
            }),
        };
        unit::run(&self.shared, unit, self.shared.config.limits(), Access::Own).await
    }

    /// Waits until the attempt has ended, that is written, and its handler is gone. Until then no other suspect may run.
    async fn attend(&mut self, queue: &Arc<QueueFacts>, alone: MutexGuard<'_, ()>) -> Result<()> {
        let let_go_at = Instant::now() + ALONE_MAX;
        let mut alone = Some(alone);
        while !self.running.all_decided() {
            let wake_at = self.running.next_deadline().unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = tokio::time::sleep_until(let_go_at), if alone.is_some() => alone = None,
                () = self.running.wait(&mut self.ended) => {}
                () = self.shared.clock.sleep_until(wake_at) => {
                    self.running.time_out(self.shared.clock.now(), &mut self.ended);
                }
                cancel = self.cancels.recv() => {
                    if let Ok(cancel) = cancel {
                        self.running.cancel(&cancel, &mut self.ended);
                    }
                }
                _ = self.give_back.wait_for(|give_back| *give_back) => self.running.give_back(&mut self.ended),
            }
        }
        let mut ends = Ends::default();
        ends.extend(self.ended.drain(..));
        if settle(self.shared.clone(), queue.clone(), self.worker, ends, None).await.is_none() {
            return Err(StoreError::Closed.into());
        }
        // A handler that blocks its thread has lost its job, and may yet end the process: nobody else is to be suspected of that.
        while !self.running.is_empty() {
            tokio::select! {
                () = self.running.wait(&mut self.ended) => {}
                () = tokio::time::sleep_until(let_go_at), if alone.is_some() => alone = None,
                _ = self.stop.wait_for(|stop| *stop) => break,
            }
        }
        Ok(())
    }
}

/// Waits until there may be a suspect to be run.
async fn may_be_there(look: &Notify, watches: &mut [Box<dyn Watch>]) {
    let changed = async {
        if watches.is_empty() {
            return pending().await;
        }
        select_all(watches.iter_mut().map(|watch| watch.changed())).await;
        tokio::time::sleep(LOOK_AFTER).await;
    };
    tokio::select! {
        () = look.notified() => {}
        () = changed => {}
    }
}

/// Waits until no consumer goes carefully and there are slots, of each queue that has one free then; those queues are left
/// no more. A queue may be full for long, and a consumer may be careful for long: who waits for the one does not have the other.
async fn alone_with_slots<'s>(
    shared: &'s Shared,
    left: &mut Vec<Arc<QueueFacts>>,
) -> (Vec<Slot>, MutexGuard<'s, ()>) {
    loop {
        let alone = shared.careful.lock().await;
        let slots = free_slots(left);
        if !slots.is_empty() {
            return (slots, alone);
        }
        drop(alone);
        let slot = first_slot(left).await;
        if let Ok(alone) = shared.careful.try_lock() {
            left.retain(|queue| !Arc::ptr_eq(queue, &slot.0));
            return (vec![slot], alone);
        }
    }
}

/// Takes a slot of each queue that has one free; those queues are left no more.
fn free_slots(left: &mut Vec<Arc<QueueFacts>>) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::new();
    left.retain(|queue| match queue.slots.clone().try_acquire_owned() {
        Ok(permit) => {
            slots.push((queue.clone(), permit));
            false
        }
        Err(_) => true,
    });
    slots
}

/// Waits for the first slot of these queues, which are not none.
async fn first_slot(queues: &[Arc<QueueFacts>]) -> Slot {
    let slots = queues.iter().map(|queue| {
        Box::pin(async {
            match queue.slots.clone().acquire_owned().await {
                Ok(permit) => (queue.clone(), permit),
                // They are never closed.
                Err(_) => pending().await,
            }
        })
    });
    select_all(slots).await.0
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use futures_util::FutureExt;
    use serde::{Deserialize, Serialize};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{App, Config, Job, JobCtx, Module, Queue};

    #[derive(Job, Serialize, Deserialize)]
    #[job("single.job")]
    struct Single {}

    async fn single(_: &mut JobCtx, _: Single) -> Result<()> {
        Ok(())
    }

    /// Who waits for a consumer has no slot, and who waits for a slot keeps no consumer waiting.
    #[tokio::test]
    async fn nobody_waits_for_one_with_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.path = dir.path().join("app.db");
        let module = Module::new("single").job(Queue::named("single").concurrency(1), single);
        let app = App::builder().module(module).config(config).build().await.unwrap();
        let shared = app.shared.clone();
        // A queue of its own, from which nobody else takes slots.
        let queue = Arc::new(QueueFacts {
            name: "other".into(),
            label: "queue `other`".into(),
            concurrency: 1,
            concurrency_overall: None,
            rate: None,
            jobs: Vec::new(),
            is_worked: true,
            slots: Arc::new(Semaphore::new(1)),
        });
        let mut left = vec![queue.clone()];
        let alone = shared.careful.lock().await;
        let mut waiting = std::pin::pin!(alone_with_slots(&shared, &mut left));
        assert!(waiting.as_mut().now_or_never().is_none(), "a consumer is careful");
        let only = queue.slots.clone().try_acquire_owned().expect("its slot is free");
        drop(alone);
        assert!(waiting.as_mut().now_or_never().is_none(), "its slot is taken");
        drop(shared.careful.try_lock().expect("consumers may be careful"));
        drop(only);
        let (slots, _alone) = waiting.await;
        assert_eq!(slots.len(), 1);
        assert!(shared.careful.try_lock().is_err(), "no consumer goes carefully meanwhile");
        drop(slots);
    }
}
