//! Attempts: how they fail, and what follows.

use std::time::Duration;

use tidings::store::{AttemptEnd, DeathReason, JobState};
use tidings::{Clock, Error, JobCtx, Queue, Result};

use super::app::{Act, STEP_TIERS, Task, keys, noted, open, runs, step, tables, task, work};
use crate::app::{counters, notes};
use crate::support::{Harness, alter};
use crate::telling;

async fn start() -> Harness {
    Harness::with([counters(), crate::app::audit(), work()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_job_is_tried_by_the_tiers_and_is_dead_then() {
    let harness = start().await;
    let id = harness.enqueue(task("try-tiers", Act::Fail(99))).await;
    let mut failed_at = harness.clock.now();
    for (attempt, tier) in [(1, 10.0), (2, 60.0), (3, 600.0), (4, 3_600.0), (5, 7_200.0)] {
        let job = harness.until_job(id, JobState::Scheduled).await;
        assert_eq!((job.attempts, job.failures), (attempt, attempt));
        let delay = job.due.duration_since(failed_at).as_secs_f64();
        assert!((tier * 0.9..=tier * 1.1).contains(&delay), "attempt {attempt}: {delay} s");
        // A moment before it is due nothing happens.
        harness.clock.set(job.due - Duration::from_millis(1));
        assert_eq!(harness.job(id).await.state, JobState::Scheduled);
        failed_at = job.due;
        harness.clock.set(job.due);
        harness.until_runs("try-tiers", attempt as usize + 1).await;
    }
    let job = harness.until_job(id, JobState::Dead).await;
    assert_eq!((job.attempts, job.death), (6, Some(DeathReason::Exhausted)));
    assert_eq!(runs("try-tiers"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(keys("try-tiers"), [id; 6], "the dedupe key is the same for each attempt");
    let attempts = harness.app.jobs().attempts(id).await.unwrap();
    assert_eq!(attempts.len(), 6);
    assert!(attempts.iter().all(|attempt| attempt.end == AttemptEnd::Failed));
    assert!(attempts[0].error.contains("attempt 1 fails"), "{}", attempts[0].error);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_fail_together_do_not_come_back_together() {
    let harness = start().await;
    let tasks = (0..20).map(|number| task(&format!("try-jitter-{number}"), Act::Fail(1)));
    let ids = harness.app.outbox("work").unwrap().enqueue_many(tasks).await.unwrap();
    let mut dues = std::collections::HashSet::new();
    for row in &ids {
        dues.insert(harness.until_job(row.as_ref().unwrap().id, JobState::Scheduled).await.due);
    }
    assert!(dues.len() > 10, "{dues:?}");
    harness.clock.advance(Duration::from_secs(12));
    for row in ids {
        harness.until_job(row.unwrap().id, JobState::Completed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_may_have_a_schedule_of_its_own() {
    let harness = start().await;
    let id = harness.enqueue(step("try-own", Act::Fail(99))).await;
    for (attempt, tier) in (1..).zip(STEP_TIERS) {
        harness.until_runs("try-own", attempt).await;
        let job = harness.until_job(id, JobState::Scheduled).await;
        assert_eq!(job.due.duration_since(harness.clock.now()).as_secs(), i64::try_from(tier).unwrap());
        harness.clock.set(job.due);
    }
    harness.until_job(id, JobState::Dead).await;
    assert_eq!(runs("try-own"), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_says_when_to_try_again_and_it_counts() {
    let harness = start().await;
    let id = harness.enqueue(step("try-after", Act::RetryAfter(3_000))).await;
    let job = harness.until_job(id, JobState::Scheduled).await;
    assert_eq!(job.due.duration_since(harness.clock.now()).as_secs(), 3_000);
    assert_eq!((job.failures, job.error.as_deref()), (1, Some("come back later")));
    harness.clock.set(job.due);
    harness.until_job(id, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snooze_is_no_failure() {
    let harness = start().await;
    // More often than the schedule has tiers.
    let id = harness.enqueue(step("try-snooze", Act::Snooze(5, 7))).await;
    for attempt in 1..=5 {
        harness.until_runs("try-snooze", attempt).await;
        let job = harness.until_job(id, JobState::Scheduled).await;
        assert_eq!((job.failures, job.attempts as usize), (0, attempt));
        assert_eq!(job.due.duration_since(harness.clock.now()).as_secs(), 7);
        harness.clock.set(job.due);
    }
    harness.until_job(id, JobState::Completed).await;
    let attempts = harness.app.jobs().attempts(id).await.unwrap();
    assert!(attempts.iter().all(|attempt| attempt.end == AttemptEnd::Snoozed), "{attempts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_attempt_can_mend_is_dead_at_once() {
    let harness = start().await;
    let permanent = harness.enqueue(task("try-permanent", Act::Permanent)).await;
    let job = harness.until_job(permanent, JobState::Dead).await;
    assert_eq!((job.attempts, job.death), (1, Some(DeathReason::Permanent)));
    let undeclared = harness.enqueue(task("try-undeclared", Act::CallUndeclared)).await;
    let job = harness.until_job(undeclared, JobState::Dead).await;
    assert!(job.error.as_ref().unwrap().contains("declare it with `.sends::<..>()`"), "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_does_not_decode_is_dead_and_not_quoted() {
    let harness = start().await;
    harness.app.queues().pause("tasks", "until it is garbled").await.unwrap();
    let id = harness.enqueue(task("try-garbled", Act::Done)).await;
    harness.app.shutdown().await.unwrap();
    alter(&harness.path(), r#"UPDATE tidings_jobs SET data = '{"label": {"secret": 1}}'"#).await;
    let harness = harness.start_again_with([counters(), crate::app::audit(), work()]).await.unwrap();
    harness.app.queues().resume("tasks").await.unwrap();
    let job = harness.until_job(id, JobState::Dead).await;
    assert_eq!(job.death, Some(DeathReason::Permanent));
    let error = job.error.unwrap();
    assert!(error.contains("field `label`") && !error.contains("secret"), "{error}");
    assert!(runs("try-garbled").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transient_error_is_tried_again_at_once_and_is_no_attempt() {
    let harness = start().await;
    let id = harness.enqueue(task("try-transient", Act::Transient(2))).await;
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!((job.attempts, job.failures), (1, 0));
    assert_eq!(runs("try-transient"), [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_stays_transient_has_failed() {
    let harness = start().await;
    let id = harness.enqueue(task("try-always", Act::Transient(99))).await;
    let job = harness.until_job(id, JobState::Scheduled).await;
    assert_eq!((job.attempts, job.failures, runs("try-always").len()), (1, 1, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_job_that_failed_is_told_once() {
    telling::listen();
    let harness = start().await;
    for (act, state, news) in [
        (Act::Fail(1), JobState::Scheduled, "the attempt failed; the job is tried again"),
        (Act::Permanent, JobState::Dead, "the job is dead"),
    ] {
        let id = harness.enqueue(task("try-told", act)).await;
        harness.until_job(id, state).await;
        let told = || telling::told(|text| text.contains(&format!("id={id}")) && text.contains(news));
        harness.until(news, async |_| told() > 0).await;
        assert_eq!(told(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_and_nobody_elses() {
    let harness = start().await;
    let id = harness.enqueue(task("try-panic", Act::Panic)).await;
    let job = harness.until_job(id, JobState::Scheduled).await;
    let error = job.error.unwrap();
    assert!(error.contains("job `work.task` panicked: a task too far"), "{error}");
    let other = harness.enqueue(task("try-after-panic", Act::Done)).await;
    harness.until_job(other, JobState::Completed).await;
}

/// An error that cannot be shown.
#[derive(Debug)]
struct Unshown;

impl std::fmt::Display for Unshown {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("it cannot be told")
    }
}

impl std::error::Error for Unshown {}

/// What cannot be dropped.
struct Kept;

impl Drop for Kept {
    fn drop(&mut self) {
        panic!("it is not let go")
    }
}

async fn panics_late(ctx: &mut JobCtx, job: Task) -> Result<()> {
    match job.act {
        Act::HangInFinish => {
            let _kept = Kept;
            let _done = ctx.finish().await?;
            std::future::pending().await
        }
        _ => Err(Error::failed(Unshown)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_what_a_handler_leaves_behind_is_a_failure() {
    let harness = Harness::with([tables().job(Queue::named("tasks"), panics_late)]).await;
    for (act, told) in [(Act::Fail(1), "it cannot be told"), (Act::HangInFinish, "it is not let go")] {
        let id = harness.enqueue(task("try-late-panic", act)).await;
        let job = harness.until_job(id, JobState::Scheduled).await;
        assert_eq!(job.error, Some(format!("job `work.task` panicked: {told}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_is_dropped_and_has_failed() {
    let harness = start().await;
    let id = harness.enqueue(step("try-hang", Act::Hang)).await;
    harness.until_runs("try-hang", 1).await;
    harness.clock.advance(Duration::from_secs(29));
    assert_eq!(harness.job(id).await.state, JobState::Running);
    harness.clock.advance(Duration::from_secs(1));
    let job = harness.until_job(id, JobState::Scheduled).await;
    assert_eq!(job.error.as_deref(), Some("job `work.step` did not end within 30s"));
    // Its slot is free again.
    let next = harness.enqueue(step("try-after-hang", Act::Done)).await;
    harness.until_job(next, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_blocks_its_thread_has_failed_all_the_same_and_cannot_finish() {
    let harness = start().await;
    let id = harness.enqueue(task("try-block", Act::Block)).await;
    harness.until("it blocks", async |_| !noted("try-block").is_empty()).await;
    harness.clock.advance(Duration::from_secs(300));
    let job = harness.until_job(id, JobState::Scheduled).await;
    assert!(job.error.unwrap().contains("did not end within"));
    open("try-block");
    // What is left of it is dropped at its next await, which is in its finish.
    harness.clock.advance(Duration::from_secs(12));
    harness.until_job(id, JobState::Completed).await;
    assert_eq!(noted("try-block"), ["blocks", "blocks", "finished"]);
    assert_eq!(harness.done().await, ["try-block"], "the second attempt did");
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_kept_from_one_attempt_to_the_next() {
    let harness = start().await;
    let id = harness.enqueue(task("try-progress", Act::Progress)).await;
    let job = harness.until_job(id, JobState::Scheduled).await;
    assert_eq!(
        job.progress.as_deref(),
        Some("2"),
        "the last report is kept, though it came soon after the first"
    );
    harness.clock.advance(Duration::from_secs(12));
    harness.until_job(id, JobState::Completed).await;
    assert_eq!(noted("try-progress"), ["goes on at 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_calls_commands_and_queries_which_belong_to_its_flow() {
    let harness = start().await;
    let id = harness.enqueue(task("try-call", Act::Call)).await;
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!(noted("try-call"), ["2 Some(2)"]);
    let flow = harness.app.store().flow(job.correlation_id).await.unwrap();
    let bumped = flow.iter().find(|message| &*message.envelope.name == "counters.bumped").unwrap();
    let command = bumped.envelope.causation_id.unwrap();
    let outcome = harness.app.store().outcome_of(command).await.unwrap().unwrap();
    assert_eq!((outcome.causation_id, outcome.correlation_id), (Some(id), job.correlation_id));
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "try-call").await, ["bumped to 2"]);
}
