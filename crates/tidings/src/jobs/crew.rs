//! The worker: who this process is to the store, and those who work under its lease.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{StoreError, WorkerId};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::Cancel;
use super::run::QueueLoop;
use super::suspects::SuspectLane;
use crate::app::Shared;
use crate::patience::Patience;

/// Heartbeats within the time of one lease, so that one that is late loses nothing.
const BEATS_A_LEASE: u32 = 3;

/// Why a worker ended.
enum Ended {
    Stopped,
    /// Its attempts are void.
    Void,
}

/// Works the queues until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    while let Some(worker) = enlist(&shared, &mut stop).await {
        match tend(&shared, worker, stop.clone()).await {
            Ended::Stopped => break,
            Ended::Void => tracing::warn!("the worker is void; its jobs go to others, and it enlists anew"),
        }
    }
    // What blocks a thread has lost its job, but it runs.
    for queue in shared.jobs.worked() {
        let all = u32::try_from(queue.concurrency).unwrap_or(u32::MAX);
        drop(queue.slots.acquire_many(all).await);
    }
}

/// Enters this process as a worker; `None` if it is to stop.
async fn enlist(shared: &Shared, stop: &mut watch::Receiver<bool>) -> Option<WorkerId> {
    let about = about();
    let mut patience = Patience::default();
    while !*stop.borrow() {
        let pause = match shared.store.enlist(&about, shared.config.jobs.lease()).await {
            Ok(worker) => return Some(worker),
            Err(StoreError::Closed) => return None,
            Err(error) => patience.pause("the worker of jobs", &error.into()),
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    None
}

/// Who this is, for people.
fn about() -> String {
    format!("process {}", std::process::id())
}

/// Keeps the worker's lease while its queues are worked.
async fn tend(shared: &Arc<Shared>, worker: WorkerId, stop: watch::Receiver<bool>) -> Ended {
    let look = Arc::new(Notify::new());
    let mut crew = JoinSet::new();
    for queue in shared.jobs.worked() {
        crew.spawn(QueueLoop::new(shared, queue, worker, stop.clone()).work());
    }
    crew.spawn(SuspectLane::new(shared, worker, look.clone(), stop.clone()).work());
    let lease = shared.config.jobs.lease();
    let mut beats = tokio::time::interval((lease / BEATS_A_LEASE).max(Duration::from_millis(1)));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks_at = Instant::now();
    let ended = loop {
        tokio::select! {
            _ = beats.tick() => {
                if let Some(ended) = beat(shared, worker).await {
                    break ended;
                }
                if looks_at <= Instant::now() {
                    looks_at = Instant::now() + lease;
                    take_over(shared, worker, &look).await;
                }
            }
            left = crew.join_next() => match left {
                Some(Ok(())) if *stop.borrow() => {}
                None => break Ended::Stopped,
                // It does not know what it has claimed any more, and says so itself; or it panicked.
                Some(left) => {
                    if let Err(error) = left {
                        tracing::error!(%error, "a queue is not worked any more");
                    }
                    break Ended::Void;
                }
            },
        }
    };
    // Their attempts are called off with them.
    crew.shutdown().await;
    if let Err(error) = shared.store.dismiss(worker, shared.clock.now()).await
        && !matches!(error, StoreError::Closed)
    {
        tracing::warn!(%error, "the worker was not dismissed; its jobs are taken over when its lease has lapsed");
    }
    ended
}

/// Renews the lease, and passes on what is to be cancelled.
async fn beat(shared: &Shared, worker: WorkerId) -> Option<Ended> {
    match shared.store.heartbeat(worker).await {
        Ok(beat) => {
            for (id, attempt, reason) in beat.cancelled {
                // Nobody hears it who has no attempt.
                let _ = shared.jobs.cancels.send(Cancel { id, attempt, reason: reason.into() });
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
