//! By which indexes a database is read that has been in use for a while: kept in `accesses.txt`, a line for each statement (or
//! function) and table.

mod capture;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tidings::store::{JobFilter, JobState};
use tidings::{
    App, Command, Ctx, Error, Job, JobCtx, Module, Outcome, Queue, Result, RetrySchedule, ToEnqueue,
};
use tracing_subscriber::layer::SubscriberExt as _;

use self::capture::{Notices, Statements, accesses};
use crate::support::contracts::counters::{Bumped, Reset};
use crate::support::{SomeBumped, World, audit, publish, settle};

/// The server that the plans of the file were seen on. Others may know better ways.
const MAJOR: &str = "15";

#[derive(Command, Serialize, Deserialize)]
#[command("counters.bump", output = u32)]
struct Bump {
    counter: String,
}

#[derive(Job, Serialize, Deserialize)]
#[job("audit.work")]
struct Work {
    fails: bool,
}

#[derive(Job, Serialize, Deserialize)]
#[job("audit.held")]
struct Held {}

/// How often it has failed: once within its batch and once alone, or alone and once more when it was tried again.
static FAILING: AtomicU32 = AtomicU32::new(0);

async fn bump(ctx: &mut Ctx, cmd: Bump) -> Outcome<u32> {
    ctx.publish(Bumped { counter: cmd.counter, total: 1, owner: None }).await?;
    Ok(1)
}

/// Causes a job or a command, or fails: once, or for good.
async fn note(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    match &*event.counter {
        counter if counter.starts_with("garbage") => return Err(Error::permanent("it is garbage")),
        "failing" if FAILING.fetch_add(1, Ordering::SeqCst) < 2 => {
            return Err(Error::failed("not this time"));
        }
        "sending" => drop(ctx.send(Bump { counter: "by-command".to_owned() }).await?),
        _ => drop(ctx.enqueue(Work { fails: false }).await?),
    }
    Ok(())
}

async fn work(ctx: &mut JobCtx, job: Work) -> Result<()> {
    if job.fails && ctx.attempt() == 1 {
        return Err(Error::failed("the first time"));
    }
    ctx.progress(1).await
}

async fn finish(ctx: &mut JobCtx, _job: Held) -> Result<()> {
    ctx.finish().await?.commit().await
}

fn modules() -> [Module; 2] {
    let soon = || RetrySchedule::new([Duration::from_millis(50); 2], 0);
    let audit = audit()
        .context("plans")
        .on_with("note", note, |options| options.retry(soon()))
        .sends::<Bump>()
        .job_with(
            Queue::named("work").concurrency_overall(50).rate(100_000, Duration::from_secs(1)),
            work,
            |options| options.retry(soon()),
        )
        .job(Queue::named("held"), finish);
    [Module::new("counters").context("plans").owns::<Bumped>().owns::<Reset>().command(bump), audit]
}

async fn until(app: &App, what: &str, reached: impl AsyncFn(&App) -> bool) {
    let begun = Instant::now();
    while !reached(app).await {
        assert!(begun.elapsed() < Duration::from_secs(30), "never {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn is_worked_off(app: &App) -> bool {
    let queues = app.queues().list().await.unwrap();
    let work = queues.iter().find(|queue| &*queue.name == "work").unwrap();
    [JobState::Ready, JobState::Running, JobState::Behind].iter().all(|state| work.count(*state) == 0)
}

/// What an application does all the time, a few times each, with what is done by hand beside it.
async fn live(app: &App) {
    let (counters, audit) = (app.outbox("counters").unwrap(), app.outbox("audit").unwrap());
    FAILING.store(0, Ordering::SeqCst);
    publish(app, 20, 0..5).await;
    for counter in ["failing", "failing", "garbage-1", "garbage-1", "garbage-2", "sending"] {
        counters.publish_now(&Bumped { counter: counter.to_owned(), total: 1, owner: None }).await.unwrap();
    }
    for key in 0..8 {
        for _ in 0..2 {
            let send = app.send(Bump { counter: "by-hand".to_owned() });
            send.caller("somebody").idempotency_key(format!("{key}")).await.unwrap();
        }
    }
    let mut jobs = Vec::new();
    for number in 0..8 {
        let own = number.to_string();
        for wish in [
            ToEnqueue::new(Work { fails: number == 0 }),
            ToEnqueue::new(Work { fails: false }).key("number", &own),
            ToEnqueue::new(Work { fails: false }).share(&own),
            ToEnqueue::new(Work { fails: false }).unique(&own),
            ToEnqueue::new(Work { fails: false }).delay(Duration::from_millis(20)),
        ] {
            let enqueued = audit.enqueue_many([wish]).await.unwrap().remove(0);
            jobs.push(enqueued.unwrap().id);
        }
    }
    let many = (0..100).map(|_| ToEnqueue::new(Work { fails: false }));
    assert!(audit.enqueue_many(many).await.unwrap().iter().all(std::result::Result::is_ok));
    settle(app).await;
    until(app, "worked off", is_worked_off).await;
    app.queues().resume("held").await.unwrap();
    until(app, "some of the others done", async |app| {
        let queues = app.queues().list().await.unwrap();
        queues.iter().find(|queue| &*queue.name == "held").unwrap().count(JobState::Ready) < 17_900
    })
    .await;
    app.queues().pause("held", "enough").await.unwrap();
    by_hand(app, jobs[0]).await;
}

/// What is looked at and done by a person.
async fn by_hand(app: &App, job: tidings::MessageId) {
    assert!(app.flow(job).await.unwrap().is_some());
    assert!(app.jobs().get(job).await.unwrap().is_some());
    assert_eq!(app.jobs().attempts(job).await.unwrap().len(), 1);
    for state in [JobState::Dead, JobState::Scheduled, JobState::Ready, JobState::Completed] {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        assert_eq!(app.jobs().list(&filter, 20).await.unwrap().len(), 20);
    }
    let filter = JobFilter { state: Some(JobState::Dead), ..JobFilter::default() };
    let dead = app.jobs().list(&filter, 20).await.unwrap();
    app.jobs().retry(dead[0].id).await.unwrap();
    app.jobs().discard(dead[1].id, "no use").await.unwrap();
    let filter = JobFilter { state: Some(JobState::Scheduled), ..JobFilter::default() };
    app.jobs().cancel(app.jobs().list(&filter, 1).await.unwrap()[0].id, "no use").await.unwrap();
    let letters = app.dead_letters().list(Some("audit.note"), 5_000).await.unwrap();
    let ours: Vec<_> = letters.iter().filter(|letter| letter.error.contains("garbage")).collect();
    app.dead_letters().retry("audit.note", ours[0].message.position).await.unwrap();
    app.dead_letters().discard("audit.note", ours[1].message.position, "no use").await.unwrap();
    settle(app).await;
    until(app, "worked off again", is_worked_off).await;
}

/// Statements that are prepared are planned anew for each of their first five times, and then perhaps once and for all: everything is
/// done more often than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn large_tables_are_read_by_their_indexes() {
    let Some(world) = World::with_database().await else { return };
    let app = world.process(modules(), None).await.unwrap();
    app.shutdown().await.unwrap();
    world.execute(include_str!("fill.sql")).await;
    world.explain_all().await;

    let notices = Notices::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(notices.clone())).unwrap();
    let app = world
        .process_with(modules(), |_, config| {
            config.store.lease_seconds = 2.0;
            (config.retention.messages_max, config.retention.jobs_max) = (49_900, 29_900);
            config.retention.every_seconds = 1;
        })
        .await
        .unwrap();
    for _ in 0..3 {
        live(&app).await;
    }
    app.shutdown().await.unwrap();
    let found = accesses(&notices.take(), &Statements::of_the_store());
    let major = world.ask("SELECT current_setting('server_version_num')::integer / 10000 || ''").await;
    world.drop_database().await;
    compare(&found, &major);
}

/// A statement that reads a table whole which it did not, or that reads one it did not read, is a failure, and so is one that was not
/// seen any more. Another index for the same is none: plans differ with the value that they are made for, and with how fresh the
/// statistics are.
fn compare(found: &BTreeSet<String>, major: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/plans/accesses.txt");
    if std::env::var_os("TIDINGS_KEEP_PLANS").is_some() {
        let lines: String = found.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    let kept: BTreeSet<_> = kept.lines().map(str::to_owned).collect();
    let statement = |line: &String| line.split_once(": ").map(|(statement, _)| statement.to_owned());
    let seen: BTreeSet<_> = found.iter().filter_map(statement).collect();
    let pair = |line: &String| line.split_once(" by ").map(|(pair, _)| pair.to_owned());
    let pairs: BTreeSet<_> = kept.iter().filter_map(pair).collect();
    let is_new = |line: &&String| pair(line).is_none_or(|pair| !pairs.contains(&pair));
    let new: Vec<_> = found.difference(&kept).filter(is_new).collect();
    let gone: Vec<_> =
        kept.iter().filter_map(statement).filter(|statement| !seen.contains(statement)).collect();
    if major != MAJOR {
        let note =
            format!("PostgreSQL {major} is not held to what {MAJOR} does: new {new:#?}, gone {gone:#?}");
        return writeln!(std::io::stderr(), "{note}").expect("stderr takes a line");
    }
    assert!(
        new.is_empty() && gone.is_empty(),
        "large tables are read otherwise than accesses.txt says: new {new:#?}, gone {gone:#?}; if it is meant, \
         run this with TIDINGS_KEEP_PLANS=1"
    );
}
