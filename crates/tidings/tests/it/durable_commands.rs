//! Commands sent inside a transaction.

use std::sync::Arc;

use tidings::store::Store;
use tidings::{App, Caller};
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::clock::ManualClock;
use tidings_testkit::faults::{FaultPlan, NamedFault, Step, What, When, faulty};

use crate::app::{ResetAll, Total, audit, bump, contracts, counters};
use crate::support::{Harness, config, path};

async fn replies(harness: &Harness) -> String {
    let error = harness.app.ask(Total { counter: "replies".into() }).await.unwrap_err();
    std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn carried_out_after_the_commit_and_answered() {
    let harness = Harness::start().await;
    harness.app.send(ResetAll { send_bump: Some(bump("a", 4)) }).await.unwrap();
    harness.until("the reply is there", async |harness| replies(harness).await == "total 4").await;
    harness.app.send(ResetAll { send_bump: Some(bump("a", 0)) }).await.unwrap();
    harness
        .until("the rejection is there", async |harness| replies(harness).await == "total 4,rejected zero")
        .await;
    assert!(harness.app.store().unhandled_rejections(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_nobody_handles_is_listed() {
    let harness = Harness::start().await;
    harness.app.send(ResetAll { send_bump: Some(bump("silent", 0)) }).await.unwrap();
    harness
        .until("the rejection is listed", async |harness| {
            harness.app.store().unhandled_rejections(10).await.unwrap().len() == 1
        })
        .await;
    let listed = harness.app.store().unhandled_rejections(10).await.unwrap().remove(0);
    assert_eq!(&*listed.command, "counters.bump");
    assert!(listed.body.contains("zero"));
    assert_eq!(harness.app.ask(Total { counter: "never kept".into() }).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flow_from_the_first_command_to_the_last_reply() {
    let harness = Harness::start().await;
    let caller = Caller {
        trace: tidings::TraceContext::from_headers(
            Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            Some("vendor=1"),
            Some("tenant=7"),
        ),
        ..Caller::default()
    };
    let payload = br#"{"send_bump":{"counter":"a","by":4}}"#;
    harness.app.send_json("counters.reset-all", payload, caller).await.unwrap();
    harness.until("the reply is there", async |harness| replies(harness).await == "total 4").await;
    let sizes = harness.app.store().flow_sizes(10).await.unwrap();
    assert_eq!(sizes.len(), 1, "{sizes:?}");
    let flow = harness.app.store().flow(sizes[0].correlation_id).await.unwrap();
    let names: Vec<_> = flow.iter().map(|message| message.envelope.name.to_string()).collect();
    assert_eq!(names[0], "counters.bump");
    assert!(
        names.contains(&"counters.bumped".to_owned()) && names.contains(&"counters.bump-answered".to_owned())
    );
    for message in &flow {
        let trace = &message.envelope.trace;
        assert!(trace.traceparent().unwrap().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert_eq!(
            (trace.tracestate.as_deref(), trace.baggage.as_deref()),
            (Some("vendor=1"), Some("tenant=7"))
        );
    }
    assert_eq!(flow[1].envelope.causation_id, Some(flow[0].envelope.id));
}

/// The clock stands still, so a command that was parked for it would never be carried out.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_busy_is_no_fault_of_the_command() {
    // The command at the edge records the first outcome; only the durable one takes savepoints.
    for (step, nth) in [(Step::Savepoint, 0), (Step::Release, 0), (Step::RecordOutcome, 1)] {
        let plan = FaultPlan::new();
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(ManualClock::new("2026-01-31T09:30:00Z".parse().unwrap()));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteConfig::new(path(&dir))).await.unwrap());
        let app = App::builder()
            .modules([counters(), audit()])
            .contracts(contracts::CONTRACTS)
            .config(config(&dir))
            .clock(clock.clone())
            .store(faulty(store, &plan))
            .build();
        let harness = Harness { app: app.await.unwrap(), clock, dir };
        plan.arm_named(NamedFault { step, nth, when: When::Before, what: What::Busy });
        harness.app.send(ResetAll { send_bump: Some(bump("a", 4)) }).await.unwrap();
        harness.until("the reply is there", async |harness| replies(harness).await == "total 4").await;
        assert!(plan.fired(), "{step:?}");
    }
}
