//! A process that only serves leaves the work to others, and tells them at once that there is some.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tidings::{App, BuildError, Config, Job, JobCtx, Module, Queue, Result};

use tidings::store::JobState;
use tidings_postgres::PostgresConfig;

use crate::support::{NOTE, World, audit, counters, note_bumped, publish, settle};

/// Longer than any test.
const NEVER: Duration = Duration::from_secs(600);

#[derive(Job, Serialize, Deserialize)]
#[job("audit.report")]
struct Report {}

async fn report(_: &mut JobCtx, _: Report) -> Result<()> {
    Ok(())
}

fn modules() -> [Module; 2] {
    [counters(), audit().on("note", note_bumped).job(Queue::named("reports"), report)]
}

async fn start(world: &World, workers: bool) -> App {
    let configure = |postgres: &mut PostgresConfig, config: &mut Config| {
        config.store.lease_seconds = NEVER.as_secs_f64();
        config.start.workers = workers;
        // Nobody finds anything by looking for it.
        postgres.poll_interval = NEVER;
    };
    world.process_with(modules(), configure).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn who_only_serves_leaves_the_work_to_others_and_tells_them_at_once() {
    let Some(world) = World::new().await else { return };
    // It comes first, so that it has seen nobody.
    let serving = start(&world, false).await;
    publish(&serving, 3, 0..2).await;
    let job = serving.outbox("audit").unwrap().enqueue(Report {}).await.unwrap();
    let crew = serving.store().crew().await.unwrap();
    assert!(crew.members.is_empty(), "nobody works yet: {crew:?}");

    let working = start(&world, true).await;
    settle(&working).await;
    until_completed(&working, job.id).await;
    publish(&serving, 3, 2..4).await;
    settle(&working).await;
    let job = serving.outbox("audit").unwrap().enqueue(Report {}).await.unwrap();
    until_completed(&serving, job.id).await;
    assert_eq!(world.handled().await.len(), 3);
    let crew = serving.store().crew().await.unwrap();
    assert_eq!(crew.members.len(), 1);
    let status = serving.store().consumers().await.unwrap();
    assert!(status.iter().any(|status| &*status.name == NOTE && status.lag == 0), "{status:?}");
    serving.shutdown().await.unwrap();
    working.shutdown().await.unwrap();
}

/// A stop comes while what was committed last is being told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn the_last_word_of_a_process_is_said() {
    let Some(world) = World::new().await else { return };
    let working = start(&world, true).await;
    for pause_us in (0..40).map(|round| 100 * round) {
        let serving = start(&world, false).await;
        publish(&serving, 1, 0..1).await;
        tokio::time::sleep(Duration::from_micros(pause_us)).await;
        serving.shutdown().await.unwrap();
        settle(&working).await;
    }
    working.shutdown().await.unwrap();
}

async fn until_completed(app: &App, id: tidings::MessageId) {
    let since = Instant::now();
    loop {
        let job = app.jobs().get(id).await.unwrap().expect("it is on record");
        if job.state == JobState::Completed {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "the job is not done: {job:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn on_sqlite_nobody_else_could_do_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.store.path = dir.path().join("app.db");
    config.start.workers = false;
    let refused = App::builder().modules(modules()).config(config).build().await;
    let Err(BuildError::Config(error)) = refused else { panic!("it is refused") };
    assert!(error.to_string().contains("`start.workers` is off"), "{error}");
}
