//! What would otherwise wait for ever, or tear something down with it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::envelope::Position;
use tidings::{App, Command, Ctx, Module, Outcome, Query, QueryCtx, QueryError, Result, SendError};
use tokio::sync::Semaphore;

use crate::app::{Total, audit, bump, counters};
use crate::support::Harness;

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("trap.fall-into")]
struct FallInto {
    what: String,
}

/// The application under test, for handlers that misuse it.
static APP: OnceLock<App> = OnceLock::new();

fn trap() -> Module {
    Module::new("trap").command(fall_into).query(look_into)
}

async fn fall_into(_ctx: &mut Ctx, cmd: FallInto) -> Outcome<()> {
    let app = || APP.get().expect("the test has set it");
    match cmd.what.as_str() {
        "send" => drop(app().send(bump("a", 1)).await?),
        "begin" => drop(app().outbox("counters")?.begin::<sqlx::Sqlite>().await?),
        "panic" => panic!("into the trap"),
        "hang" => std::future::pending().await,
        "retry" => app().dead_letters().retry("audit.note", Position(1)).await?,
        "discard" => app().dead_letters().discard("audit.note", Position(1), "no reason").await?,
        "shutdown" => app().shutdown().await?,
        "stay" => stay().await?,
        _ => {}
    }
    Ok(())
}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("trap.look-into", output = ())]
struct LookInto {}

async fn look_into(_ctx: &mut QueryCtx, _query: LookInto) -> Result<()> {
    stay().await
}

async fn stay() -> Result<()> {
    ENTERED.fetch_add(1, Ordering::SeqCst);
    MAY_LEAVE.acquire().await?.forget();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_from_inside_a_handler_fail_at_once() {
    let harness = Harness::with([counters(), audit(), trap()]).await;
    APP.set(harness.app.clone()).ok();
    for (what, expected) in [
        ("send", "called `app.send`"),
        ("begin", "called `app.outbox.begin`"),
        ("retry", "called `dead_letters().retry`"),
        ("discard", "called `dead_letters().discard`"),
        ("shutdown", "called `app.shutdown`"),
    ] {
        let error = harness.app.send(FallInto { what: what.to_owned() }).await.unwrap_err();
        let chain = tidings_core::error::chain(&error);
        assert!(chain.contains("command `trap.fall-into`") && chain.contains(expected), "{chain}");
    }
    let error = harness.app.send(FallInto { what: "panic".to_owned() }).await.unwrap_err();
    assert!(tidings_core::error::chain(&error).contains("panicked: into the trap"));
    let hang = harness.app.send(FallInto { what: "hang".to_owned() }).deadline(Duration::from_millis(100));
    let error = hang.await.unwrap_err();
    assert!(matches!(error, SendError::DeadlineExceeded { .. }), "{error}");
    assert_eq!(harness.app.send(bump("a", 1)).await.unwrap(), 1, "the process lives on");
    let cancelled = harness.app.send(FallInto { what: "hang".to_owned() });
    assert!(
        tokio::time::timeout(Duration::from_millis(50), std::future::IntoFuture::into_future(cancelled))
            .await
            .is_err()
    );
    assert_eq!(harness.app.send(bump("a", 1)).await.unwrap(), 2);
}

static ENTERED: AtomicU32 = AtomicU32::new(0);
static MAY_LEAVE: Semaphore = Semaphore::const_new(0);

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_early() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = crate::support::config(&dir);
    (config.commands.concurrency_max, config.queries.concurrency_max) = (4, 4);
    let app = App::builder().modules([counters(), trap()]).config(config).build().await.unwrap();
    let stay = |app: App| tokio::spawn(async move { app.send(FallInto { what: "stay".into() }).await });
    let staying: Vec<_> = (0..4).map(|_| stay(app.clone())).collect();
    let look = |app: App| tokio::spawn(async move { app.ask(LookInto {}).await });
    let looking: Vec<_> = (0..4).map(|_| look(app.clone())).collect();
    while ENTERED.load(Ordering::SeqCst) < 8 {
        tokio::task::yield_now().await;
    }
    let refused = app.send(bump("a", 1)).await.unwrap_err();
    assert!(matches!(refused, SendError::Overloaded { .. }), "{refused}");
    let refused = app.ask(Total { counter: "a".into() }).await.unwrap_err();
    assert!(matches!(refused, QueryError::Overloaded { .. }), "{refused}");
    MAY_LEAVE.add_permits(8);
    for staying in staying {
        staying.await.unwrap().unwrap();
    }
    for looking in looking {
        looking.await.unwrap().unwrap();
    }
    app.send(bump("a", 1)).await.unwrap();
    app.ask(Total { counter: "a".into() }).await.unwrap();
    app.shutdown().await.unwrap();
    let refused = app.ask(Total { counter: "a".into() }).await.unwrap_err();
    assert!(matches!(refused, QueryError::ShuttingDown { .. }), "{refused}");
}
