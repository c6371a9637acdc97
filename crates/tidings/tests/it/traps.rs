//! What would otherwise wait for ever, or tear something down with it.

use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{App, Command, Ctx, Module, Outcome, SendError};

use crate::app::{audit, bump, counters};
use crate::support::Harness;

#[derive(Debug, Command, Serialize, Deserialize)]
#[command("trap.fall-into")]
struct FallInto {
    what: String,
}

/// The application under test, for handlers that misuse it.
static APP: OnceLock<App> = OnceLock::new();

fn trap() -> Module {
    Module::new("trap").command(fall_into)
}

async fn fall_into(_ctx: &mut Ctx, cmd: FallInto) -> Outcome<()> {
    let app = || APP.get().expect("the test has set it");
    match cmd.what.as_str() {
        "send" => drop(app().send(bump("a", 1)).await?),
        "begin" => drop(app().outbox("counters")?.begin().await?),
        "panic" => panic!("into the trap"),
        "hang" => std::future::pending().await,
        _ => {}
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_from_inside_a_handler_fail_at_once() {
    let harness = Harness::with([counters(), audit(), trap()]).await;
    APP.set(harness.app.clone()).ok();
    for (what, expected) in [("send", "called `app.send`"), ("begin", "called `app.outbox.begin`")] {
        let error = harness.app.send(FallInto { what: what.to_owned() }).await.unwrap_err();
        let chain = tidings_core::error::chain(&error);
        assert!(chain.contains("command `trap.fall-into`") && chain.contains(expected), "{chain}");
    }
    let error = harness.app.send(FallInto { what: "panic".to_owned() }).await.unwrap_err();
    assert!(tidings_core::error::chain(&error).contains("panicked: into the trap"));
    let hang = harness.app.send(FallInto { what: "hang".to_owned() }).deadline(Duration::from_millis(100));
    let error = hang.await.unwrap_err();
    assert!(tidings_core::error::chain(&error).contains("did not end within"), "{error}");
    assert_eq!(harness.app.send(bump("a", 1)).await.unwrap(), 1, "the process lives on");
    let cancelled = harness.app.send(FallInto { what: "hang".to_owned() });
    assert!(
        tokio::time::timeout(Duration::from_millis(50), std::future::IntoFuture::into_future(cancelled))
            .await
            .is_err()
    );
    assert_eq!(harness.app.send(bump("a", 1)).await.unwrap(), 2);
}

/// Hangs in a handler; a place that is taken at the moment is waited for.
async fn hang(app: App) -> SendError {
    loop {
        match app.send(FallInto { what: "hang".into() }).deadline(Duration::from_secs(1)).await {
            Err(SendError::Overloaded { .. }) => tokio::task::yield_now().await,
            ended => return ended.expect_err("it hangs until its deadline"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_refused_early() {
    let mut config = crate::support::config(&tempfile::tempdir().unwrap());
    config.commands.concurrency_max = 4;
    let dir = tempfile::tempdir().unwrap();
    config.store.path = crate::support::path(&dir);
    let app = App::builder().modules([counters(), trap()]).config(config).build().await.unwrap();
    let hanging: Vec<_> = (0..4).map(|_| tokio::spawn(hang(app.clone()))).collect();
    let begun = std::time::Instant::now();
    let refused = loop {
        match app.send(bump("a", 1)).await {
            Ok(_) => assert!(begun.elapsed() < Duration::from_secs(5), "four hang, and none is refused"),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SendError::Overloaded { .. }), "{refused}");
    for hanging in hanging {
        let error = tidings::chain(&hanging.await.unwrap());
        assert!(error.contains("did not end within"), "{error}");
    }
    app.send(bump("a", 1)).await.unwrap();
}
