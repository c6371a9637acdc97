//! Listeners: order, parking, retries, dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings::store::{ParkedState, Start};
use tidings::{Clock, Ctx, Module, Result, RetrySchedule, batch, sql};
use tidings_testkit::clock::ManualClock;

use crate::app::{ResetAll, SomeBumped, attempts, audit, audit_tables, bump, counters, note_bumped, notes};
use crate::support::{Harness, build, config};
use crate::telling::{listen, told};

const NOTE: &str = "audit.note";

#[tokio::test(flavor = "multi_thread")]
async fn several_events_in_one_order_per_key() {
    let harness = Harness::start().await;
    for total in 1..=50 {
        harness.app.send(bump("a", 1)).await.unwrap();
        if total % 10 == 0 {
            harness.app.send(ResetAll { send_bump: None, more: 0 }).await.unwrap();
        }
    }
    harness.settle().await;
    let expected: Vec<String> = (1..=50)
        .flat_map(|n: u32| {
            let bumped = format!("bumped to {}", (n - 1) % 10 + 1);
            if n.is_multiple_of(10) { vec![bumped, "reset".to_owned()] } else { vec![bumped] }
        })
        .collect();
    assert_eq!(notes(&harness.path(), "a").await, expected);
    assert_eq!(harness.consumer(NOTE).await.handled, 55);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_event_holds_its_key_and_no_other() {
    let harness = Harness::start().await;
    let poison = "fail-2-holds";
    harness.app.send(bump(poison, 1)).await.unwrap();
    harness.app.send(bump(poison, 1)).await.unwrap();
    harness.app.send(bump("free", 1)).await.unwrap();
    harness.until_parked(NOTE, 1, 1, 0).await;
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "free").await, ["bumped to 1"]);
    assert!(notes(&harness.path(), poison).await.is_empty(), "a failed attempt leaves nothing");
    let parked = harness.app.store().parked(Some(NOTE), Some(ParkedState::Retrying), 10).await.unwrap();
    assert!(parked[0].error.contains("attempt 1 fails"), "{}", parked[0].error);
    harness.clock.advance(Duration::from_secs(12));
    harness.until("the second attempt failed", async |_| attempts(poison) == 2).await;
    harness.until_parked(NOTE, 1, 1, 0).await;
    harness.clock.advance(Duration::from_secs(67));
    harness.until_parked(NOTE, 0, 0, 0).await;
    assert_eq!(notes(&harness.path(), poison).await, ["bumped to 1", "bumped to 2"]);
    let receipts = parked[0].message.position;
    assert!(harness.app.store().receipt(NOTE, receipts).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_end_in_a_dead_letter() {
    let harness = Harness::start().await;
    let poison = "fail-99-dies";
    harness.app.send(bump(poison, 1)).await.unwrap();
    harness.app.send(bump(poison, 1)).await.unwrap();
    harness.until_parked(NOTE, 1, 1, 0).await;
    for (attempt, tier) in [(2, 10), (3, 60), (4, 600), (5, 3_600), (6, 7_200)] {
        harness.clock.advance(Duration::from_secs_f64(f64::from(tier) * 1.11));
        harness.until(&format!("attempt {attempt}"), async |_| attempts(poison) == attempt).await;
        let (retrying, dead) = if attempt == 6 { (0, 1) } else { (1, 0) };
        harness.until_parked(NOTE, retrying, 1, dead).await;
    }
    let dead = harness.app.dead_letters().list(None, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempts), (1, 6));
    harness.app.dead_letters().discard(NOTE, dead[0].message.position, "a test").await.unwrap();
    harness.until("the follower is tried", async |_| attempts(poison) == 7).await;
    assert!(harness.app.store().receipt(NOTE, dead[0].message.position).await.unwrap().is_none());
    let unknown = harness.app.dead_letters().retry(NOTE, dead[0].message.position).await;
    assert!(unknown.is_err(), "what was discarded cannot be retried");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_retried_by_a_person() {
    let harness = Harness::start().await;
    let poison = "fail-6-revives";
    harness.app.send(bump(poison, 1)).await.unwrap();
    harness.until_parked(NOTE, 1, 0, 0).await;
    for _ in 0..5 {
        harness.clock.advance(Duration::from_secs(9_000));
        let before = attempts(poison);
        harness.until("another attempt", async |_| attempts(poison) > before.min(5)).await;
        harness
            .until("it is parked again", async |harness| {
                let status = harness.consumer(NOTE).await;
                status.retrying + status.dead == 1
            })
            .await;
    }
    harness.until_parked(NOTE, 0, 0, 1).await;
    let dead = harness.app.dead_letters().list(Some(NOTE), 10).await.unwrap();
    harness.app.dead_letters().retry(NOTE, dead[0].message.position).await.unwrap();
    harness.until_parked(NOTE, 0, 0, 0).await;
    assert_eq!(notes(&harness.path(), poison).await, ["bumped to 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_error_is_dead_at_once() {
    let harness = Harness::start().await;
    harness.app.send(bump("garbage-a", 1)).await.unwrap();
    harness.until_parked(NOTE, 0, 0, 1).await;
    assert_eq!(attempts("garbage-a"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_may_go_on_after_a_dead_letter() {
    let relaxed = audit_tables().on_with("note", note_bumped, |options| options.continue_after_dead());
    let harness = Harness::with([counters(), relaxed]).await;
    harness.app.send(bump("garbage-b", 1)).await.unwrap();
    harness.app.send(bump("garbage-b", 1)).await.unwrap();
    harness.until_parked(NOTE, 0, 0, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_and_lost_transactions_harm_only_their_event() {
    let harness = Harness::start().await;
    for counter in ["before", "panic-a", "between", "rollback-a", "after"] {
        harness.app.send(bump(counter, 1)).await.unwrap();
    }
    harness.until_parked(NOTE, 2, 0, 0).await;
    harness.settle().await;
    for counter in ["before", "between", "after"] {
        assert_eq!(notes(&harness.path(), counter).await, ["bumped to 1"], "{counter}");
    }
    let parked = harness.app.store().parked(Some(NOTE), None, 10).await.unwrap();
    assert!(parked[0].error.contains("panicked: a note too far"), "{}", parked[0].error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_returns_is_interrupted_and_named() {
    let harness = Harness::start().await;
    for counter in ["hang-a", "free-of-hang"] {
        harness.app.send(bump(counter, 1)).await.unwrap();
    }
    harness.until_parked(NOTE, 1, 0, 0).await;
    harness.settle().await;
    let parked = harness.app.store().parked(Some(NOTE), None, 10).await.unwrap();
    assert!(parked[0].error.contains("audit.note"), "{}", parked[0].error);
    assert_eq!(notes(&harness.path(), "free-of-hang").await, ["bumped to 1"]);
}

async fn note_many(ctx: &mut Ctx, events: Vec<SomeBumped>) -> Result<()> {
    let what = format!("{} at once", events.len());
    for event in &events {
        if event.counter.starts_with("garbage") {
            return Err(tidings::Error::permanent("garbage in a batch"));
        }
        sql("INSERT INTO notes (counter, what) VALUES ($1, $2)")
            .bind(&event.counter)
            .bind(&what)
            .execute(ctx.tx())
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_split_until_the_culprit_is_alone() {
    let modules =
        || [counters(), audit_tables().on_with("note", batch(note_many), |options| options.from_start())];
    let harness = Harness::with([counters(), audit_tables()]).await;
    for n in 0..20 {
        harness
            .app
            .send(bump(&if n == 13 { "garbage-c".to_owned() } else { format!("c{n}") }, 1))
            .await
            .unwrap();
    }
    let harness = harness.restart_with(modules()).await.unwrap();
    harness.until_parked(NOTE, 0, 0, 1).await;
    harness.settle().await;
    for n in (0..20).filter(|n| *n != 13) {
        assert_eq!(notes(&harness.path(), &format!("c{n}")).await.len(), 1, "c{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_listener_starts_now_unless_told_otherwise() {
    let _ = Start::Now;
    let harness = Harness::with([counters(), audit_tables()]).await;
    harness.app.send(bump("old", 1)).await.unwrap();
    let harness = harness.restart_with([counters(), audit()]).await.unwrap();
    harness.app.send(bump("new", 1)).await.unwrap();
    harness.settle().await;
    assert!(notes(&harness.path(), "old").await.is_empty());
    assert_eq!(notes(&harness.path(), "new").await, ["bumped to 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_its_own() {
    let never = RetrySchedule::never();
    let once: Module = audit_tables().on_with("note", note_bumped, |options| options.retry(never));
    let harness = Harness::with([counters(), once]).await;
    harness.app.send(bump("fail-9-once", 1)).await.unwrap();
    harness.until_parked(NOTE, 0, 0, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_loses_nothing() {
    let harness = Harness::start().await;
    harness.app.send(bump("fail-1-jump", 1)).await.unwrap();
    harness.until_parked(NOTE, 1, 0, 0).await;
    harness.clock.set("2026-01-31T08:30:00Z".parse().unwrap());
    harness.app.send(bump("in the past", 1)).await.unwrap();
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "in the past").await, ["bumped to 1"]);
    harness.clock.advance(Duration::from_secs(3_600 + 12));
    harness.until_parked(NOTE, 0, 0, 0).await;
    assert_eq!(notes(&harness.path(), "fail-1-jump").await, ["bumped to 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_stops_behind_a_key_keeps_the_key_to_itself() {
    listen();
    let dir = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let clock = std::sync::Arc::new(ManualClock::new("2026-01-31T09:30:00Z".parse().unwrap()));
    let mut config = config(&dir);
    config.listeners.behind_max = 1;
    let app = build(&dir, &clock, [counters(), audit()], config).await.unwrap();
    let harness = Harness { app, clock, dir };
    for _ in 0..3 {
        harness.app.send(bump("garbage-alice", 1)).await.unwrap();
    }
    let stopped =
        |line: &str| line.contains("too many messages wait behind") && line.contains("key=\"counter:#");
    harness.until("it has stopped, and says so", async |_| told(stopped) > 0).await;
    assert_eq!(told(|line| stopped(line) && line.contains("alice")), 0);
}

/// A clock at which whoever waits for one time panics, once.
struct Tripping {
    clock: Arc<ManualClock>,
    at: jiff::Timestamp,
    has_tripped: AtomicBool,
}

#[async_trait::async_trait]
impl Clock for Tripping {
    fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    async fn sleep_until(&self, due: jiff::Timestamp) {
        if due == self.at && !self.has_tripped.swap(true, Ordering::SeqCst) {
            panic!("planned by the test");
        }
        self.clock.sleep_until(due).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_panics_outside_of_its_handlers_goes_on() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::default());
    let tier = Duration::from_secs(7);
    let trip = Arc::new(Tripping {
        clock: clock.clone(),
        at: clock.now() + tier,
        has_tripped: AtomicBool::new(false),
    });
    let audit =
        audit_tables().on_with("note", note_bumped, |options| options.retry(RetrySchedule::new([tier], 0)));
    let app =
        tidings::App::builder().modules([counters(), audit]).contracts(crate::app::contracts::CONTRACTS);
    let app = app.config(config(&dir)).clock(trip.clone()).build().await.unwrap();
    let harness = Harness { app, clock, dir };
    harness.app.send(bump("fail-1-trips", 1)).await.unwrap();
    harness.until("the consumer has panicked", async |_| trip.has_tripped.load(Ordering::SeqCst)).await;
    harness.app.send(bump("trips-not", 1)).await.unwrap();
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "trips-not").await, ["bumped to 1"]);
    harness.clock.advance(tier);
    harness.until_parked(NOTE, 0, 0, 0).await;
    assert_eq!(notes(&harness.path(), "fail-1-trips").await, ["bumped to 1"]);
}
