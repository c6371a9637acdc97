//! What callers are told when the store cannot, or will not say at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tidings::store::{Limits, Store, StoreError, Work};
use tidings::{App, Command, Ctx, Module, Outcome, SendError, sql};
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::faults::Step;
use tidings_testkit::layer::{Layer, Layered};
use tokio::sync::Semaphore;

use crate::app::{Total, audit, bump, contracts, counters};
use crate::support::{config, path};

type Answer = Result<(), StoreError>;

async fn app_on(dir: &tempfile::TempDir, layer: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Layer>) -> App {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteConfig::new(path(dir))).await.unwrap());
    let layered = Arc::new(Layered::new(store.clone(), layer(store)));
    let modules = [counters(), audit(), patient()];
    let builder = App::builder().modules(modules).contracts(contracts::CONTRACTS).config(config(dir));
    builder.store(layered).build().await.unwrap()
}

/// A store that cannot append.
struct CannotAppend(fn() -> StoreError);

#[async_trait]
impl Layer for CannotAppend {
    async fn before(&self, step: Step) -> Answer {
        if step == Step::Append { Err((self.0)()) } else { Ok(()) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_write_is_told_apart_from_a_handler_that_fails() {
    let answer = async |error: fn() -> StoreError| {
        let dir = tempfile::tempdir().unwrap();
        let app = app_on(&dir, |_| Arc::new(CannotAppend(error))).await;
        app.send(bump("a", 1)).await.unwrap_err()
    };
    let full =
        answer(|| StoreError::LogFull { messages: 2, limit: 1, holder: "audit.note".to_owned() }).await;
    assert!(matches!(&full, SendError::Overloaded { reason, .. } if reason.contains("audit.note")), "{full}");
    let full = answer(|| StoreError::Full { context: "a test".to_owned(), source: None }).await;
    assert!(matches!(full, SendError::StoreUnavailable { .. }), "{full}");
    assert!(tidings::chain(&full).contains("free space"), "the remedy is told");
    let file = || StoreError::ReadOnly { what: "the file".to_owned(), remedy: "mend it", source: None };
    let read_only = answer(file).await;
    assert!(matches!(read_only, SendError::StoreUnavailable { .. }), "{read_only}");
}

/// Once, a store that commits and then says that it failed.
#[derive(Default)]
struct FailsAfterTheCommit(AtomicBool);

#[async_trait]
impl Layer for FailsAfterTheCommit {
    async fn transact(&self, inner: &dyn Store, work: Arc<dyn Work>, limits: Limits) -> Answer {
        let is_command = work.name().starts_with("command");
        inner.transact(work, limits).await?;
        if is_command && !self.0.swap(true, Ordering::SeqCst) {
            return Err(StoreError::Sql { context: "a test".to_owned(), source: "it did not work".into() });
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_command_that_failed_is_looked_up_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_on(&dir, |_| Arc::new(FailsAfterTheCommit::default())).await;
    assert_eq!(app.send(bump("a", 2)).idempotency_key("k").await.unwrap(), 2);
    assert_eq!(app.ask(Total { counter: "a".into() }).await.unwrap(), Some(2));
}

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("patient.wait")]
struct Wait {}

fn patient() -> Module {
    Module::new("patient").command(wait)
}

static RUNS: AtomicU32 = AtomicU32::new(0);
static MAY_END: Semaphore = Semaphore::const_new(0);

async fn wait(ctx: &mut Ctx, _cmd: Wait) -> Outcome<()> {
    let _: Option<i64> = sql("SELECT 1").fetch_scalar(ctx.tx()).await?;
    RUNS.fetch_add(1, Ordering::SeqCst);
    MAY_END.acquire().await?.forget();
    Ok(())
}

/// A store that does not wait for the work: it cannot say what will become of it.
struct CannotSay(Arc<dyn Store>);

#[async_trait]
impl Layer for CannotSay {
    async fn transact(&self, inner: &dyn Store, work: Arc<dyn Work>, limits: Limits) -> Answer {
        if !work.name().starts_with("command") {
            return inner.transact(work, limits).await;
        }
        let (store, name) = (self.0.clone(), work.name());
        tokio::spawn(async move { store.transact(work, limits).await });
        Err(StoreError::Unknown { work: name })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_in_flight_until_the_store_has_answered() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_on(&dir, |store| Arc::new(CannotSay(store))).await;
    let send = || app.send(Wait {}).idempotency_key("k");
    let error = send().await.unwrap_err();
    assert!(matches!(error, SendError::Unknown { .. }), "{error}");
    let error = send().await.unwrap_err();
    assert!(matches!(error, SendError::KeyInFlight { .. }), "{error}");
    MAY_END.add_permits(1);
    loop {
        match send().await {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, SendError::KeyInFlight { .. }), "{error}"),
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(RUNS.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_or_too_long_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::builder().modules([counters(), audit()]).config(config(&dir)).build().await.unwrap();
    for key in [String::new(), "k".repeat(256)] {
        let error = app.send(bump("a", 1)).idempotency_key(key).await.unwrap_err();
        assert!(matches!(&error, SendError::Invalid { problem, .. } if problem.contains("key")), "{error}");
    }
    assert_eq!(app.send(bump("a", 1)).idempotency_key("k".repeat(255)).await.unwrap(), 1);
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_is_over_lets_nothing_begin() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::builder().modules([counters(), audit()]).config(config(&dir)).build().await.unwrap();
    for _ in 0..20 {
        let error = app.send(bump("a", 1)).deadline(std::time::Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, SendError::DeadlineExceeded { .. }), "{error}");
    }
    assert_eq!(app.ask(Total { counter: "a".into() }).await.unwrap(), None);
    app.shutdown().await.unwrap();
}

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("hog.hold")]
struct Hold {}

/// Holds the writer until a task that it has started has tried to get it, too.
async fn hold(ctx: &mut Ctx, _command: Hold) -> Outcome<()> {
    sql("INSERT INTO held VALUES (1)").execute(ctx.tx()).await?;
    let app = APP.get().expect("it is started").clone();
    let inner = tokio::spawn(async move {
        app.send(bump("a", 1)).deadline(std::time::Duration::from_millis(50)).await.unwrap_err().to_string()
    });
    tidings::reject("told", inner.await?)
}

static APP: std::sync::OnceLock<App> = std::sync::OnceLock::new();

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waits_in_vain_says_who_held_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let migration = tidings::Migration { version: 1, name: "held", sql: "CREATE TABLE held (x bigint)" };
    let hog = Module::new("hog").tables(["held"]).migrations(&[migration]).command(hold);
    let app = App::builder().modules([counters(), audit(), hog]).config(config(&dir)).build().await.unwrap();
    APP.set(app.clone()).ok().unwrap();
    let error = app.send(Hold {}).await.unwrap_err();
    let SendError::Rejected { rejection, .. } = &error else { panic!("{error}") };
    let told = "it waited for the writer, which command `hog.hold` held; nothing was written";
    assert!(rejection.message.contains(told), "{}", rejection.message);
    app.shutdown().await.unwrap();
}
