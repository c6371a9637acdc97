//! What a failure costs the messages around the one that failed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidings::store::Migration;
use tidings::{Ctx, Error, Module, Result, sql};
use tokio::sync::Semaphore;

use crate::app::{SomeBumped, attempts, audit_tables, bump, counters, note_bumped, notes};
use crate::support::{Harness, config};

static SHAKY: AtomicU32 = AtomicU32::new(0);

/// `shaky-<n>` calls its error transient n times.
async fn note_on_shaky_ground(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    let times = event.counter.strip_prefix("shaky-").and_then(|times| times.parse().ok());
    if times.is_some_and(|times| SHAKY.fetch_add(1, Ordering::SeqCst) < times) {
        return Err(Error::transient("the weather is bad"));
    }
    note_bumped(ctx, event).await
}

async fn shaky(harness: Harness, counter: &str) -> Harness {
    SHAKY.store(0, Ordering::SeqCst);
    for counter in [&format!("before {counter}"), counter, &format!("after {counter}")] {
        harness.app.send(bump(counter, 1)).await.unwrap();
    }
    let listener = audit_tables().on_with("note", note_on_shaky_ground, |options| options.from_start());
    harness.restart_with([counters(), listener]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lasting_transient_error_stops_only_its_message() {
    let harness = shaky(Harness::with([counters(), audit_tables()]).await, "shaky-3").await;
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "shaky-3").await, ["bumped to 1"]);
    harness.until_parked("audit.note", 0, 0, 0).await;

    let harness = shaky(Harness::with([counters(), audit_tables()]).await, "shaky-99").await;
    harness.until_parked("audit.note", 1, 0, 0).await;
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "after shaky-99").await, ["bumped to 1"]);
    assert!(attempts("before shaky-99") <= 2, "what came before is committed, and not run in each round");
}

const LINKED_SQL: &str = "CREATE TABLE known (name TEXT PRIMARY KEY);
    CREATE TABLE links (name TEXT NOT NULL REFERENCES known (name) DEFERRABLE INITIALLY DEFERRED);";

static LINKED: AtomicU32 = AtomicU32::new(0);

async fn link(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    LINKED.fetch_add(1, Ordering::SeqCst);
    if event.counter != "unknown" {
        sql("INSERT INTO known (name) VALUES ($1)").bind(&event.counter).execute(ctx.tx()).await?;
    }
    sql("INSERT INTO links (name) VALUES ($1)").bind(&event.counter).execute(ctx.tx()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_the_commit_is_halved() {
    let linked = || {
        Module::new("linked").tables(["known", "links"]).migrations(&[Migration {
            version: 1,
            name: "tables",
            sql: LINKED_SQL,
        }])
    };
    let harness = Harness::with([counters(), linked()]).await;
    for n in 0..100 {
        let counter = if n == 70 { "unknown".to_owned() } else { format!("c{n}") };
        harness.app.send(bump(&counter, 1)).await.unwrap();
    }
    let listening = linked().on_with("link", link, |options| options.from_start());
    let harness = harness.restart_with([counters(), listening]).await.unwrap();
    harness.until_parked("linked.link", 1, 0, 0).await;
    harness.settle().await;
    let calls = LINKED.load(Ordering::SeqCst);
    assert!(calls < 100 * 8, "one by one it takes thousands of calls; it took {calls}");
}

static PERMITS: Semaphore = Semaphore::const_new(0);
static WAITING: AtomicU32 = AtomicU32::new(0);

/// Takes no transaction.
async fn wait_for_a_permit(_ctx: &mut Ctx, _event: SomeBumped) -> Result<()> {
    WAITING.fetch_add(1, Ordering::SeqCst);
    PERMITS.acquire().await?.forget();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_one_message_and_not_for_its_batch() {
    let harness = Harness::with([counters(), audit_tables()]).await;
    for n in 0..20 {
        harness.app.send(bump(&format!("c{n}"), 1)).await.unwrap();
    }
    harness.app.shutdown().await.unwrap();
    let mut config = config(&harness.dir);
    config.listeners.slice_ms = 0;
    let waiting = audit_tables().on_with("note", wait_for_a_permit, |options| options.from_start());
    let app =
        crate::support::build(&harness.dir, &harness.clock, [counters(), waiting], config).await.unwrap();
    let harness = Harness { app, ..harness };
    harness.until("a message is being handled", async |_| WAITING.load(Ordering::SeqCst) == 1).await;
    let stopping = tokio::spawn({
        let app = harness.app.clone();
        async move { app.shutdown().await }
    });
    harness
        .until("the application is closed to commands", async |harness| {
            harness.app.send(bump("late", 1)).await.is_err()
        })
        .await;
    PERMITS.add_permits(1);
    tokio::time::timeout(Duration::from_secs(10), stopping).await.unwrap().unwrap().unwrap();
    assert_eq!(WAITING.load(Ordering::SeqCst), 1);
}
