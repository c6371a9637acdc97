//! What an application may not contradict itself about in its jobs.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{BuildError, Contradiction, Ctx, Job, JobCtx, JobDied, Module, Queue, Result};
use tidings_testkit::clock::ManualClock;

use crate::support::{build, config};

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("one.job")]
struct One {}

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("one.other")]
struct Other {}

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("one.typed")]
struct Typed {}

async fn one(_ctx: &mut JobCtx, _job: One) -> Result<()> {
    Ok(())
}

async fn other(_ctx: &mut JobCtx, _job: Other) -> Result<()> {
    Ok(())
}

async fn typed(_ctx: &mut JobCtx<sqlx::Sqlite>, _job: Typed) -> Result<()> {
    Ok(())
}

fn module() -> Module {
    Module::new("one").job(Queue::named("q"), one)
}

async fn refused(modules: impl IntoIterator<Item = Module>) -> Vec<Contradiction> {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    match build(&dir, &clock, modules, config(&dir)).await {
        Err(BuildError::Contradictions(found)) => found,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it must not start"),
    }
}

async fn refused_with(modules: impl IntoIterator<Item = Module>, words: &[&str]) {
    let found = refused(modules).await;
    let text = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(found.len() == 1 && words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_that_share_a_queue_agree_about_it() {
    let minute = Duration::from_secs(60);
    refused_with(
        [module().job(Queue::named("p").concurrency(2), other).job(Queue::named("p").concurrency(3), typed)],
        &["queue `p`: job `one.other` says `concurrency(2)`, and job `one.typed` says `concurrency(3)`"],
    )
    .await;
    refused_with(
        [module()
            .job(Queue::named("p").rate(2, minute), other)
            .job(Queue::named("p").rate(2, 2 * minute), typed)],
        &["`rate(2, 60s)`", "`rate(2, 120s)`"],
    )
    .await;
    refused_with(
        [module()
            .job(Queue::named("p").concurrency_overall(2), other)
            .job(Queue::named("p").concurrency_overall(3), typed)],
        &["`concurrency_overall(2)`", "`concurrency_overall(3)`"],
    )
    .await;
    // One that says nothing agrees with everybody.
    let dir = tempfile::tempdir().unwrap();
    let agree =
        module().job(Queue::named("q").concurrency(2), other).job(Queue::named("q").concurrency(2), typed);
    build(&dir, &Arc::new(ManualClock::default()), [agree], config(&dir)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_would_never_start_a_job_is_refused() {
    refused_with(
        [module().job(Queue::named("p").concurrency(0), other)],
        &["queue `p`", "`one.other`", "pause it"],
    )
    .await;
    let none = Queue::named("p").concurrency_overall(0);
    refused_with([module().job(none, other)], &["queue `p`", "`concurrency_overall(0)`", "pause it"]).await;
    let none = Queue::named("p").rate(0, Duration::from_secs(1));
    refused_with([module().job(none, other)], &["queue `p`", "pause it"]).await;
    refused_with(
        [module().job(Queue::named("p"), other).job(Queue::named("Übel"), typed)],
        &["queue `Übel`"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_any_time_is_refused() {
    let hurried = Module::new("one").job_with(Queue::named("q"), one, |job| job.timeout(Duration::ZERO));
    refused_with([hurried], &["job `one.job`: with a timeout of nothing", "`jobs.timeout_seconds`"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_jobs_are_their_modules_and_registered_once() {
    refused_with(
        [module(), Module::new("two").job(Queue::named("q"), other)],
        &["module `two` registers job `one.other`"],
    )
    .await;
    refused_with([module().job(Queue::named("q"), one)], &["job `one.job` is registered twice"]).await;
    refused_with([Module::new("tidings")], &["module `tidings` has the name of Tidings itself"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recurring_jobs_have_times_that_come() {
    let cron = |expression: &str, zone: &str| module().cron("c", expression, zone, |_| One {});
    refused_with(
        [cron("0 0 31 2 *", "UTC")],
        &["recurring job `one.c`, `0 0 31 2 *` in `UTC`: it never comes"],
    )
    .await;
    refused_with([cron("at dawn", "UTC")], &["recurring job `one.c`, `at dawn` in `UTC`"]).await;
    refused_with([cron("0 3 * * *", "Mars/Olympus")], &["`Mars/Olympus`"]).await;
    refused_with(
        [cron("0 3 * * *", "UTC").cron("c", "0 4 * * *", "UTC", |_| One {})],
        &["recurring job `one.c` is registered twice"],
    )
    .await;
    refused_with(
        [module().cron("c", "0 3 * * *", "UTC", |_| Other {})],
        &["enqueues `one.other`", "does not do"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_queues_that_nobody_has_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let mut misspelt = config(&dir);
    misspelt.queues.insert("qq".to_owned(), tidings::QueueConfig::default());
    let error = build(&dir, &clock, [module()], misspelt).await.err().expect("it must not start");
    let text = tidings_core::error::chain(&error);
    assert!(text.contains("`queues.qq` names queue `qq`, in which no job waits; there are `q`"), "{text}");
    let mut misspelt = config(&dir);
    misspelt.jobs.only = vec!["qq".to_owned()];
    let error = build(&dir, &clock, [module()], misspelt).await.err().expect("it must not start");
    assert!(tidings_core::error::chain(&error).contains("`jobs.only` names queue `qq`"));
}

async fn escalate(_ctx: &mut Ctx, _died: JobDied) -> Result<()> {
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_tells_of_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let module = module().cron("c", "0 3 * * *", "UTC", |_| One {}).on("escalate", escalate);
    let app = build(&dir, &Arc::new(ManualClock::default()), [module], config(&dir)).await.unwrap();
    let manifest = serde_json::to_value(app.manifest()).unwrap();
    let of = &manifest["modules"][0];
    assert_eq!(of["jobs"], serde_json::json!([{ "job": "one.job", "queue": "q" }]));
    let cron =
        serde_json::json!([{ "name": "c", "expression": "0 3 * * *", "zone": "UTC", "job": "one.job" }]);
    assert_eq!(of["crons"], cron);
    assert_eq!(of["consumes"][0]["event"], "tidings.job-died");
    app.shutdown().await.unwrap();
}
