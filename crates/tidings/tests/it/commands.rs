//! Commands and queries at the edge.

use std::time::Duration;

use tidings::{Caller, QueryError, SendError};

use crate::app::{Total, bump};
use crate::support::Harness;

#[tokio::test(flavor = "multi_thread")]
async fn completes_and_answers() {
    let harness = Harness::start().await;
    assert_eq!(harness.app.send(bump("a", 2)).await.unwrap(), 2);
    assert_eq!(harness.app.send(bump("a", 3)).await.unwrap(), 5);
    assert_eq!(harness.app.ask(Total { counter: "a".into() }).await.unwrap(), Some(5));
    assert_eq!(harness.app.ask(Total { counter: "none".into() }).await.unwrap(), None);
    harness.app.shutdown().await.unwrap();
    assert!(matches!(harness.app.send(bump("a", 1)).await, Err(SendError::ShuttingDown { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_undoes_and_is_stored() {
    let harness = Harness::start().await;
    let error = harness.app.send(bump("a", 0)).idempotency_key("k").await.unwrap_err();
    assert_eq!(error.rejection().map(|rejection| rejection.code.as_str()), Some("zero"));
    assert_eq!(harness.app.ask(Total { counter: "never kept".into() }).await.unwrap(), None);
    let again = harness.app.send(bump("a", 0)).idempotency_key("k").await.unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_does_the_work_once() {
    let harness = Harness::start().await;
    let send = |caller: &str, by| harness.app.send(bump("a", by)).caller(caller).idempotency_key("k");
    assert_eq!(send("x", 1).await.unwrap(), 1);
    assert_eq!(send("x", 1).await.unwrap(), 1);
    assert!(matches!(send("x", 2).await, Err(SendError::KeyConflict { .. })));
    assert_eq!(send("y", 1).await.unwrap(), 2, "another caller's key is another key");
    harness.clock.advance(Duration::from_secs(25 * 3_600));
    assert_eq!(send("x", 5).await.unwrap(), 7, "an expired key is a new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_with_one_key() {
    let harness = Harness::start().await;
    let sends = (0..32).map(|_| {
        let app = harness.app.clone();
        tokio::spawn(async move { app.send(bump("a", 1)).idempotency_key("k").await })
    });
    let mut completed = 0;
    for send in sends.collect::<Vec<_>>() {
        match send.await.unwrap() {
            Ok(total) => {
                assert_eq!(total, 1);
                completed += 1;
            }
            Err(error) => assert!(matches!(error, SendError::KeyInFlight { .. }), "{error}"),
        }
    }
    assert!(completed >= 1);
    assert_eq!(harness.app.ask(Total { counter: "a".into() }).await.unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named() {
    let harness = Harness::start().await;
    let send = async |name: &str, payload: &str| {
        harness.app.send_json(name, payload.as_bytes(), Caller::default()).await.unwrap_err().to_string()
    };
    let cases = [
        ("counters.bump", r#"{"counter":"a","by":1,"bye":2}"#, "unknown field `bye`"),
        ("counters.bump", r#"{"counter":"a"}"#, "missing field `by`"),
        ("counters.bump", "{\n\"counter\": 7}", "line 2 column 12"),
        ("counters.bump", "\u{0}", "expected value"),
        ("counters.jump", "{}", "there are: counters.bump, counters.reset-all"),
        (
            "counters.bump",
            &format!("\"{}\"", "x".repeat(300_000)),
            "more than `commands.body_bytes_max` = 262144",
        ),
    ];
    for (name, payload, expected) in cases {
        let error = send(name, payload).await;
        assert!(error.contains(expected), "{error}");
    }
    let output =
        harness.app.send_json("counters.bump", br#"{"counter":"a","by":1}"#, Caller::default()).await;
    assert_eq!(output.unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_cannot_write() {
    let harness = Harness::start().await;
    harness.app.send(bump("a", 2)).await.unwrap();
    let error = harness.app.ask(Total { counter: "write".into() }).await.unwrap_err();
    assert!(matches!(error, QueryError::Failed { .. }), "{error}");
    assert_eq!(harness.app.ask(Total { counter: "a".into() }).await.unwrap(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_breaks_its_contract_is_refused() {
    let harness = Harness::start().await;
    let error = harness.app.send(bump("a", 2_000_000)).await.unwrap_err();
    let SendError::Failed { source, .. } = &error else { panic!("{error}") };
    assert!(
        source.to_string().contains("event `counters.bumped` breaks its contract v1: field `/total`"),
        "{source}"
    );
    assert_eq!(
        harness.app.ask(Total { counter: "a".into() }).await.unwrap(),
        None,
        "nothing is half-written"
    );
    assert!(harness.app.store().counts().await.unwrap().is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn works_on_a_runtime_of_one_thread() {
    let harness = Harness::start().await;
    assert_eq!(harness.app.send(bump("single", 2)).await.unwrap(), 2);
    harness.settle().await;
    assert_eq!(crate::app::notes(&harness.path(), "single").await, ["bumped to 2"]);
    harness.app.shutdown().await.unwrap();
}
