//! Callers are answered in time, whatever the handler does; and so is whoever stops the application.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tidings::store::{Limits, Store, StoreError, Work};
use tidings::{
    App, Command, Ctx, Module, Outcome, Query, QueryCtx, QueryError, Result, SendError, ShutdownError, sql,
};
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::layer::{Layer, Layered};

use crate::app::{SomeBumped, Total, bump, counters};
use crate::support::{Harness, config, path};
use crate::telling::{listen, told};

/// Longer than any of this takes, unless somebody waits for ever.
const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("slow.wait")]
struct Wait {
    how: String,
}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("slow.look", output = ())]
struct Look {
    how: String,
}

fn slow() -> Module {
    Module::new("slow").command(wait).query(look)
}

async fn wait(_ctx: &mut Ctx, cmd: Wait) -> Outcome<()> {
    take_time(&cmd.how).await;
    Ok(())
}

async fn look(ctx: &mut QueryCtx, query: Look) -> Result<()> {
    if query.how == "block a reader" {
        let _: Option<i64> = sql("SELECT 1").fetch_scalar(ctx.tx()).await?;
    }
    take_time(&query.how).await;
    Ok(())
}

static BLOCKED: AtomicU32 = AtomicU32::new(0);
static LET_GO: AtomicBool = AtomicBool::new(false);

async fn take_time(how: &str) {
    match how {
        "never" => std::future::pending().await,
        // Blocks its thread, until the test lets go.
        "block" | "block a reader" => {
            BLOCKED.fetch_add(1, Ordering::SeqCst);
            while !LET_GO.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        _ => {}
    }
}

async fn in_time<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, call).await.expect("it is answered in time")
}

/// One after the other, because they share the switch that lets go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handlers_that_block() {
    a_handler_that_blocks_its_thread_is_named_and_keeps_nobody().await;
    the_look_up_of_a_key_does_not_wait_behind_queries().await;
    a_listener_that_blocks_its_thread_is_named().await;
}

async fn a_handler_that_blocks_its_thread_is_named_and_keeps_nobody() {
    let harness = Harness::with([counters(), slow()]).await;
    listen();
    let soon = Duration::from_millis(50);
    let block = || "block".to_owned();
    let error =
        in_time(harness.app.send(Wait { how: block() }).deadline(soon).into_future()).await.unwrap_err();
    assert!(matches!(error, SendError::DeadlineExceeded { .. }), "{error}");
    let error =
        in_time(harness.app.ask(Look { how: block() }).deadline(soon).into_future()).await.unwrap_err();
    assert!(matches!(error, QueryError::DeadlineExceeded { .. }), "{error}");
    assert_eq!(harness.app.send(bump("a", 1)).await.unwrap(), 1, "others go on");
    let named =
        |line: &str| line.contains("ERROR") && line.contains("command `slow.wait` has blocked a thread");
    harness.until("it is named in the log", async |_| told(named) > 0).await;

    let error = in_time(harness.app.shutdown_within(soon)).await.unwrap_err();
    let ShutdownError::StillRunning { handlers, .. } = &error else { panic!("{error}") };
    assert_eq!(handlers[..], ["command `slow.wait`", "query `slow.look`"]);
    LET_GO.store(true, Ordering::SeqCst);
    in_time(harness.app.shutdown()).await.unwrap();
    in_time(harness.app.shutdown()).await.unwrap();
}

async fn stare(_ctx: &mut Ctx, _event: SomeBumped) -> Result<()> {
    take_time("block").await;
    Ok(())
}

async fn a_listener_that_blocks_its_thread_is_named() {
    LET_GO.store(false, Ordering::SeqCst);
    BLOCKED.store(0, Ordering::SeqCst);
    let harness = Harness::with([counters(), slow().on("stare", stare)]).await;
    harness.app.send(bump("a", 1)).await.unwrap();
    harness.until("it blocks", async |_| BLOCKED.load(Ordering::SeqCst) == 1).await;
    let error = in_time(harness.app.shutdown_within(Duration::from_millis(50))).await.unwrap_err();
    LET_GO.store(true, Ordering::SeqCst);
    assert!(error.to_string().contains("listener `slow.stare`"), "{error}");
    in_time(harness.app.shutdown()).await.unwrap();
}

async fn the_look_up_of_a_key_does_not_wait_behind_queries() {
    LET_GO.store(false, Ordering::SeqCst);
    BLOCKED.store(0, Ordering::SeqCst);
    let harness = Harness::with([counters(), slow()]).await;
    let readers = SqliteConfig::new("").readers;
    for _ in 0..readers {
        let app = harness.app.clone();
        tokio::spawn(async move { app.ask(Look { how: "block a reader".to_owned() }).await });
    }
    harness.until("no reader is free", async |_| BLOCKED.load(Ordering::SeqCst) as usize == readers).await;
    let keyed = || harness.app.send(bump("a", 1)).idempotency_key("k");
    let answers = [in_time(keyed().into_future()).await, in_time(keyed().into_future()).await];
    LET_GO.store(true, Ordering::SeqCst);
    assert_eq!(answers.map(Result::unwrap), [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_returns_has_exceeded_its_deadline() {
    let harness = Harness::with([counters(), slow()]).await;
    let (soon, never) = (Duration::from_millis(50), || "never".to_owned());
    let error = harness.app.send(Wait { how: never() }).deadline(soon).await.unwrap_err();
    assert!(matches!(error, SendError::DeadlineExceeded { deadline, .. } if deadline == soon), "{error}");
    let error = harness.app.ask(Look { how: never() }).deadline(soon).await.unwrap_err();
    assert!(matches!(error, QueryError::DeadlineExceeded { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_wait_for_ever() {
    let harness = Harness::start().await;
    assert_eq!(harness.app.send(bump("a", 1)).deadline(Duration::MAX).await.unwrap(), 1);
    let keyed = harness.app.send(bump("a", 1)).deadline(Duration::MAX).idempotency_key("k");
    assert_eq!(keyed.await.unwrap(), 2);
    let total = harness.app.ask(Total { counter: "a".into() }).deadline(Duration::MAX).await;
    assert_eq!(total.unwrap(), Some(2));
}

/// Takes down how long a command may wait for the store.
#[derive(Default)]
struct Waits(Mutex<Vec<Duration>>);

#[async_trait]
impl Layer for Waits {
    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> std::result::Result<(), StoreError> {
        if work.name().starts_with("command") {
            self.0.lock().unwrap().extend(limits.wait);
        }
        inner.transact(work, limits).await
    }
}

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("late.write")]
struct LateWrite {}

const BEFORE: Duration = Duration::from_millis(200);

async fn late_write(ctx: &mut Ctx, _cmd: LateWrite) -> Outcome<()> {
    tokio::time::sleep(BEFORE).await;
    let _: Option<i64> = sql("SELECT 1").fetch_scalar(ctx.tx()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_handler_has_used_is_not_there_for_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteConfig::new(path(&dir))).await.unwrap());
    let waits = Arc::new(Waits::default());
    let store = Arc::new(Layered::new(store, waits.clone()));
    let late = Module::new("late").command(late_write);
    let app = App::builder().module(late).config(config(&dir)).store(store).build().await.unwrap();
    let deadline = Duration::from_secs(5);
    app.send(LateWrite {}).deadline(deadline).await.unwrap();
    let waits = waits.0.lock().unwrap().clone();
    assert!(waits.len() == 1 && waits[0] <= deadline - BEFORE, "{waits:?}");
}
