//! The worker: who this process is to the store, and those who work under its lease.
//!
//! There is no leader. Every process says that it is alive, looks who else is, and computes by the same rule who should hold
//! which partition; see [`shares`]. What lost workers were at is taken over by whoever notices first.

mod shares;

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{Known, Member, StoreError, WorkerId};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use crate::app::{Consumer, Orphans, Shared};
use crate::consumer::{Desk, Order};
use crate::jobs;
use crate::patience::Patience;
use shares::Shares;

/// Heartbeats within the time of one lease, so that one that is late loses nothing.
const BEATS_A_LEASE: u32 = 3;

/// A store that is busy gets so much time to answer a heartbeat, however short the lease.
const ANSWER_MIN: Duration = Duration::from_secs(1);

/// Changes that come together are looked at together.
const SETTLES_WITHIN: Duration = Duration::from_millis(10);

/// A consumer that is known here, with a desk for each of its partitions.
pub(crate) struct Post {
    pub(crate) consumer: Arc<Consumer>,
    pub(crate) desks: Vec<Desk>,
}

/// Why a worker ended.
enum Ended {
    Stopped,
    /// Whatever it has claimed is void.
    Void,
}

/// Those who work here.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    shares: Shares,
    /// At the desks.
    staff: JoinSet<()>,
    stop: watch::Receiver<bool>,
}

impl Crew {
    pub(crate) fn new(
        shared: Arc<Shared>,
        posts: Arc<[Post]>,
        staff: JoinSet<()>,
        orphans: Orphans,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { shares: Shares::new(shared.clone(), posts, orphans), shared, staff, stop }
    }

    /// Works until told to stop.
    pub(crate) async fn work(mut self) {
        while self.shared.config.start.workers
            && let Some(worker) = self.enlist().await
        {
            match self.tend(worker).await {
                Ended::Stopped => break,
                Ended::Void => {
                    tracing::warn!("the worker is void; what it was at goes to others, and it enlists anew");
                }
            }
        }
        if !self.shared.config.start.workers {
            is_told_to_stop(&mut self.stop).await;
        }
        self.shares.order_all(Order::Stop);
        while let Some(left) = self.staff.join_next().await {
            tell_of_panic(left);
        }
        // What blocks a thread has lost its job, but it runs.
        for queue in self.shared.jobs.worked() {
            let all = u32::try_from(queue.concurrency).unwrap_or(u32::MAX);
            drop(queue.slots.acquire_many(all).await);
        }
    }

    /// Enters this process as a worker; `None` if it is to stop.
    async fn enlist(&mut self) -> Option<WorkerId> {
        let member = self.member();
        let mut patience = Patience::default();
        while !*self.stop.borrow() {
            let pause = match self.shared.store.enlist(&member, self.shared.config.lease()).await {
                Ok(worker) => {
                    self.shared.works_as(worker);
                    return Some(worker);
                }
                Err(StoreError::Closed) => return None,
                Err(error) => patience.pause("the worker", &error.into()),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait_for(|stop| *stop) => {}
            }
        }
        None
    }

    /// What this process knows.
    fn member(&self) -> Member {
        let known = |post: &Post| Known {
            consumer: post.consumer.spec.name.clone(),
            generation: post.consumer.spec.filter.generation(),
        };
        Member {
            about: about(),
            consumers: self.shares.posts().iter().map(known).collect(),
            jobs: self.shared.jobs.jobs().map(|job| job.name.clone()).collect(),
        }
    }

    /// Keeps the worker's lease while its partitions and queues are worked.
    async fn tend(&mut self, worker: WorkerId) -> Ended {
        let look = Arc::new(Notify::new());
        let mut queues = jobs::work(&self.shared, worker, &look, &self.stop);
        let lease = self.shared.config.lease();
        let beaten = Arc::new(Notify::new());
        let mut pulse = JoinSet::new();
        let mut news = self.shared.store.watch_crew();
        let (mut looks_at, mut stopping, mut stop) = (Instant::now(), false, self.stop.clone());
        // Before the first heartbeat, so that nobody waits for it.
        self.shares.divide(worker).await;
        // A task of its own: what is done between two heartbeats waits for connections, and may take long.
        pulse.spawn(keep_alive(self.shared.clone(), worker, beaten.clone()));
        let ended = loop {
            tokio::select! {
                Some(ended) = pulse.join_next() => break ended.unwrap_or(Ended::Void),
                () = beaten.notified() => {
                    if looks_at <= Instant::now() {
                        looks_at = Instant::now() + lease;
                        take_over(&self.shared, worker, &look).await;
                    }
                    if !stopping {
                        self.shares.divide(worker).await;
                    }
                }
                () = news.changed(), if !stopping => {
                    tokio::time::sleep(SETTLES_WITHIN).await;
                    self.shares.divide(worker).await;
                }
                Some(left) = self.staff.join_next() => tell_of_panic(left),
                Some(left) = queues.join_next() => match left {
                    Ok(()) if *self.stop.borrow() => {}
                    // It does not know what it has claimed any more, and says so itself; or it panicked.
                    Ok(()) => break Ended::Void,
                    Err(error) => {
                        tracing::error!(%error, "a queue is not worked any more");
                        break Ended::Void;
                    }
                },
                () = is_told_to_stop(&mut stop), if !stopping => {
                    stopping = true;
                    self.shares.order_all(Order::Stop);
                }
            }
            if stopping && queues.is_empty() && self.staff.is_empty() {
                break Ended::Stopped;
            }
        };
        // Their attempts are called off with them.
        queues.shutdown().await;
        pulse.shutdown().await;
        if let Err(error) = self.shared.store.dismiss(worker, self.shared.clock.now()).await
            && !matches!(error, StoreError::Closed)
        {
            tracing::warn!(%error, "the worker was not dismissed; what it was at is taken over when its lease has lapsed");
        }
        ended
    }
}

/// Returns when it is time to stop; keeps no hold on the flag, unlike what it waits with.
async fn is_told_to_stop(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// Who this is, for people.
fn about() -> String {
    format!("process {}", std::process::id())
}

fn tell_of_panic(left: Result<(), JoinError>) {
    if let Err(error) = left {
        tracing::error!(%error, "a partition is not worked any more");
    }
}

/// Renews the lease, and says so, for as long as the worker is not void.
async fn keep_alive(shared: Arc<Shared>, worker: WorkerId, beaten: Arc<Notify>) -> Ended {
    let pause = (shared.config.lease() / BEATS_A_LEASE).max(Duration::from_millis(1));
    // One that gets no answer is given up for the next one, which has a connection of its own.
    let answer_max = pause.max(ANSWER_MIN);
    let mut beats = tokio::time::interval(pause);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        match tokio::time::timeout(answer_max, beat(&shared, worker)).await {
            Ok(Some(ended)) => return ended,
            Ok(None) => {}
            Err(_elapsed) => {
                tracing::warn!(
                    ?answer_max,
                    "the store has not renewed the worker's lease in time; tried again"
                );
            }
        }
        beaten.notify_one();
    }
}

/// Renews the lease, and passes on what is to be cancelled.
async fn beat(shared: &Shared, worker: WorkerId) -> Option<Ended> {
    match shared.store.heartbeat(worker).await {
        Ok(beat) => {
            for (id, attempt, reason) in beat.cancelled {
                // Nobody hears it who has no attempt.
                let _ = shared.jobs.cancels.send(jobs::Cancel { id, attempt, reason: reason.into() });
            }
            None
        }
        Err(StoreError::Fenced { .. }) => Some(Ended::Void),
        Err(StoreError::Closed) => Some(Ended::Stopped),
        Err(error) => {
            tracing::warn!(%error, "the worker's lease was not renewed; tried again");
            None
        }
    }
}

/// Takes over what lost workers had claimed. Suspects may also be there from others who did so and were lost.
async fn take_over(shared: &Shared, worker: WorkerId, look: &Notify) {
    match shared.store.take_over(worker, shared.clock.now()).await {
        Ok(0) => {}
        Ok(jobs) => tracing::warn!(jobs, "jobs were running when their worker was lost; each is run alone"),
        Err(error) => tracing::warn!(%error, "nobody looked for lost workers; tried again"),
    }
    look.notify_one();
}
