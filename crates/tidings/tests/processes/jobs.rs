//! Queues that several processes work.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tidings::store::{JobFilter, JobState};
use tidings::{App, Job, JobCtx, Module, Queue, Result, ToEnqueue};
use tokio::sync::Semaphore;

use crate::support::World;

const OVERALL: usize = 5;
const JOBS: usize = 40;

/// Waits until it may end.
#[derive(Job, Serialize, Deserialize)]
#[job("slow.wait")]
struct Wait {
    number: usize,
}

static RUNNING: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
static ENDS: Semaphore = Semaphore::const_new(0);

async fn wait(ctx: &mut JobCtx, job: Wait) -> Result<()> {
    MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    ENDS.acquire().await.expect("it is never closed").forget();
    RUNNING.fetch_sub(1, Ordering::SeqCst);
    // Some end with the next claim, and some in a transaction of their own.
    if job.number.is_multiple_of(2) {
        ctx.finish().await?.commit().await?;
    }
    Ok(())
}

async fn until(app: &App, state: JobState, expected: usize) {
    let begun = Instant::now();
    loop {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        let found = app.store().jobs(&filter, 1_000).await.unwrap();
        if found.len() == expected {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never {expected} {state:?}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Over all processes no more run at once than the queue says, whatever one ends with another goes on, and the shares take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_queue_runs_no_more_than_it_may_over_all_processes() {
    let Some(world) = World::new().await else { return };
    let modules = || {
        let queue = Queue::named("slow").concurrency(4).concurrency_overall(OVERALL);
        [Module::new("slow").job(queue, wait)]
    };
    let mut apps = vec![world.process(modules(), None).await.unwrap()];
    let jobs = (0..JOBS)
        .map(|number| ToEnqueue::new(Wait { number }).share(if number < 30 { "large" } else { "small" }));
    for row in apps[0].outbox("slow").unwrap().enqueue_many(jobs).await.unwrap() {
        assert!(row.unwrap().is_new);
    }
    for _ in 0..2 {
        apps.push(world.process(modules(), None).await.unwrap());
    }
    until(&apps[0], JobState::Running, OVERALL).await;
    for ended in 1..=JOBS {
        ENDS.add_permits(1);
        until(&apps[0], JobState::Completed, ended).await;
        until(&apps[0], JobState::Running, OVERALL.min(JOBS - ended)).await;
        if ended == 15 {
            // Twenty have started.
            let ready = JobFilter { state: Some(JobState::Ready), ..JobFilter::default() };
            let mut waiting: BTreeMap<_, usize> = BTreeMap::new();
            for job in apps[0].store().jobs(&ready, 1_000).await.unwrap() {
                *waiting.entry(job.share.unwrap().to_string()).or_default() += 1;
            }
            assert_eq!(waiting, BTreeMap::from([("large".to_owned(), 20)]), "each has started ten");
        }
    }
    assert_eq!(MOST.load(Ordering::SeqCst), OVERALL, "no more run at once than may, and so many do");
    for app in apps {
        app.shutdown().await.unwrap();
    }
}
