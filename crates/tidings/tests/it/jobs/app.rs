//! The module under test: `work` does tasks, and each task says how it fares.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::store::{JobFilter, JobRow, JobState, Migration};
use tidings::{
    App, Command, Ctx, Error, Job, JobCtx, JobDied, MessageId, Module, Outcome, Queue, Result, RetrySchedule,
    sql,
};

use crate::app::contracts::work::Done;
use crate::app::{Bump, Total, bump};
use crate::support::Harness;

/// A task. Tests use labels of their own, by which they find again what happened.
#[derive(Clone, Debug, Job, Serialize, Deserialize)]
#[job("work.task")]
pub(crate) struct Task {
    pub(crate) label: String,
    pub(crate) act: Act,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    Done,
    /// Writes its label, publishes, sends a command and enqueues a task, all in its finish.
    Finish,
    /// As `Finish`, but it is given up, and the handler says that all is well.
    FinishDropped,
    /// Finishes, and fails then.
    FailAfterFinish,
    /// Finishes twice.
    FinishTwice,
    /// Gives a finish up and makes another one.
    FinishAgain,
    /// Calls into the application while it finishes.
    CallInFinish,
    /// Waits in its finish for longer than it may hold the writer.
    HangInFinish,
    /// The first time: blocks its thread in its finish until the test opens its gate, and fails with an error that is
    /// transient. The second time: finishes.
    BlockInFinish,
    /// Fails so many times.
    Fail(u32),
    /// Fails, and asks for another attempt after so many seconds.
    RetryAfter(u64),
    Permanent,
    Transient(u32),
    /// Asks so many times to be run so many seconds later.
    Snooze(u32, u64),
    Panic,
    /// Waits until it is dropped.
    Hang,
    /// Blocks its thread until the test opens its gate, and finishes then.
    Block,
    /// The first time: blocks its thread until the test opens its gate, before it has awaited anything, and tells how its
    /// finish ends. The second time: finishes.
    Freeze,
    /// Waits, awaiting, until the test opens its gate, and finishes then.
    Wait,
    /// Reports two steps and fails the first time; reads what it reported the second time.
    Progress,
    /// Reports two steps and gives its finish up the first time; the second time reports two more and finishes.
    ProgressAndFinish,
    /// Calls the command and the query of another module.
    Call,
    /// Waits until the test opens its gate, and calls a command then.
    WaitAndCall,
    /// Stops its application.
    ShutDown,
    /// Calls what its module has not declared.
    CallUndeclared,
}

/// The same in a queue of one.
#[derive(Clone, Debug, Job, Serialize, Deserialize)]
#[job("work.step")]
pub(crate) struct Step {
    pub(crate) label: String,
    pub(crate) act: Act,
}

/// The job of another module.
#[derive(Debug, Job, Serialize, Deserialize)]
#[job("elsewhere.job")]
pub(crate) struct Elsewhere {}

/// Enqueues tasks, and is rejected, or fails, or not.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("work.order", output = Vec<MessageId>)]
pub(crate) struct Order {
    pub(crate) tasks: Vec<Task>,
    pub(crate) then: Then,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Then {
    Keep,
    Reject,
    /// Goes back to before the last task.
    RollBackLast,
    /// Enqueues a job of another module.
    EnqueueElsewhere,
}

const WORK_SQL: &str = "CREATE TABLE work_done (id INTEGER PRIMARY KEY, label TEXT NOT NULL);
    CREATE TABLE work_died (job TEXT NOT NULL, reason TEXT NOT NULL, attempts BIGINT NOT NULL, payload TEXT NOT NULL);";

/// The retry schedule of steps.
pub(crate) const STEP_TIERS: [u64; 2] = [5, 50];

pub(crate) fn work() -> Module {
    work_with(Queue::named("tasks"))
}

pub(crate) fn work_with(tasks: Queue) -> Module {
    tables()
        .job(tasks, do_task)
        .job_with(Queue::named("steps").concurrency(1), do_step, |options| {
            let tiers = STEP_TIERS.map(Duration::from_secs);
            options.retry(RetrySchedule::new(tiers, 0)).timeout(Duration::from_secs(30))
        })
        .command(order)
        .sends::<Bump>()
        .on("escalate", escalate)
}

/// The module without its jobs.
pub(crate) fn tables() -> Module {
    Module::new("work")
        .context("counters")
        .owns::<Done>()
        .tables(["work_done", "work_died"])
        .migrations(&[Migration { version: 1, name: "tables", sql: WORK_SQL }])
}

async fn escalate(ctx: &mut Ctx, died: JobDied) -> Result<()> {
    assert_eq!(ctx.message_id().0.get_version_num(), 7);
    sql("INSERT INTO work_died (job, reason, attempts, payload) VALUES ($1, $2, $3, $4)")
        .bind(died.job_id.to_string())
        .bind(died.reason)
        .bind(i64::from(died.attempts))
        .bind(died.payload.map(|payload| payload.to_string()).unwrap_or_default())
        .execute(ctx.tx())
        .await?;
    Ok(())
}

async fn order(ctx: &mut Ctx, order: Order) -> Outcome<Vec<MessageId>> {
    let mut ids = Vec::new();
    let last = order.tasks.len().saturating_sub(1);
    for (place, task) in order.tasks.into_iter().enumerate() {
        if place == last && matches!(order.then, Then::RollBackLast) {
            let savepoint = ctx.savepoint().await?;
            ctx.enqueue(task).await?;
            ctx.rollback_to(savepoint).await?;
        } else {
            ids.push(ctx.enqueue(task).await?.id);
        }
    }
    match order.then {
        Then::Reject => tidings::reject("no", "not today"),
        Then::EnqueueElsewhere => {
            ctx.enqueue(Elsewhere {}).await?;
            Ok(ids)
        }
        Then::Keep | Then::RollBackLast => Ok(ids),
    }
}

pub(crate) async fn do_task(ctx: &mut JobCtx, task: Task) -> Result<()> {
    act(ctx, &task.label, task.act).await
}

async fn do_step(ctx: &mut JobCtx, step: Step) -> Result<()> {
    act(ctx, &step.label, step.act).await
}

async fn act(ctx: &mut JobCtx, label: &str, act: Act) -> Result<()> {
    let attempt = note_run(label, ctx);
    match act {
        Act::Done => Ok(()),
        Act::Finish => finish(ctx, label).await,
        Act::FinishDropped => {
            drop(written(ctx, label).await?);
            Ok(())
        }
        Act::FailAfterFinish => {
            finish(ctx, label).await?;
            Err(Error::failed("too late to fail"))
        }
        Act::FinishTwice => {
            finish(ctx, label).await?;
            let again = ctx.finish().await.err().expect("a job is done once");
            note(label, &again.to_string());
            Ok(())
        }
        Act::FinishAgain => {
            drop(written(ctx, label).await?);
            finish(ctx, label).await
        }
        Act::CallInFinish => {
            let app = app_of(label);
            let done = written(ctx, label).await?;
            let refused = app.send(bump("never", 1)).await.expect_err("it would wait for itself");
            note(label, &refused.to_string());
            done.commit().await?;
            app.send(bump(label, 1)).await?;
            Ok(())
        }
        Act::HangInFinish => {
            let _done = written(ctx, label).await?;
            std::future::pending().await
        }
        Act::BlockInFinish if attempt > 1 => finish(ctx, label).await,
        Act::BlockInFinish => {
            let _done = written(ctx, label).await?;
            note(label, "blocks");
            gate(label).wait();
            Err(Error::transient("the supplier was busy"))
        }
        Act::Fail(times) if attempt <= times => Err(Error::failed(format!("attempt {attempt} fails"))),
        Act::RetryAfter(seconds) if attempt == 1 => {
            Err(ctx.retry_after(Duration::from_secs(seconds), Error::failed("come back later")))
        }
        Act::Transient(times) if attempt <= times => Err(Error::transient("a moment, please")),
        Act::Fail(_) | Act::RetryAfter(_) | Act::Transient(_) => Ok(()),
        Act::Permanent => Err(Error::permanent("this can never be done")),
        Act::Snooze(times, seconds) if attempt <= times => Err(ctx.snooze(Duration::from_secs(seconds))),
        Act::Snooze(..) => Ok(()),
        Act::Panic => panic!("a task too far"),
        Act::Hang => std::future::pending().await,
        Act::Block => {
            note(label, "blocks");
            gate(label).wait();
            let finished = finish(ctx, label).await;
            note(label, &finished.as_ref().map_or_else(ToString::to_string, |()| "finished".to_owned()));
            finished
        }
        Act::Freeze if attempt > 1 => finish(ctx, label).await.inspect(|()| note(label, "finished")),
        Act::Freeze => {
            note(label, "freezes");
            gate(label).wait();
            // Without giving its thread back, so that nobody tells it before that it has lost the job.
            let finished = block_on(finish(ctx, label));
            note(label, &finished.as_ref().map_or_else(ToString::to_string, |()| "finished".to_owned()));
            finished
        }
        Act::Wait => {
            let open = gate(label);
            tokio::task::spawn_blocking(move || open.wait()).await?;
            finish(ctx, label).await
        }
        Act::WaitAndCall => {
            let open = gate(label);
            tokio::task::spawn_blocking(move || open.wait()).await?;
            ctx.send(bump(label, 1)).await?;
            Ok(())
        }
        Act::Progress => {
            if let Some(step) = ctx.last_progress::<u32>()? {
                note(label, &format!("goes on at {step}"));
                return Ok(());
            }
            ctx.progress(1).await?;
            ctx.progress(2).await?;
            Err(Error::failed("interrupted"))
        }
        Act::ProgressAndFinish => {
            for step in [2 * attempt - 1, 2 * attempt] {
                ctx.progress(step).await?;
            }
            let done = ctx.finish().await?;
            if attempt == 1 { Err(Error::failed("interrupted")) } else { done.commit().await }
        }
        Act::Call => {
            let total = ctx.send(bump(label, 2)).await?;
            let asked = ctx.ask(Total { counter: label.to_owned() }).await?;
            note(label, &format!("{total} {asked:?}"));
            Ok(())
        }
        Act::ShutDown => {
            let refused = app_of(label).shutdown().await.expect_err("it would wait for itself");
            note(label, &refused.to_string());
            Ok(())
        }
        Act::CallUndeclared => {
            ctx.send(Order { tasks: Vec::new(), then: Then::Keep }).await.map(drop).map_err(Error::from)
        }
    }
}

async fn written<'c>(ctx: &'c mut JobCtx, label: &str) -> Result<tidings::Finish<'c>> {
    let mut done = ctx.finish().await?;
    sql("INSERT INTO work_done (label) VALUES ($1)").bind(label).execute(done.tx()).await?;
    done.publish(Done { label: label.to_owned() }).await?;
    Ok(done)
}

async fn finish(ctx: &mut JobCtx, label: &str) -> Result<()> {
    let mut done = written(ctx, label).await?;
    done.send(bump(label, 1)).await?;
    done.enqueue(Task { label: format!("{label}-next"), act: Act::Done }).await?;
    done.commit().await
}

pub(crate) fn task(label: &str, act: Act) -> Task {
    Task { label: label.to_owned(), act }
}

pub(crate) fn step(label: &str, act: Act) -> Step {
    Step { label: label.to_owned(), act }
}

/// What happened to a label, over all applications of this process.
#[derive(Default)]
struct Happened {
    runs: Vec<(MessageId, u32)>,
    notes: Vec<String>,
    gate: Arc<Gate>,
    app: Option<App>,
}

static HAPPENED: Mutex<Option<HashMap<String, Happened>>> = Mutex::new(None);

fn with<T>(label: &str, look: impl FnOnce(&mut Happened) -> T) -> T {
    look(HAPPENED.lock().unwrap().get_or_insert_default().entry(label.to_owned()).or_default())
}

/// Notes an attempt and says which it is of this label.
fn note_run(label: &str, ctx: &JobCtx) -> u32 {
    with(label, |happened| {
        happened.runs.push((ctx.dedupe_key(), ctx.attempt()));
        u32::try_from(happened.runs.len()).unwrap()
    })
}

fn note(label: &str, what: &str) {
    with(label, |happened| happened.notes.push(what.to_owned()));
}

fn gate(label: &str) -> Arc<Gate> {
    with(label, |happened| happened.gate.clone())
}

fn app_of(label: &str) -> App {
    with(label, |happened| happened.app.clone().unwrap())
}

/// The attempts made, each with the number that its context gave.
pub(crate) fn runs(label: &str) -> Vec<u32> {
    with(label, |happened| happened.runs.iter().map(|(_, attempt)| *attempt).collect())
}

/// The dedupe keys of the attempts made.
pub(crate) fn keys(label: &str) -> Vec<MessageId> {
    with(label, |happened| happened.runs.iter().map(|(key, _)| *key).collect())
}

pub(crate) fn noted(label: &str) -> Vec<String> {
    with(label, |happened| happened.notes.clone())
}

/// Gives the task its application, to call into.
pub(crate) fn lend_app(label: &str, app: &App) {
    with(label, |happened| happened.app = Some(app.clone()));
}

/// Lets a task that blocks or waits go on.
pub(crate) fn open(label: &str) {
    gate(label).open();
}

/// Polls a future on this thread alone.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let (mut context, mut future) = (std::task::Context::from_waker(&waker), std::pin::pin!(future));
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Not for ever, or a test that has failed would not end.
    fn wait(&self) {
        let closed = self.is_open.lock().unwrap();
        let waited = self.opened.wait_timeout_while(closed, Duration::from_secs(20), |is_open| !*is_open);
        assert!(!waited.unwrap().1.timed_out(), "nobody opens the gate");
    }

    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Harness {
    /// Enqueues from outside of handlers.
    pub(crate) async fn enqueue<J: Job>(&self, job: J) -> MessageId {
        self.app.outbox("work").unwrap().enqueue(job).await.unwrap().id
    }

    pub(crate) async fn job(&self, id: MessageId) -> JobRow {
        self.app.jobs().get(id).await.unwrap().unwrap_or_else(|| panic!("no job {id}"))
    }

    /// Waits until a job is in this state, and returns it.
    pub(crate) async fn until_job(&self, id: MessageId, state: JobState) -> JobRow {
        self.until(&format!("job {id} is {}", state.as_str()), async |harness| {
            harness.job(id).await.state == state
        })
        .await;
        self.job(id).await
    }

    /// Waits until a label has had so many attempts.
    pub(crate) async fn until_runs(&self, label: &str, count: usize) {
        self.until(&format!("{label}: {count} attempts"), async |_| runs(label).len() >= count).await;
    }

    pub(crate) async fn all_jobs(&self) -> Vec<JobRow> {
        self.app.jobs().list(&JobFilter::default(), 1_000).await.unwrap()
    }

    /// What the tasks wrote in their finish.
    pub(crate) async fn done(&self) -> Vec<String> {
        use sqlx::Connection;
        let path = self.path().display().to_string();
        let mut connection = sqlx::SqliteConnection::connect(&path).await.unwrap();
        sqlx::query_scalar("SELECT label FROM work_done ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }

    /// The deaths that were listened to: job, reason, attempts, payload.
    pub(crate) async fn died(&self) -> Vec<(String, String, i64, String)> {
        use sqlx::Connection;
        let path = self.path().display().to_string();
        let mut connection = sqlx::SqliteConnection::connect(&path).await.unwrap();
        sqlx::query_as("SELECT job, reason, attempts, payload FROM work_died ORDER BY rowid")
            .fetch_all(&mut connection)
            .await
            .unwrap()
    }
}

/// Waits until somebody has opened a label's gate.
pub(crate) async fn until_open(label: &str) {
    let gate = gate(label);
    tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
}
