//! Commands sent inside a transaction.

use std::sync::Arc;
use std::time::Duration;

use tidings::store::Store;
use tidings::{App, Caller, Ctx, Outcome};
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tidings_testkit::clock::ManualClock;
use tidings_testkit::faults::{FaultPlan, NamedFault, Step, What, When, faulty};

use crate::app::{
    Bump, ResetAll, Total, audit, bump, bump_answered, contracts, counters, counters_tables, do_bump,
    do_reset_all, reset_and,
};
use crate::support::{Harness, WRITE_BUDGET_MS, config, path};

async fn replies(harness: &Harness) -> String {
    let error = harness.app.ask(Total { counter: "replies".into() }).await.unwrap_err();
    std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn carried_out_after_the_commit_and_answered() {
    let harness = Harness::start().await;
    harness.app.send(reset_and(bump("a", 4))).await.unwrap();
    harness.until("the reply is there", async |harness| replies(harness).await == "total 4").await;
    harness.app.send(reset_and(bump("a", 0))).await.unwrap();
    harness
        .until("the rejection is there", async |harness| replies(harness).await == "total 4,rejected zero")
        .await;
    assert!(harness.app.store().unhandled_rejections(10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_nobody_handles_is_listed() {
    let harness = Harness::start().await;
    harness.app.send(reset_and(bump("silent", 0))).await.unwrap();
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
    // The command at the edge records the first outcome; only the second durable one of a batch takes savepoints.
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
        harness.app.send(ResetAll { more: 1, ..reset_and(bump("a", 4)) }).await.unwrap();
        harness
            .until("the replies are there", async |harness| replies(harness).await == "total 4,total 8")
            .await;
        assert!(plan.fired(), "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_undoes_only_its_own_command() {
    let harness = Harness::start().await;
    let refused = bump("a", 0);
    harness.app.send(ResetAll { more: 2, ..reset_and(refused) }).await.unwrap();
    harness.app.send(ResetAll { more: 1, ..reset_and(bump("a", 4)) }).await.unwrap();
    harness
        .until("all are answered", async |harness| {
            replies(harness).await == "rejected zero,rejected zero,rejected zero,total 4,total 8"
        })
        .await;
    assert_eq!(harness.app.ask(Total { counter: "never kept".into() }).await.unwrap(), None);
}

async fn bump_after_a_while(ctx: &mut Ctx, cmd: Bump) -> Outcome<i64> {
    tokio::time::sleep(Duration::from_millis(2 * WRITE_BUDGET_MS)).await;
    do_bump(ctx, cmd).await
}

/// A handler that waits before its first statement holds no writer, and so is not interrupted for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_wait_before_its_first_statement() {
    let slow = counters_tables()
        .command(bump_after_a_while)
        .command(do_reset_all)
        .sends::<Bump>()
        .on_reply("bump-answered", bump_answered);
    let harness = Harness::with([slow]).await;
    harness.app.send(ResetAll { more: 1, ..reset_and(bump("a", 4)) }).await.unwrap();
    harness.until("both are answered", async |harness| replies(harness).await == "total 4,total 8").await;
}
