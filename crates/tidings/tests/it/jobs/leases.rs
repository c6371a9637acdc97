//! Leases: a worker that is not heard of has lost its jobs, though it be alive.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tidings::store::{AttemptEnd, JobState, Store};
use tidings::{App, Config};
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::clock::ManualClock;

use super::app::{Act, noted, open, runs, task, work};
use crate::app::counters;
use crate::support::{Harness, config, path};
use crate::telling;

fn short(dir: &tempfile::TempDir) -> Config {
    let mut config = config(dir);
    config.store.lease_seconds = 0.3;
    config
}

async fn start(store: &Arc<dyn Store>, clock: &Arc<ManualClock>, config: Config) -> App {
    let modules = [counters(), work()];
    let app = App::builder().modules(modules).contracts(crate::app::contracts::CONTRACTS).config(config);
    app.clock(clock.clone()).store(store.clone()).build().await.unwrap()
}

/// An application on an async runtime of its own, with one thread, which freezes while a job blocks it.
struct Frozen {
    thread: std::thread::JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Frozen {
    fn start(store: &Arc<dyn Store>, clock: &Arc<ManualClock>, config: Config) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (started, is_started) = mpsc::channel();
        let (store, clock) = (store.clone(), clock.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let app = start(&store, &clock, config).await;
                started.send(()).unwrap();
                stopped.await.unwrap();
                drop(app);
            });
        });
        is_started.recv().unwrap();
        Self { thread, stop }
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_that_was_frozen_past_its_lease_cannot_finish_what_another_has_taken() {
    telling::listen();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteConfig::new(path(&dir))).await.unwrap());
    let (of, on, short) = (store.clone(), clock.clone(), short(&dir));
    let frozen = tokio::task::spawn_blocking({
        let short = short.clone();
        move || Frozen::start(&of, &on, short)
    });
    let frozen = frozen.await.unwrap();
    let task = task("lease-frozen", Act::Freeze);
    // Enqueued through the store, so that the frozen one is the only one there to claim it.
    let id = enqueue_on(&store, &clock, &short, task).await;
    until("it has begun", || noted("lease-frozen").len() == 1).await;
    let app = start(&store, &clock, short).await;
    let harness = Harness { app, clock, dir };
    // The other one takes over and does it, while the first is frozen.
    until("the second attempt has begun", || runs("lease-frozen").len() == 2).await;
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!((job.attempts, job.losses), (2, 0));
    open("lease-frozen");
    until("the first attempt has thawed", || noted("lease-frozen").len() == 3).await;
    let told = noted("lease-frozen").pop().unwrap();
    assert!(told.contains("the lease on `work.task` is void"), "{told}");
    assert_eq!(harness.done().await, ["lease-frozen"], "it was done once");
    let attempts = harness.app.jobs().attempts(id).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.end).collect::<Vec<_>>(), [AttemptEnd::Lost]);
    // The thawed worker enlists anew, and works on.
    tokio::task::spawn_blocking(move || frozen.stop()).await.unwrap();
    let told =
        telling::told(|text| text.contains(&id.to_string()) && text.contains("the job is tried again"));
    assert_eq!(told, 0, "what did not count is not told");
    harness.app.shutdown().await.unwrap();
}

async fn enqueue_on(
    store: &Arc<dyn Store>,
    clock: &Arc<ManualClock>,
    config: &Config,
    task: super::app::Task,
) -> tidings::MessageId {
    // An application that works no queue of tasks.
    let mut config = config.clone();
    config.jobs.only = vec!["steps".to_owned()];
    let app = start(store, clock, config).await;
    app.outbox("work").unwrap().enqueue(task).await.unwrap().id
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !reached() {
        assert!(begun.elapsed() < Duration::from_secs(10), "never reached: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
