//! Dead jobs: told, revived, discarded.

use tidings::store::{DeathReason, JobState};
use tidings::{Queue, RetrySchedule};

use super::app::{Act, do_task, runs, tables, task, work};
use crate::app::counters;
use crate::support::Harness;

async fn start() -> Harness {
    Harness::with([counters(), work()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_an_event_that_anybody_may_listen_to() {
    let harness = start().await;
    let id = harness.enqueue(task("die-told", Act::Permanent)).await;
    let job = harness.until_job(id, JobState::Dead).await;
    harness.until("it was listened to", async |harness| !harness.died().await.is_empty()).await;
    let [(of, reason, attempts, payload)] = &harness.died().await[..] else {
        panic!("one death is one event")
    };
    assert_eq!((of.as_str(), reason.as_str(), *attempts), (id.to_string().as_str(), "permanent", 1));
    let [told, enqueued] =
        [payload, &job.data].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
    assert_eq!(told, enqueued);
    let flow = harness.app.store().flow(job.correlation_id).await.unwrap();
    assert_eq!(
        (flow.len(), flow[0].envelope.causation_id, &*flow[0].envelope.source),
        (1, Some(id), "tidings")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_job_is_revived_by_a_person_with_all_its_retries() {
    let harness = start().await;
    let id = harness.enqueue(task("die-revive", Act::Fail(6))).await;
    for attempt in 1..=5 {
        harness.until_runs("die-revive", attempt).await;
        let due = harness.until_job(id, JobState::Scheduled).await.due;
        harness.clock.set(due);
    }
    let job = harness.until_job(id, JobState::Dead).await;
    assert_eq!(job.death, Some(DeathReason::Exhausted));
    harness.app.jobs().retry(id).await.unwrap();
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!((job.attempts, job.failures), (7, 0));
    assert!(harness.app.jobs().retry(id).await.is_err(), "what is done is done");
    harness.until("one death was told", async |harness| harness.died().await.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_dead_job_its_key_waits_until_a_person_discards_it() {
    let harness = start().await;
    let outbox = harness.app.outbox("work").unwrap();
    let dead = outbox.enqueue(task("die-head", Act::Permanent)).key("k", "1").await.unwrap().id;
    let behind = outbox.enqueue(task("die-behind", Act::Done)).key("k", "1").await.unwrap().id;
    harness.until_job(dead, JobState::Dead).await;
    assert_eq!(harness.job(behind).await.state, JobState::Behind);
    harness.app.jobs().discard(dead, "not worth it").await.unwrap();
    harness.until_job(behind, JobState::Completed).await;
    let job = harness.job(dead).await;
    assert_eq!((job.state, job.reason.as_deref()), (JobState::Discarded, Some("not worth it")));
    assert!(harness.app.jobs().discard(dead, "again").await.is_err());
    assert!(harness.app.jobs().discard(behind, "it is not dead").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_may_go_on_after_a_dead_one() {
    let relaxed = tables().job_with(Queue::named("tasks"), do_task, |options| {
        options.retry(RetrySchedule::never()).continue_after_dead()
    });
    let harness = Harness::with([relaxed]).await;
    let outbox = harness.app.outbox("work").unwrap();
    let dead = outbox.enqueue(task("die-relaxed", Act::Fail(9))).key("k", "1").await.unwrap().id;
    let behind = outbox.enqueue(task("die-relaxed-behind", Act::Done)).key("k", "1").await.unwrap().id;
    harness.until_job(behind, JobState::Completed).await;
    assert_eq!((harness.job(dead).await.state, runs("die-relaxed").len()), (JobState::Dead, 1));
}
