//! Cancelling.

use std::sync::{Arc, Mutex};

use tidings::store::{AttemptEnd, Cancelled, Heartbeat, JobState, Store};
use tidings::{App, JobCtx, MessageId, Queue, Result};
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::clock::ManualClock;
use tidings_testkit::layer::{Layer, Layered};

use super::app::{Act, Task, open, runs, step, tables, task, work, work_with};
use crate::app::counters;
use crate::support::{Harness, config, path};

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_job_is_cancelled_at_once() {
    let harness = Harness::with([counters(), work()]).await;
    harness.app.queues().pause("tasks", "a test").await.unwrap();
    let outbox = harness.app.outbox("work").unwrap();
    let head = outbox.enqueue(task("can-head", Act::Done)).key("k", "1").await.unwrap().id;
    let behind = outbox.enqueue(task("can-behind", Act::Done)).key("k", "1").await.unwrap().id;
    assert_eq!(harness.app.jobs().cancel(head, "a mistake").await.unwrap(), Cancelled::AtOnce);
    let job = harness.job(head).await;
    assert_eq!((job.state, job.reason.as_deref()), (JobState::Cancelled, Some("a mistake")));
    harness.app.queues().resume("tasks").await.unwrap();
    harness.until_job(behind, JobState::Completed).await;
    assert!(runs("can-head").is_empty());
    assert!(harness.app.jobs().cancel(behind, "too late").await.is_err());
    assert!(harness.app.jobs().cancel(MessageId::new(), "nobody").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_dropped_at_its_next_await() {
    let harness = Harness::with([counters(), work()]).await;
    let id = harness.enqueue(step("can-run", Act::Hang)).await;
    harness.until_runs("can-run", 1).await;
    assert_eq!(harness.app.jobs().cancel(id, "it hangs").await.unwrap(), Cancelled::Asked);
    let job = harness.until_job(id, JobState::Cancelled).await;
    assert_eq!(job.reason.as_deref(), Some("it hangs"));
    let attempts = harness.app.jobs().attempts(id).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.end).collect::<Vec<_>>(), [AttemptEnd::Cancelled]);
    // Its slot, the only one, is free again.
    let next = harness.enqueue(step("can-next", Act::Done)).await;
    harness.until_job(next, JobState::Completed).await;
}

/// Hands the news of its end to a task of its own, which notes it, and waits for ever itself.
async fn watches(ctx: &mut JobCtx, job: Task) -> Result<()> {
    let cancelled = ctx.cancelled();
    assert!(!ctx.is_cancelled());
    open(&format!("{}-runs", job.label));
    tokio::spawn(async move {
        cancelled.await;
        open(&job.label);
    });
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_runs_elsewhere_hears_of_it() {
    let harness = Harness::with([tables().job(Queue::named("tasks"), watches)]).await;
    let id = harness.enqueue(task("can-hear", Act::Done)).await;
    super::app::until_open("can-hear-runs").await;
    harness.app.jobs().cancel(id, "a test").await.unwrap();
    super::app::until_open("can-hear").await;
    harness.until_job(id, JobState::Cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_always_has_something_to_do_hears_of_it() {
    /// More than are claimed at once, so that there are free slots and jobs for them for as long as this lasts.
    const JOBS: usize = 6_000;
    let queue = Queue::named("tasks").concurrency(JOBS);
    let harness = Harness::with([counters(), work_with(queue)]).await;
    let id = harness.enqueue(task("can-busy", Act::Hang)).await;
    harness.until_runs("can-busy", 1).await;
    harness.app.queues().pause("tasks", "until all are there").await.unwrap();
    let outbox = harness.app.outbox("work").unwrap();
    outbox.enqueue_many((0..JOBS).map(|_| task("can-busy-other", Act::Done))).await.unwrap();
    harness.app.queues().resume("tasks").await.unwrap();
    harness.until_runs("can-busy-other", 1).await;
    harness.app.jobs().cancel(id, "it hangs").await.unwrap();
    harness.until_job(id, JobState::Cancelled).await;
    let done = runs("can-busy-other").len();
    assert!(done < JOBS / 2, "it was heard after {done} others");
}

/// Tells with each heartbeat what it was told to tell.
#[derive(Default)]
struct Tells(Mutex<Vec<(MessageId, u32, String)>>);

impl Layer for Tells {
    fn told(&self, mut heartbeat: Heartbeat) -> Heartbeat {
        heartbeat.cancelled.extend(self.0.lock().unwrap().iter().cloned());
        heartbeat
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_is_heard_late_is_not_for_the_next_attempt() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::default());
    let mut config = config(&dir);
    config.store.lease_seconds = 0.3;
    let inner: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteConfig::new(path(&dir))).await.unwrap());
    let tells = Arc::new(Tells::default());
    let store: Arc<dyn Store> = Arc::new(Layered::new(inner, tells.clone()));
    let app = App::builder().modules([counters(), work()]).contracts(crate::app::contracts::CONTRACTS);
    let app = app.config(config).clock(clock.clone()).store(store).build().await.unwrap();
    let harness = Harness { app, clock, dir };
    let id = harness.enqueue(task("can-late", Act::Hang)).await;
    harness.until_runs("can-late", 1).await;
    harness.app.jobs().cancel(id, "the first attempt").await.unwrap();
    harness.until_job(id, JobState::Cancelled).await;
    harness.app.jobs().retry(id).await.unwrap();
    harness.until_runs("can-late", 2).await;
    let wish = |id, attempt| (id, attempt, "told late".to_owned());
    tells.0.lock().unwrap().push(wish(id, 1));
    // Told in order, so that the queue that has heard the second has heard the first.
    let heard = harness.enqueue(task("can-late-heard", Act::Hang)).await;
    harness.until_runs("can-late-heard", 1).await;
    tells.0.lock().unwrap().push(wish(heard, 1));
    harness.until_job(heard, JobState::Cancelled).await;
    assert_eq!(harness.job(id).await.state, JobState::Running);
    tells.0.lock().unwrap().push(wish(id, 2));
    harness.until_job(id, JobState::Cancelled).await;
}
