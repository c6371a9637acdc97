//! Queues: order, limits, pauses.

use std::sync::Arc;
use std::time::Duration;

use tidings::store::{JobState, QueueStatus};
use tidings::{Clock, JobError, MessageId, Queue, QueueConfig};
use tidings_testkit::clock::ManualClock;

use super::app::{Act, keys, open, runs, step, task, work, work_with};
use crate::app::counters;
use crate::support::{Harness, alter, build, config};

async fn start() -> Harness {
    Harness::with([counters(), work()]).await
}

async fn queue(harness: &Harness, name: &str) -> QueueStatus {
    let queues = harness.app.queues().list().await.unwrap();
    queues.into_iter().find(|queue| &*queue.name == name).unwrap_or_else(|| panic!("no queue {name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lower_priority_runs_first_and_equals_in_their_order() {
    let harness = start().await;
    harness.app.queues().pause("steps", "until all are there").await.unwrap();
    let outbox = harness.app.outbox("work").unwrap();
    let mut ids = Vec::new();
    for priority in [0, 5, -1, 0, -1] {
        ids.push(outbox.enqueue(step("que-order", Act::Done)).priority(priority).await.unwrap().id);
    }
    harness.app.queues().resume("steps").await.unwrap();
    let [a, b, c, d, e] = ids[..] else { unreachable!() };
    for id in ids.iter().copied() {
        harness.until_job(id, JobState::Completed).await;
    }
    assert_eq!(keys("que-order"), [c, e, a, d, b]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_take_turns_and_are_listed() {
    let harness = start().await;
    harness.app.queues().pause("steps", "until all are there").await.unwrap();
    let outbox = harness.app.outbox("work").unwrap();
    let mut ids = Vec::new();
    for share in ["large", "large", "large", "small"] {
        ids.push(outbox.enqueue(step("que-share", Act::Done)).share(share).await.unwrap().id);
    }
    ids.push(outbox.enqueue(step("que-share", Act::Done)).await.unwrap().id);
    harness.app.queues().resume("steps").await.unwrap();
    for id in ids.iter().copied() {
        harness.until_job(id, JobState::Completed).await;
    }
    let [a, b, c, small, nobody] = ids[..] else { unreachable!() };
    assert_eq!(keys("que-share"), [a, small, nobody, b, c]);
    assert_eq!(harness.job(small).await.share.as_deref(), Some("small"));
    assert_eq!(harness.job(nobody).await.share, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_runs_no_more_at_once_than_it_may() {
    runs_two_at_once(Queue::named("tasks").concurrency(2), "here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_runs_no_more_at_once_than_it_may_overall() {
    runs_two_at_once(Queue::named("tasks").concurrency(8).concurrency_overall(2), "overall").await;
}

async fn runs_two_at_once(queue_of_two: Queue, which: &str) {
    let harness = Harness::with([counters(), work_with(queue_of_two)]).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(harness.enqueue(task(&format!("que-many-{which}-{number}"), Act::Wait)).await);
    }
    harness.until_job(ids[0], JobState::Running).await;
    harness.until_job(ids[1], JobState::Running).await;
    let status = queue(&harness, "tasks").await;
    assert_eq!((status.count(JobState::Running), status.count(JobState::Ready)), (2, 1));
    assert_eq!(harness.job(ids[2]).await.state, JobState::Ready);
    open(&format!("que-many-{which}-1"));
    harness.until_job(ids[2], JobState::Running).await;
    open(&format!("que-many-{which}-0"));
    open(&format!("que-many-{which}-2"));
    for id in ids {
        harness.until_job(id, JobState::Completed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_one_key_run_one_after_the_other_and_wait_behind_a_failed_one() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let keyed = async |label: &str, act: Act, key: &str| {
        outbox.enqueue(task(label, act)).key("sku", key).await.unwrap().id
    };
    let head = keyed("que-key-head", Act::Fail(1), "a").await;
    let behind = keyed("que-key-behind", Act::Done, "a").await;
    let last = keyed("que-key-last", Act::Done, "a").await;
    let free = keyed("que-key-free", Act::Done, "b").await;
    harness.until_job(free, JobState::Completed).await;
    harness.until_job(head, JobState::Scheduled).await;
    assert_eq!(harness.job(behind).await.state, JobState::Behind);
    assert_eq!(harness.job(last).await.state, JobState::Behind);
    harness.clock.advance(Duration::from_secs(12));
    harness.until_job(last, JobState::Completed).await;
    let mut ended = Vec::new();
    for id in [head, behind, last] {
        ended.push(harness.job(id).await.ended_at.unwrap());
    }
    assert!(ended.is_sorted(), "{ended:?}");
    assert_eq!(runs("que-key-head"), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_rate_holds_over_the_time() {
    let queue = Queue::named("tasks").rate(3, Duration::from_secs(60));
    let harness = Harness::with([counters(), work_with(queue)]).await;
    let tasks = (0..5).map(|number| task(&format!("que-rate-{number}"), Act::Done));
    let rows = harness.app.outbox("work").unwrap().enqueue_many(tasks).await.unwrap();
    let ids: Vec<MessageId> = rows.into_iter().map(|row| row.unwrap().id).collect();
    for pair in ids.windows(2) {
        harness.until_job(pair[0], JobState::Completed).await;
        // The next one waits for a third of the minute.
        let due = harness.clock.now() + Duration::from_secs(20);
        harness.until("it waits for the rate", async |harness| harness.clock.next_due() == Some(due)).await;
        assert_eq!(harness.job(pair[1]).await.state, JobState::Ready);
        harness.clock.set(due);
    }
    harness.until_job(ids[4], JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_starts_nothing_and_says_why() {
    let harness = start().await;
    harness.app.queues().pause("tasks", "the supplier is down").await.unwrap();
    let id = harness.enqueue(task("que-pause", Act::Done)).await;
    let other = harness.enqueue(step("que-pause-other", Act::Done)).await;
    harness.until_job(other, JobState::Completed).await;
    assert_eq!(harness.job(id).await.state, JobState::Ready);
    let status = queue(&harness, "tasks").await;
    assert_eq!((status.paused.as_deref(), status.count(JobState::Ready)), (Some("the supplier is down"), 1));
    assert!(queue(&harness, "steps").await.paused.is_none());
    harness.app.queues().resume("tasks").await.unwrap();
    harness.until_job(id, JobState::Completed).await;
    let unknown = harness.app.queues().pause("taskz", "a slip").await;
    assert!(matches!(unknown, Err(JobError::Store(tidings::store::StoreError::NotFound { .. }))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_overrules_the_program() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::default());
    let mut config = config(&dir);
    config.queues.insert("steps".to_owned(), QueueConfig { concurrency: Some(2), ..QueueConfig::default() });
    let app = build(&dir, &clock, [counters(), work()], config).await.unwrap();
    let harness = Harness { app, clock, dir };
    let first = harness.enqueue(step("que-conf-1", Act::Wait)).await;
    let second = harness.enqueue(step("que-conf-2", Act::Wait)).await;
    harness.until_job(first, JobState::Running).await;
    harness.until_job(second, JobState::Running).await;
    open("que-conf-1");
    open("que-conf-2");
    harness.until_job(second, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_leave_queues_to_others() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::default());
    let mut config = config(&dir);
    config.jobs.only = vec!["steps".to_owned()];
    let app = build(&dir, &clock, [counters(), work()], config).await.unwrap();
    let harness = Harness { app, clock, dir };
    let left = harness.enqueue(task("que-only", Act::Done)).await;
    let done = harness.enqueue(step("que-only-step", Act::Done)).await;
    harness.until_job(done, JobState::Completed).await;
    assert_eq!(harness.job(left).await.state, JobState::Ready);
    let harness = harness.restart_with([counters(), work()]).await.unwrap();
    harness.until_job(left, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_decides_says_why() {
    let harness = Harness::with([counters(), work()]).await;
    let (jobs, queues) = (harness.app.jobs(), harness.app.queues());
    let id = harness.enqueue(task("why-dead", Act::Permanent)).await;
    harness.until_job(id, JobState::Dead).await;
    for reason in ["", "  "] {
        let refusals = [
            jobs.cancel(id, reason).await.unwrap_err(),
            jobs.discard(id, reason).await.unwrap_err(),
            queues.pause("tasks", reason).await.unwrap_err(),
        ];
        for (refusal, call) in refusals.iter().zip(["jobs().cancel", "jobs().discard", "queues().pause"]) {
            let told = format!("`{call}` was given no reason; give one: it is kept");
            assert!(refusal.to_string().starts_with(&told), "{refusal}");
        }
    }
    assert_eq!(harness.job(id).await.state, JobState::Dead);
    assert!(queues.list().await.unwrap().iter().all(|queue| queue.paused.is_none()));
    let position = tidings::envelope::Position(1);
    let letter = harness.app.dead_letters().discard("work.escalate", position, " ").await.unwrap_err();
    assert!(letter.to_string().contains("was given no reason; give one: it is kept"), "{letter}");
}

/// However much waits in all queues: it is not looked at. Here it could not be.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_the_application_is_paused_without_a_look_at_the_others() {
    let harness = start().await;
    alter(&harness.path(), "ALTER TABLE tidings_job_names RENAME TO hidden").await;
    assert!(harness.app.queues().list().await.is_err(), "the queues cannot be looked at");
    harness.app.queues().pause("tasks", "the supplier is down").await.unwrap();
    harness.app.queues().resume("tasks").await.unwrap();
    alter(&harness.path(), "ALTER TABLE hidden RENAME TO tidings_job_names").await;
}
