//! Cancelling.

use tidings::store::{AttemptEnd, Cancelled, JobState};
use tidings::{JobCtx, MessageId, Queue, Result};

use super::app::{Act, Task, open, runs, step, tables, task, work};
use crate::app::counters;
use crate::support::Harness;

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
