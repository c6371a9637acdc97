//! Recurring jobs, over changes of the clock and the absence of processes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidings::store::JobState;
use tidings::{Job, JobCtx, Module, Queue, Result, ToEnqueue};
use tidings_testkit::clock::ManualClock;

use crate::support::Harness;
use crate::telling;

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("clock.tick")]
struct Tick {
    at: Timestamp,
}

async fn tick(_ctx: &mut JobCtx, _tick: Tick) -> Result<()> {
    Ok(())
}

fn clock_with(expression: &str) -> Module {
    Module::new("clock")
        .job(Queue::named("ticks"), tick)
        .cron("tick", expression, "Europe/Berlin", |at| Tick { at })
}

async fn start(expression: &str, now: &str) -> Harness {
    let harness = Harness::at(now, [clock_with(expression)]).await;
    harness.clock.until_sleeping(1).await;
    harness
}

/// Starts again, with a clock that knows nothing of the one before: a process that has just begun.
async fn start_at(stopped: Harness, now: &str) -> Harness {
    let clock = Arc::new(ManualClock::new(now.parse().unwrap()));
    let harness = Harness { clock, ..stopped }.start_again_with([clock_with("0 * * * *")]).await.unwrap();
    harness.clock.until_sleeping(1).await;
    harness
}

/// The times for which something was enqueued, once everything that is due is done.
async fn ticks(harness: &Harness, count: usize) -> Vec<String> {
    harness
        .until(&format!("{count} ticks"), async |harness| {
            let jobs = harness.all_jobs().await;
            jobs.len() >= count && jobs.iter().all(|job| job.state == JobState::Completed)
        })
        .await;
    let jobs = harness.all_jobs().await;
    let tick = |data: &str| serde_json::from_str::<Tick>(data).unwrap().at.to_string();
    jobs.iter().map(|job| tick(&job.data)).collect()
}

/// Moves the clock on step by step, so that every time is seen.
async fn pass(harness: &Harness, step: Duration, steps: u32, ticks_until: impl Fn(u32) -> usize) {
    for passed in 1..=steps {
        harness.clock.advance(step);
        ticks(harness, ticks_until(passed)).await;
    }
}

const HALF_HOUR: Duration = Duration::from_secs(1_800);

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_day_that_is_skipped_runs_right_after_the_gap() {
    let harness = start("30 2 * * *", "2026-03-28T00:00:00Z").await;
    // 02:30 in winter is 01:30 UTC; on the 29th the clock goes from 02:00 to 03:00 at 01:00 UTC.
    let due = [3, 50, 97];
    pass(&harness, HALF_HOUR, 100, |passed| due.iter().filter(|due| passed >= **due).count()).await;
    let expected = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
    assert_eq!(ticks(&harness, 3).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_day_that_comes_twice_runs_once() {
    let harness = start("30 2 * * *", "2026-10-24T00:00:00Z").await;
    let due = [1, 49, 99];
    pass(&harness, HALF_HOUR, 100, |passed| due.iter().filter(|due| passed >= **due).count()).await;
    let expected = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
    assert_eq!(ticks(&harness, 3).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn intervals_go_on_by_the_time_that_has_passed() {
    for from in ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"] {
        let harness = start("*/30 * * * *", from).await;
        pass(&harness, HALF_HOUR, 6, |passed| passed as usize).await;
        let mut expected: Timestamp = from.parse().unwrap();
        for tick in ticks(&harness, 6).await {
            expected += HALF_HOUR;
            assert_eq!(tick, expected.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_times_that_are_missed_the_last_is_made_up_for() {
    let harness = start("0 3 * * *", "2026-05-01T12:00:00Z").await;
    harness.app.shutdown().await.unwrap();
    harness.clock.advance(Duration::from_secs(3 * 86_400));
    let harness = harness.start_again_with([clock_with("0 3 * * *")]).await.unwrap();
    assert_eq!(ticks(&harness, 1).await, ["2026-05-04T01:00:00Z"]);
    harness.clock.advance(Duration::from_secs(86_400));
    assert_eq!(ticks(&harness, 2).await, ["2026-05-04T01:00:00Z", "2026-05-05T01:00:00Z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_repeats_nothing() {
    let harness = start("0 * * * *", "2026-05-01T11:59:00Z").await;
    harness.clock.advance(Duration::from_secs(60));
    let once = ["2026-05-01T12:00:00Z"];
    assert_eq!(ticks(&harness, 1).await, once);
    harness.clock.set("2026-05-01T11:30:00Z".parse().unwrap());
    harness.clock.advance(Duration::from_secs(1_800));
    assert_eq!(ticks(&harness, 1).await, once);
    // Nor does it after a start with the clock that was set back.
    let harness = harness.restart_with([clock_with("0 * * * *")]).await.unwrap();
    harness.clock.until_sleeping(1).await;
    assert_eq!(ticks(&harness, 1).await, once);
    harness.clock.advance(Duration::from_secs(3_600));
    assert_eq!(ticks(&harness, 2).await.last().unwrap(), "2026-05-01T13:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_years_ahead_once_stops_nothing() {
    let harness = start("0 * * * *", "2038-05-01T11:30:00Z").await;
    harness.app.shutdown().await.unwrap();
    let harness = start_at(harness, "2026-05-01T11:30:00Z").await;
    harness.clock.advance(HALF_HOUR);
    assert_eq!(ticks(&harness, 1).await, ["2026-05-01T12:00:00Z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_before_a_start_repeats_nothing() {
    let harness = start("0 * * * *", "2026-05-01T11:59:00Z").await;
    harness.clock.advance(Duration::from_secs(60));
    assert_eq!(ticks(&harness, 1).await, ["2026-05-01T12:00:00Z"]);
    harness.app.shutdown().await.unwrap();
    let harness = start_at(harness, "2026-05-01T11:30:00Z").await;
    harness.clock.advance(Duration::from_secs(5_400));
    assert_eq!(ticks(&harness, 2).await, ["2026-05-01T12:00:00Z", "2026-05-01T13:00:00Z"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_changes_is_computed_anew_and_one_that_is_gone_is_gone() {
    let harness = start("0 3 * * *", "2026-05-01T12:00:00Z").await;
    let harness = harness.restart_with([clock_with("0 15 * * *")]).await.unwrap();
    harness.clock.advance(Duration::from_secs(3_600));
    assert_eq!(ticks(&harness, 1).await, ["2026-05-01T13:00:00Z"]);
    let without = || Module::new("clock").job(Queue::named("ticks"), tick);
    let harness = harness.restart_with([without()]).await.unwrap();
    harness.clock.advance(Duration::from_secs(2 * 86_400));
    let harness = harness.restart_with([clock_with("0 15 * * *")]).await.unwrap();
    harness.clock.until_sleeping(1).await;
    assert_eq!(ticks(&harness, 1).await.len(), 1, "what was not declared is not made up for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_whose_unique_key_is_taken_is_told() {
    telling::listen();
    const MINUTE: Duration = Duration::from_secs(60);
    let fixed: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let module = Module::new("clock")
        .job(Queue::named("ticks"), tick)
        .cron("taken", "* * * * *", "UTC", |at| ToEnqueue::new(Tick { at }).unique("taken"))
        .cron("same", "* * * * *", "UTC", move |_| ToEnqueue::new(Tick { at: fixed }).unique("same"));
    let harness = Harness::at("2026-05-01T11:59:30Z", [module]).await;
    harness.app.queues().pause("ticks", "so that the first ones stay").await.unwrap();
    harness.clock.until_sleeping(1).await;
    harness.clock.advance(MINUTE);
    harness.until("the first ones are there", async |harness| harness.all_jobs().await.len() == 2).await;
    harness.clock.until_sleeping(1).await;
    harness.clock.advance(MINUTE);
    let jobs = harness.all_jobs().await;
    for (level, cron) in [("ERROR", "clock.taken"), ("INFO", "clock.same")] {
        let told = |text: &str| {
            text.starts_with(level)
                && text.contains(&format!("cron={cron} tick=2026-05-01T12:01:00Z"))
                && jobs.iter().any(|job| text.contains(&format!("id={}", job.id)))
        };
        harness.until(&format!("{cron} is told"), async |_| telling::told(told) == 1).await;
    }
    assert_eq!(harness.all_jobs().await.len(), 2);
}
