//! Enqueueing: where, with which options, and what is refused.

use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tidings::store::{JobFilter, JobState};
use tidings::{Clock, ErrorKind, MessageId, SendError, ToEnqueue, UniqueKeyTaken};

use super::app::{Act, Elsewhere, Order, Task, Then, runs, step, task, work};
use crate::app::counters;
use crate::support::{Harness, build, config};

async fn start() -> Harness {
    Harness::with([counters(), work()]).await
}

fn orders(label: &str, count: usize) -> Vec<Task> {
    (0..count).map(|number| task(&format!("{label}-{number}"), Act::Done)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_exist_if_and_only_if_the_command_that_enqueues_them_commits() {
    let harness = start().await;
    let kept = harness.app.send(Order { tasks: orders("enq-keep", 2), then: Then::Keep }).await.unwrap();
    for id in &kept {
        harness.until_job(*id, JobState::Completed).await;
    }
    let rejected = harness.app.send(Order { tasks: orders("enq-reject", 2), then: Then::Reject }).await;
    assert!(matches!(rejected, Err(SendError::Rejected { .. })));
    let undone =
        harness.app.send(Order { tasks: orders("enq-undo", 3), then: Then::RollBackLast }).await.unwrap();
    assert_eq!(undone.len(), 2);
    for id in &undone {
        harness.until_job(*id, JobState::Completed).await;
    }
    let all: Vec<MessageId> = harness.all_jobs().await.iter().map(|job| job.id).collect();
    assert_eq!(all, [kept, undone].concat(), "in the order of their enqueueing, and no others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_only_enqueues_has_an_outcome_that_its_jobs_point_to() {
    let harness = start().await;
    let ids = harness.app.send(Order { tasks: orders("enq-cause", 1), then: Then::Keep }).await.unwrap();
    let job = harness.job(ids[0]).await;
    let outcome = harness.app.store().outcome_of(job.causation_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(outcome.correlation_id, job.correlation_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_enqueues_its_own_jobs_only() {
    let harness = start().await;
    let order = Order { tasks: orders("enq-else", 1), then: Then::EnqueueElsewhere };
    let error = tidings_core::error::chain(&harness.app.send(order).await.unwrap_err());
    assert!(error.contains("module `work` may not enqueue job `elsewhere.job`"), "{error}");
    assert!(error.contains("send a command to module `elsewhere`, or publish an event"), "{error}");
    assert!(harness.all_jobs().await.is_empty());
    let outside = harness.app.outbox("work").unwrap().enqueue(Elsewhere {}).await.unwrap_err();
    assert_eq!(outside.kind(), &ErrorKind::Permanent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_too_large_is_refused_with_the_limit() {
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let clock = std::sync::Arc::new(tidings_testkit::clock::ManualClock::default());
    let mut config = config(&dir);
    config.jobs.body_bytes_max = 64;
    let app = build(&dir, &clock, [counters(), work()], config).await.unwrap();
    let large = task(&"x".repeat(64), Act::Done);
    let error = app.outbox("work").unwrap().enqueue(large).await.unwrap_err().to_string();
    assert!(error.contains("job `work.task` has") && error.contains("`jobs.body_bytes_max` = 64"), "{error}");
    app.outbox("work").unwrap().enqueue(task("small", Act::Done)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_job_waits_for_its_time() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let delayed = outbox.enqueue(task("enq-delay", Act::Done)).delay(Duration::from_secs(60)).await.unwrap();
    let later = harness.clock.now() + Duration::from_secs(90);
    let timed = outbox.enqueue(task("enq-time", Act::Done)).not_before(later).await.unwrap();
    harness.clock.advance(Duration::from_secs(59));
    assert_eq!(harness.until_job(delayed.id, JobState::Scheduled).await.attempts, 0);
    harness.clock.advance(Duration::from_secs(1));
    harness.until_job(delayed.id, JobState::Completed).await;
    assert_eq!(harness.job(timed.id).await.state, JobState::Scheduled);
    harness.clock.advance(Duration::from_secs(30));
    harness.until_job(timed.id, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_the_end_of_time_waits_and_is_in_nobodys_way() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let mut never = vec![
        outbox.enqueue(task("enq-never", Act::Done)).delay(Duration::MAX).await.unwrap().id,
        outbox.enqueue(task("enq-never", Act::Done)).not_before(jiff::Timestamp::MAX).await.unwrap().id,
        outbox
            .enqueue(task("enq-never", Act::Done))
            .delay(Duration::MAX)
            .unique_for("k", Duration::MAX)
            .await
            .unwrap()
            .id,
    ];
    for (label, act) in [("snooze", Act::Snooze(1, u64::MAX)), ("retry", Act::RetryAfter(u64::MAX))] {
        let label = format!("enq-never-{label}");
        let id = outbox.enqueue(task(&label, act)).await.unwrap().id;
        harness.until_runs(&label, 1).await;
        harness.until_job(id, JobState::Scheduled).await;
        never.push(id);
    }
    let harness = harness.restart_with([counters(), work()]).await.unwrap();
    for id in never {
        let job = harness.job(id).await;
        assert_eq!((job.state, job.due), (JobState::Scheduled, tidings_core::clock::LAST));
    }
    let next = harness.enqueue(task("enq-after-never", Act::Done)).await;
    harness.until_job(next, JobState::Completed).await;
    assert_eq!(harness.all_jobs().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_job_is_the_only_one_until_it_has_ended() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    harness.app.queues().pause("tasks", "a test").await.unwrap();
    let unique = |label: &str| outbox.enqueue(task(label, Act::Done)).unique("sku-1");
    let first = unique("enq-unique").await.unwrap();
    assert!(first.is_new);
    let same = unique("enq-unique").await.unwrap();
    assert_eq!((same.id, same.is_new), (first.id, false));
    let error = unique("enq-other").await.unwrap_err();
    let taken = error.find::<UniqueKeyTaken>().unwrap();
    assert_eq!((taken.job.as_str(), taken.taken_by), ("work.task", first.id));
    assert!(!error.to_string().contains("sku-1"), "a key may be personal: {error}");
    harness.app.queues().resume("tasks").await.unwrap();
    harness.until_job(first.id, JobState::Completed).await;
    assert!(unique("enq-other").await.unwrap().is_new);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_key_may_outlive_its_job() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let hour = Duration::from_secs(3_600);
    let unique = |label: &str| outbox.enqueue(task(label, Act::Done)).unique_for("k", hour);
    let first = unique("enq-for").await.unwrap();
    harness.until_job(first.id, JobState::Completed).await;
    harness.clock.advance(hour - Duration::from_secs(1));
    assert_eq!(unique("enq-for").await.unwrap().id, first.id);
    assert!(unique("enq-for-other").await.is_err());
    harness.clock.advance(Duration::from_secs(1));
    assert!(unique("enq-for-other").await.unwrap().is_new);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_bulk_a_taken_key_concerns_that_row_alone() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    harness.app.queues().pause("tasks", "a test").await.unwrap();
    let first = outbox.enqueue(task("enq-bulk", Act::Done)).unique("taken").await.unwrap();
    let rows = [("a", "free"), ("b", "taken"), ("c", "free-too"), ("enq-bulk", "taken")];
    let rows = rows.map(|(label, key)| ToEnqueue::new(task(label, Act::Done)).unique(key));
    let rows = outbox.enqueue_many(rows).await.unwrap();
    let new: Vec<_> = rows.iter().map(|row| row.as_ref().map(|row| row.is_new)).collect();
    let taken = UniqueKeyTaken { job: "work.task".to_owned(), taken_by: first.id };
    assert_eq!(new, [Ok(true), Err(&taken), Ok(true), Ok(false)]);
    assert_eq!(harness.all_jobs().await.len(), 3);
    assert!(outbox.enqueue_many(Vec::<Task>::new()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_ones_own_enqueues_too() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let mut tx = outbox.begin::<sqlx::Sqlite>().await.unwrap();
    tx.enqueue(task("enq-lost", Act::Done)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = outbox.begin::<sqlx::Sqlite>().await.unwrap();
    let kept = tx.enqueue(task("enq-begun", Act::Done)).priority(3).await.unwrap();
    let more = tx.enqueue_many([step("enq-begun-step", Act::Done)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(harness.until_job(kept.id, JobState::Completed).await.priority, 3);
    harness.until_job(more[0].as_ref().unwrap().id, JobState::Completed).await;
    let filter = JobFilter { name: Some("work.step".into()), ..JobFilter::default() };
    assert_eq!(harness.app.jobs().list(&filter, 10).await.unwrap().len(), 1);
    assert!(runs("enq-lost").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_transaction_of_the_users_own() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let mut own = SqliteConnection::connect(&harness.path().display().to_string()).await.unwrap();
    let mut tx = own.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let one = outbox.enqueue_in(&mut tx, task("enq-own", Act::Done)).unique("own").await.unwrap();
    let again = outbox.enqueue_in(&mut tx, task("enq-own", Act::Done)).unique("own").await.unwrap();
    let many = outbox.enqueue_many_in(&mut tx, orders("enq-own-many", 2)).await.unwrap();
    assert_eq!((again.id, again.is_new), (one.id, false));
    assert!(harness.all_jobs().await.is_empty(), "nobody sees them before the commit");
    tx.commit().await.unwrap();
    harness.until_job(one.id, JobState::Completed).await;
    for row in many {
        harness.until_job(row.unwrap().id, JobState::Completed).await;
    }

    let mut tx = own.begin_with("BEGIN IMMEDIATE").await.unwrap();
    outbox.enqueue_in(&mut tx, task("enq-own-undone", Act::Done)).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(harness.all_jobs().await.len(), 3);
    let error = outbox.enqueue_in(&mut own, task("enq-own-bare", Act::Done)).await.unwrap_err();
    assert!(
        error.chain().contains("BEGIN IMMEDIATE"),
        "without a transaction it is refused: {}",
        error.chain()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_keys_are_refused_and_not_told() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let new = || ToEnqueue::new(task("enq-keys", Act::Done));
    let (longest, too_long) = ("x".repeat(255), "x".repeat(256));
    for (job, problem) in [
        (new().unique(""), "its unique key is empty"),
        (new().share(""), "its share is empty"),
        (new().share(&format!("alice{}", "x".repeat(251))), "its share has 256 bytes, more than 255"),
        (new().unique_for("", Duration::from_secs(9)), "its unique key is empty"),
        (new().unique(&too_long), "its unique key has 256 bytes, more than 255"),
        (new().key("order_id", ""), "its key is empty"),
        (new().key("order_id", &"x".repeat(247)), "its key has 256 bytes, more than 255"),
        (new().key("", "alice"), "the kind of its key is no plain name"),
        (new().key("Bad Kind", "alice"), "the kind of its key is no plain name"),
        (new().key("a:b", "alice"), "lower-case letters, digits and underscores"),
        (new().key("1st", "alice"), "beginning with a letter"),
    ] {
        let error = outbox.enqueue_many([job]).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Permanent, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("job `work.task` is not enqueued") && text.contains(problem),
            "{problem}: {text}"
        );
        assert!(!text.contains("alice"), "a key may be personal: {text}");
    }
    assert!(harness.all_jobs().await.is_empty());
    let good = [
        new().unique(&longest),
        new().share(&longest),
        new().key("order_id2", &"x".repeat(245)),
        new().key("k", "a:b c"),
    ];
    for row in outbox.enqueue_many(good).await.unwrap() {
        assert!(row.unwrap().is_new);
    }
}
