//! Stops, restarts, and jobs that nobody does any more.

use std::sync::Arc;
use std::time::Duration;

use tidings::store::{AttemptEnd, DeathReason, JobState};
use tidings::{BuildError, Module, Queue, SendError, ShutdownError};

use super::app::{Act, lend_app, noted, open, runs, step, tables, task, work, work_with};
use crate::app::{audit, bump, counters, notes};
use crate::support::{Harness, build, config};

async fn start() -> Harness {
    Harness::with([counters(), work()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_jobs_end_and_starts_no_more() {
    let harness = start().await;
    let running = harness.enqueue(step("stop-run", Act::Wait)).await;
    harness.until_runs("stop-run", 1).await;
    let waiting = harness.enqueue(step("stop-wait", Act::Done)).await;
    let app = harness.app.clone();
    let stopping = tokio::spawn(async move { app.shutdown().await });
    open("stop-run");
    stopping.await.unwrap().unwrap();
    assert!(runs("stop-wait").is_empty());
    let harness = harness.start_again_with([counters(), work()]).await.unwrap();
    assert_eq!(harness.job(running).await.state, JobState::Completed);
    harness.until_job(waiting, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_the_patience_is_given_back_and_done_after_the_next_start() {
    let harness = start().await;
    let id = harness.enqueue(task("stop-give", Act::Wait)).await;
    harness.until_runs("stop-give", 1).await;
    harness.app.shutdown_within(Duration::from_millis(50)).await.unwrap();
    open("stop-give");
    let harness = harness.start_again_with([counters(), work()]).await.unwrap();
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!((job.attempts, job.failures, job.losses), (2, 0, 0));
    let attempts = harness.app.jobs().attempts(id).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.end).collect::<Vec<_>>(), [AttemptEnd::GivenBack]);
    assert_eq!(harness.done().await, ["stop-give"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_job_that_blocks_its_thread_is_given_back_and_named() {
    let harness = start().await;
    let id = harness.enqueue(task("stop-block", Act::Block)).await;
    harness.until("it blocks", async |_| !noted("stop-block").is_empty()).await;
    let stopped = harness.app.shutdown_within(Duration::from_millis(50)).await;
    let Err(ShutdownError::StillRunning { handlers, .. }) = stopped else { panic!("{stopped:?}") };
    assert_eq!(handlers, ["job `work.task`"]);
    assert_eq!(harness.job(id).await.state, JobState::Ready, "it is given back all the same");
    open("stop-block");
    harness.app.shutdown().await.unwrap();
    let harness = harness.start_again_with([counters(), work()]).await.unwrap();
    harness.until_job(id, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_stops_its_application_is_refused_and_nothing_is_half_stopped() {
    let harness = start().await;
    lend_app("stop-self", &harness.app);
    let id = harness.enqueue(task("stop-self", Act::ShutDown)).await;
    harness.until_job(id, JobState::Completed).await;
    assert!(
        noted("stop-self")[0].contains("job `work.task` called `app.shutdown`"),
        "{:?}",
        noted("stop-self")
    );
    let next = harness.enqueue(task("stop-self-next", Act::Done)).await;
    harness.until_job(next, JobState::Completed).await;
    harness.app.send(bump("stop-self", 1)).await.unwrap();
    harness.app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_jobs_survive_a_restart() {
    let harness = start().await;
    let id = harness.enqueue(task("stop-later", Act::Fail(1))).await;
    harness.until_job(id, JobState::Scheduled).await;
    let harness = harness.restart_with([counters(), work()]).await.unwrap();
    harness.clock.advance(Duration::from_secs(12));
    harness.until_job(id, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_whose_handler_is_gone_stop_the_start_unless_they_are_given_up() {
    let harness = start().await;
    harness.app.queues().pause("steps", "a test").await.unwrap();
    let waiting = harness.enqueue(step("stop-orphan", Act::Done)).await;
    let dead = harness.enqueue(task("stop-orphan-dead", Act::Permanent)).await;
    harness.until_job(dead, JobState::Dead).await;
    harness.app.shutdown().await.unwrap();
    let without = || [counters(), tables()];
    // A start that is refused does not forget what it refused.
    for _ in 0..2 {
        let refused = build(&harness.dir, &harness.clock, without(), config(&harness.dir)).await;
        let text = refused.as_ref().map(drop).unwrap_err().to_string();
        assert!(
            text.contains("keep the old type of a job registered, with its handler, until its jobs are done"),
            "{text}"
        );
        assert!(
            text.contains("`.renamed` does nothing for jobs") && text.contains("`.retired(name, reason)`"),
            "{text}"
        );
        let Err(BuildError::Orphans(orphans)) = refused else { panic!("it must not start") };
        let told: Vec<String> = orphans.iter().map(ToString::to_string).collect();
        assert!(told.contains(&"job `work.step`: 1 job that has not ended".to_owned()), "{told:?}");
        assert!(told.contains(&"job `work.task`: 1 job that has not ended".to_owned()), "{told:?}");
    }
    let mut allowed = config(&harness.dir);
    allowed.start.allow_orphans = true;
    let app = build(&harness.dir, &harness.clock, without(), allowed).await.unwrap();
    app.shutdown().await.unwrap();
    let retired = tables().retired("step", "nobody steps").retired("task", "nothing to do");
    let harness =
        harness.start_again_with([counters(), retired.retired("escalate", "no more deaths")]).await.unwrap();
    let [waiting, dead] = [harness.job(waiting).await, harness.job(dead).await];
    assert_eq!((waiting.state, waiting.reason.as_deref()), (JobState::Cancelled, Some("nobody steps")));
    assert_eq!((dead.state, dead.reason.as_deref()), (JobState::Discarded, Some("nothing to do")));
    harness.restart_with(without()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_one_key_are_given_up_all_of_them() {
    let harness = start().await;
    harness.app.queues().pause("tasks", "they shall not begin").await.unwrap();
    let outbox = harness.app.outbox("work").unwrap();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(outbox.enqueue(task("stop-keyed", Act::Done)).key("sku", "a").await.unwrap().id);
    }
    let retired = tables().retired("task", "nothing to do");
    let harness = harness.restart_with([counters(), retired]).await.unwrap();
    for id in ids {
        assert_eq!(harness.job(id).await.state, JobState::Cancelled);
    }
    harness.restart_with([counters(), tables()]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_taken_over_and_may_be_given_up_where_no_queue_is_worked() {
    let killed = start().await;
    let id = killed.enqueue(task("stop-no-queue", Act::Wait)).await;
    killed.until_job(id, JobState::Running).await;
    let harness = kill_and_start(&killed, [counters(), tables().retired("task", "nothing to do")]).await;
    let job = harness.job(id).await;
    assert_eq!((job.state, job.reason.as_deref()), (JobState::Cancelled, Some("nothing to do")));
    assert_eq!(harness.app.jobs().attempts(id).await.unwrap()[0].end, AttemptEnd::Lost);
    harness.restart_with([counters(), tables()]).await.unwrap();
    open("stop-no-queue");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_key_whose_queues_become_one_after_a_kill_run_one_by_one_in_their_order() {
    let apart = Harness::with([counters(), work_with(Queue::named("tasks"))]).await;
    let outbox = apart.app.outbox("work").unwrap();
    let first = outbox.enqueue(task("stop-join-first", Act::Wait)).key("sku", "a").await.unwrap().id;
    let second = outbox.enqueue(step("stop-join-second", Act::Wait)).key("sku", "a").await.unwrap().id;
    apart.until_job(first, JobState::Running).await;
    apart.until_job(second, JobState::Running).await;
    let harness = kill_and_start(&apart, [counters(), work_with(Queue::named("steps"))]).await;
    harness.until_runs("stop-join-first", 2).await;
    assert_eq!(harness.job(second).await.state, JobState::Behind);
    open("stop-join-first");
    harness.until_job(first, JobState::Completed).await;
    harness.until_runs("stop-join-second", 2).await;
    open("stop-join-second");
    harness.until_job(second, JobState::Completed).await;
}

/// The application as it is after the process was killed and started again: on the file as it was at this moment. The
/// one before lives on with a file of its own, and hears nothing of it.
async fn kill_and_start(harness: &Harness, modules: impl IntoIterator<Item = Module>) -> Harness {
    use sqlx::Connection;
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let path = harness.path().display().to_string();
    let mut connection = sqlx::SqliteConnection::connect(&path).await.unwrap();
    let snapshot = crate::support::path(&dir).display().to_string();
    sqlx::query("VACUUM INTO $1").bind(snapshot).execute(&mut connection).await.unwrap();
    let app = build(&dir, &harness.clock, modules, config(&dir)).await.unwrap();
    Harness { app, clock: harness.clock.clone(), dir }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_whose_process_was_killed_run_again_one_by_one() {
    let harness = start().await;
    harness.app.queues().pause("tasks", "until it is killed").await.unwrap();
    let labels: Vec<String> = (0..3).map(|number| format!("stop-kill-{number}")).collect();
    let mut ids = Vec::new();
    for label in &labels {
        ids.push(harness.enqueue(task(label, Act::Wait)).await);
    }
    harness.app.queues().resume("tasks").await.unwrap();
    for label in &labels {
        harness.until_runs(label, 1).await;
    }
    for id in &ids {
        harness.until_job(*id, JobState::Running).await;
    }
    let killed = harness;
    let harness = kill_and_start(&killed, [counters(), work()]).await;
    for (place, (label, id)) in labels.iter().zip(&ids).enumerate() {
        harness.until_runs(label, 2).await;
        for later in &ids[place + 1..] {
            assert_eq!(harness.job(*later).await.state, JobState::Suspect, "one at a time");
        }
        if place == 0 {
            // Other jobs go on meanwhile.
            let other = harness.enqueue(task("stop-kill-other", Act::Done)).await;
            harness.until_job(other, JobState::Completed).await;
        }
        open(label);
        let job = harness.until_job(*id, JobState::Completed).await;
        assert_eq!(job.attempts, 2);
        let attempts = harness.app.jobs().attempts(*id).await.unwrap();
        assert_eq!(attempts.last().unwrap().end, AttemptEnd::Lost);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_the_process_again_and_again_is_dead_without_another_try() {
    let harness = start().await;
    let id = harness.enqueue(task("stop-lethal", Act::Wait)).await;
    let mut killed = vec![harness];
    for losses in 0..=5 {
        let harness = killed.last().unwrap();
        harness.until_runs("stop-lethal", losses + 1).await;
        assert_eq!(harness.until_job(id, JobState::Running).await.losses as usize, losses);
        let next = kill_and_start(harness, [counters(), work()]).await;
        killed.push(next);
    }
    let harness = killed.pop().unwrap();
    let job = harness.until_job(id, JobState::Dead).await;
    assert_eq!(job.death, Some(DeathReason::Lethal));
    assert!(job.error.unwrap().contains("the process ended 6 times while the job ran"));
    assert_eq!(runs("stop-lethal").len(), 6);
    harness.until("its death is told", async |harness| harness.died().await.len() == 1).await;
    assert_eq!(harness.died().await[0].1, "lethal");
    let next = harness.enqueue(task("stop-lethal-next", Act::Done)).await;
    harness.until_job(next, JobState::Completed).await;
    open("stop-lethal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_calls_are_refused_because_of_a_stop_has_not_failed() {
    let harness = start().await;
    let id = harness.enqueue(task("stop-call", Act::WaitAndCall)).await;
    harness.until_runs("stop-call", 1).await;
    let app = harness.app.clone();
    let stopping = tokio::spawn(async move { app.shutdown().await });
    harness
        .until("no more is taken", async |harness| {
            matches!(harness.app.send(bump("stop-call", 1)).await, Err(SendError::ShuttingDown { .. }))
        })
        .await;
    open("stop-call");
    stopping.await.unwrap().unwrap();
    let harness = harness.start_again_with([counters(), work()]).await.unwrap();
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!((job.attempts, job.failures), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_that_takes_long_keeps_no_listener() {
    let modules = || [counters(), audit(), work()];
    let killed = Harness::with(modules()).await;
    let id = killed.enqueue(task("stop-kill-slow", Act::Wait)).await;
    killed.until_job(id, JobState::Running).await;
    let harness = kill_and_start(&killed, modules()).await;
    harness.until_runs("stop-kill-slow", 2).await;
    // The listener goes carefully after such an end, and so as not to be suspected itself waits for the suspect; a while.
    harness.app.send(bump("beside a suspect", 1)).await.unwrap();
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "beside a suspect").await, ["bumped to 1"]);
    assert_eq!(harness.job(id).await.state, JobState::Running);
    open("stop-kill-slow");
    harness.until_job(id, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_whose_queue_goes_on_runs_at_once() {
    let killed = start().await;
    let paused = killed.enqueue(task("stop-kill-paused", Act::Wait)).await;
    killed.until_job(paused, JobState::Running).await;
    killed.app.queues().pause("tasks", "the supplier is down").await.unwrap();
    let other = killed.enqueue(step("stop-kill-unpaused", Act::Wait)).await;
    killed.until_job(other, JobState::Running).await;
    let harness = kill_and_start(&killed, [counters(), work()]).await;
    open("stop-kill-unpaused");
    harness.until_job(other, JobState::Completed).await;
    // Whoever has run the one has looked for the other, by the time that all these are done.
    for _ in 0..20 {
        let next = harness.enqueue(step("stop-kill-meanwhile", Act::Done)).await;
        harness.until_job(next, JobState::Completed).await;
    }
    assert_eq!(harness.job(paused).await.state, JobState::Suspect);
    harness.app.queues().resume("tasks").await.unwrap();
    harness.until_runs("stop-kill-paused", 2).await;
    open("stop-kill-paused");
    harness.until_job(paused, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn a_suspect_that_blocks_its_thread_is_alone_until_it_is_gone() {
    let killed = start().await;
    let blocks = killed.enqueue(task("stop-kill-block", Act::Block)).await;
    let waits = killed.enqueue(task("stop-kill-behind", Act::Wait)).await;
    killed.until_job(blocks, JobState::Running).await;
    killed.until_job(waits, JobState::Running).await;
    let harness = kill_and_start(&killed, [counters(), work()]).await;
    harness.until_runs("stop-kill-block", 2).await;
    harness.clock.advance(Duration::from_secs(300));
    let job = harness.until_job(blocks, JobState::Scheduled).await;
    assert!(job.error.unwrap().contains("did not end within"));
    // It has lost its job; by the time that all these are done the next suspect would be running.
    for _ in 0..20 {
        let next = harness.enqueue(step("stop-kill-block-meanwhile", Act::Done)).await;
        harness.until_job(next, JobState::Completed).await;
    }
    assert_eq!(harness.job(waits).await.state, JobState::Suspect);
    open("stop-kill-block");
    harness.until_runs("stop-kill-behind", 2).await;
    open("stop-kill-behind");
    harness.until_job(waits, JobState::Completed).await;
}
