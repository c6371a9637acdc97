//! The one transaction of a job.

use tidings::store::JobState;

use super::app::{Act, keys, lend_app, noted, open, runs, task, work};
use crate::app::{counters, notes};
use crate::support::Harness;

async fn start() -> Harness {
    Harness::with([counters(), crate::app::audit(), work()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_writes_in_its_finish_is_committed_with_its_end() {
    let harness = start().await;
    let id = harness.enqueue(task("fin-all", Act::Finish)).await;
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!(harness.done().await, ["fin-all"]);
    assert_eq!(keys("fin-all"), [id], "the dedupe key is the job's id");
    // Everything that it caused has it as the cause, and its flow.
    let flow = harness.app.store().flow(job.correlation_id).await.unwrap();
    let caused = |name: &str| {
        let message = flow.iter().find(|message| &*message.envelope.name == name);
        message.unwrap_or_else(|| panic!("no {name}")).envelope.causation_id
    };
    assert_eq!(caused("work.done"), Some(id));
    assert_eq!(caused("counters.bump"), Some(id));
    let jobs = harness.app.store().flow_jobs(job.correlation_id).await.unwrap();
    assert_eq!((jobs.len(), jobs[1].causation_id), (2, Some(id)));
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "fin-all").await, ["bumped to 1"], "the command was carried out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_that_is_given_up_leaves_nothing_and_is_a_failure() {
    let harness = start().await;
    let id = harness.enqueue(task("fin-drop", Act::FinishDropped)).await;
    let job = harness.until_job(id, JobState::Scheduled).await;
    assert!(job.error.as_ref().unwrap().contains("finish was begun and not committed"), "{job:?}");
    assert!(harness.done().await.is_empty());
    assert!(harness.app.store().flow(job.correlation_id).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_finish_may_follow_one_that_was_given_up() {
    let harness = start().await;
    let id = harness.enqueue(task("fin-again", Act::FinishAgain)).await;
    harness.until_job(id, JobState::Completed).await;
    assert_eq!((harness.done().await.len(), runs("fin-again")), (1, vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_finished_is_done_whatever_follows() {
    let harness = start().await;
    let failing = harness.enqueue(task("fin-fail", Act::FailAfterFinish)).await;
    let twice = harness.enqueue(task("fin-twice", Act::FinishTwice)).await;
    harness.until_job(failing, JobState::Completed).await;
    harness.until_job(twice, JobState::Completed).await;
    harness.until("the second finish was refused", async |_| !noted("fin-twice").is_empty()).await;
    assert!(
        noted("fin-twice")[0].contains("job `work.task` has finished already"),
        "{:?}",
        noted("fin-twice")
    );
    assert!(harness.app.jobs().attempts(failing).await.unwrap().is_empty());
    assert_eq!(harness.done().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_into_the_application_fail_at_once_only_while_a_job_finishes() {
    let harness = start().await;
    lend_app("fin-call", &harness.app);
    let id = harness.enqueue(task("fin-call", Act::CallInFinish)).await;
    harness.until_job(id, JobState::Completed).await;
    assert!(noted("fin-call")[0].contains("job `work.task` called `app.send`"), "{:?}", noted("fin-call"));
    // After the commit it may.
    harness
        .until("the command was carried out", async |harness| {
            !notes(&harness.path(), "fin-call").await.is_empty()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_that_is_held_for_too_long_is_interrupted_and_named() {
    let harness = start().await;
    let id = harness.enqueue(task("fin-hang", Act::HangInFinish)).await;
    let job = harness.until_job(id, JobState::Scheduled).await;
    let error = job.error.unwrap();
    assert!(error.contains("job `work.task` held the write transaction for more than 500ms"), "{error}");
    assert!(harness.done().await.is_empty());
    let next = harness.enqueue(task("fin-after-hang", Act::Finish)).await;
    harness.until_job(next, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_finish_that_blocks_for_too_long_has_failed_though_its_error_is_transient() {
    let harness = start().await;
    let id = harness.enqueue(task("fin-block", Act::BlockInFinish)).await;
    harness.until("it blocks", async |_| !noted("fin-block").is_empty()).await;
    // Others write again when the transaction was taken from it.
    let next = harness.enqueue(task("fin-after-block", Act::Finish)).await;
    harness.until_job(next, JobState::Completed).await;
    open("fin-block");
    let job = harness.until_job(id, JobState::Scheduled).await;
    let error = job.error.unwrap();
    assert!(error.contains("job `work.task` held the write transaction for more than 500ms"), "{error}");
    assert_eq!(runs("fin-block"), [1], "no round follows, for the attempt was over");
    harness.clock.set(job.due);
    harness.until_job(id, JobState::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_report_of_progress_is_kept_also_by_a_finish() {
    let harness = start().await;
    let id = harness.enqueue(task("fin-progress", Act::ProgressAndFinish)).await;
    let job = harness.until_job(id, JobState::Scheduled).await;
    assert_eq!(job.progress.as_deref(), Some("2"), "the finish was given up, and its report was not");
    harness.clock.set(job.due);
    let job = harness.until_job(id, JobState::Completed).await;
    assert_eq!(job.progress.as_deref(), Some("4"));
}

mod typed {
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::SeqCst;

    use serde::{Deserialize, Serialize};
    use tidings::store::JobState;
    use tidings::{Error, Job, JobCtx, Queue, Result};

    use crate::jobs::app::tables;
    use crate::support::Harness;

    #[derive(Debug, Job, Serialize, Deserialize)]
    #[job("work.typed")]
    struct Typed {
        keep: bool,
    }

    async fn do_typed(ctx: &mut JobCtx<sqlx::Sqlite>, job: Typed) -> Result<()> {
        let mut done = ctx.finish().await?;
        sqlx::query("INSERT INTO work_done (label) VALUES ('typed')").execute(done.tx()).await?;
        let counted: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM work_done")
            .fetch_one(done.tx().connection().await?)
            .await?;
        if !job.keep {
            return Err(Error::permanent(format!("sees {counted}, and gives it up")));
        }
        done.commit().await
    }

    #[derive(Debug, Job, Serialize, Deserialize)]
    #[job("work.keeper")]
    struct Keeper {
        blocks: bool,
    }

    async fn keep(ctx: &mut JobCtx<sqlx::Sqlite>, job: Keeper) -> Result<()> {
        let mut done = ctx.finish().await?;
        IS_KEPT.store(true, SeqCst);
        if !job.blocks {
            std::mem::forget(done);
            return Ok(());
        }
        // Until others have written, which they cannot while this has the transaction.
        while !OTHERS_WROTE.load(SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        sqlx::query("INSERT INTO work_done (label) VALUES ('too late')").execute(done.tx()).await?;
        done.commit().await
    }

    static IS_KEPT: AtomicBool = AtomicBool::new(false);
    static OTHERS_WROTE: AtomicBool = AtomicBool::new(false);

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_finish_that_is_kept_for_ever_keeps_nobody_from_writing() {
        let modules = [tables().job(Queue::named("typed"), do_typed).job(Queue::named("keepers"), keep)];
        let harness = Harness::with(modules).await;
        for (blocks, told) in
            [(false, "finish was begun and not committed"), (true, "it was taken back from who had kept it")]
        {
            IS_KEPT.store(false, SeqCst);
            let keeper = harness.enqueue(Keeper { blocks }).await;
            // Not merely claimed: until it has the transaction, others may write.
            harness.until("it is kept", async |_| IS_KEPT.load(SeqCst)).await;
            harness
                .until("others write", async |harness| {
                    harness.app.outbox("work").unwrap().enqueue(Typed { keep: true }).await.is_ok()
                })
                .await;
            OTHERS_WROTE.store(blocks, SeqCst);
            let job = harness.until_job(keeper, JobState::Scheduled).await;
            let error = job.error.unwrap();
            // One that blocks may learn of it from its statement, or be told by the store that it has had the writer for too
            // long, whichever comes first.
            let interrupted = blocks && error.contains("held the write transaction for more than");
            assert!(error.contains(told) || interrupted, "{error}");
        }
        assert!(
            !harness.done().await.contains(&"too late".to_owned()),
            "it is not written in another transaction"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_may_finish_with_sqlx() {
        let harness = Harness::with([tables().job(Queue::named("typed"), do_typed)]).await;
        let dead = harness.enqueue(Typed { keep: false }).await;
        let job = harness.until_job(dead, JobState::Dead).await;
        assert_eq!(job.error.as_deref(), Some("sees 1, and gives it up"));
        assert!(harness.done().await.is_empty());
        let kept = harness.enqueue(Typed { keep: true }).await;
        harness.until_job(kept, JobState::Completed).await;
        assert_eq!(harness.done().await, ["typed"]);
    }
}
