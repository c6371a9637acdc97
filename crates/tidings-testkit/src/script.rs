//! Works written as data: what a suite does inside a transaction, step by step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tidings_core::envelope::{Cursor, Envelope, Position};
use tidings_core::store::{
    Begun, Claim, Claimed, ClaimedJob, Enqueued, JobEnd, JobLease, Lease, Limits, NewJob, OutcomeRecord,
    Parked, RateLimit, Receipt, Settled, Store, StoreError, TableScope, Tx, Work, WorkerId,
};
use tidings_core::value::{Row, Value};
use tokio::sync::watch;

/// The module on whose behalf scripts run their statements.
pub const MODULE: &str = "suite";

/// One step of a [`Script`].
#[derive(Clone)]
pub enum Op {
    /// `Tx::append`.
    Append(Vec<Envelope>),
    /// `Tx::advance`.
    Advance(Lease, Cursor, Option<Receipt>),
    /// `Tx::park`.
    Park(Lease, Vec<Parked>),
    /// `Tx::settle`.
    Settle(Lease, Position, Settled),
    /// `Tx::begin_batch`.
    Begin(Lease, Begun),
    /// `Tx::record_outcome`.
    Outcome(OutcomeRecord),
    /// `Tx::conclude`.
    Conclude(Vec<Envelope>, OutcomeRecord),
    /// `Tx::enqueue`; answers [`Answer::Enqueued`].
    Enqueue(Vec<NewJob>),
    /// `Tx::claim_jobs`; answers [`Answer::Claimed`].
    Claim(Claiming),
    /// `Tx::claim_suspect` of these queues, each with its limit, and names; answers [`Answer::Suspect`].
    ClaimSuspect(WorkerId, Vec<(Arc<str>, Option<u32>)>, Vec<Arc<str>>, Timestamp),
    /// `Tx::end_attempts`; answers [`Answer::Ended`].
    End(Vec<(JobLease, JobEnd)>, Timestamp),
    /// `Tx::end_attempts` of one attempt that has completed its job, as its own last step: fails with
    /// [`StoreError::Fenced`] if the lease is void.
    Finish(JobLease, Timestamp),
    /// `Tx::report_progress`.
    Progress(JobLease, &'static str),
    /// `Tx::move_cron`; answers [`Answer::Moved`].
    MoveCron(&'static str, Timestamp, Timestamp),
    /// `Tx::execute`.
    Execute(&'static str, Vec<Value>),
    /// Runs the steps in a savepoint and keeps them.
    Kept(Vec<Op>),
    /// Runs the steps in a savepoint and undoes them. An error of a step is undone with them, and goes no further.
    Undone(Vec<Op>),
    /// `Tx::undo`.
    Undo,
    /// Goes on although the step fails.
    Swallow(Box<Op>),
    /// Holds the transaction for a while: a transaction of random length, never a way to wait for something.
    Linger(Duration),
    /// Says that this place is reached, and waits until the gate is opened.
    Gate(Gate),
    /// Ends the work with an error of its own.
    Fail,
    /// Panics.
    Panic(&'static str),
}

/// A [`Claim`] as data.
#[derive(Clone, Debug)]
pub struct Claiming {
    /// From which queue.
    pub queue: Arc<str>,
    /// For whom.
    pub worker: WorkerId,
    /// What the worker can do.
    pub names: Vec<Arc<str>>,
    /// At most so many.
    pub limit: usize,
    /// Business time.
    pub now: Timestamp,
    /// The queue's limit.
    pub rate: Option<RateLimit>,
    /// How many of its jobs may run at once.
    pub running_max: Option<u32>,
}

impl Claiming {
    /// As the store takes it.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        let Self { queue, worker, names, limit, now, rate, running_max } = self;
        let (worker, limit, now) = (*worker, *limit, *now);
        Claim { queue, worker, names, limit, now, rate: *rate, running_max: *running_max }
    }
}

/// What the store answered to a step.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Op::Enqueue`].
    Enqueued(Vec<Enqueued>),
    /// To [`Op::Claim`].
    Claimed(Claimed),
    /// To [`Op::ClaimSuspect`].
    Suspect(Option<Box<ClaimedJob>>),
    /// To [`Op::End`].
    Ended(Vec<bool>),
    /// To [`Op::MoveCron`].
    Moved(bool),
}

/// A work that runs its steps in order and ends with the first error.
#[derive(Clone)]
pub struct Script {
    name: String,
    ops: Vec<Op>,
    drains_log: bool,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Script {
    /// A script with a name of its own, for errors.
    #[must_use]
    pub fn named(name: impl Into<String>, ops: impl Into<Vec<Op>>) -> Self {
        Self { name: name.into(), ops: ops.into(), drains_log: false, answers: Arc::default() }
    }

    /// The same as the work of a consumer.
    #[must_use]
    pub fn of_a_consumer(self) -> Self {
        Self { drains_log: true, ..self }
    }

    /// What its steps were answered when it ran last, in their order.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Work for Script {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn drains_log(&self) -> bool {
        self.drains_log
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        // Run again alone, it is answered again.
        let mut answers = Vec::new();
        let result = run_all(tx.as_mut(), &self.ops, &mut answers).await;
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
        (tx, result)
    }
}

fn run_all<'a>(
    tx: &'a mut dyn Tx,
    ops: &'a [Op],
    answers: &'a mut Vec<Answer>,
) -> BoxFuture<'a, Result<(), StoreError>> {
    Box::pin(async move {
        for op in ops {
            run_one(tx, op, answers).await?;
        }
        Ok(())
    })
}

async fn run_one(tx: &mut dyn Tx, op: &Op, answers: &mut Vec<Answer>) -> Result<(), StoreError> {
    match op {
        Op::Enqueue(_)
        | Op::Claim(_)
        | Op::ClaimSuspect(..)
        | Op::End(..)
        | Op::Finish(..)
        | Op::Progress(..)
        | Op::MoveCron(..) => {
            answers.extend(run_for_jobs(tx, op).await?);
            Ok(())
        }
        Op::Append(messages) => tx.append(messages).await,
        Op::Advance(lease, to, handled) => tx.advance(lease, to, handled.as_ref()).await,
        Op::Park(lease, parked) => tx.park(lease, parked).await,
        Op::Settle(lease, position, how) => tx.settle(lease, *position, how).await,
        Op::Begin(lease, begun) => tx.begin_batch(lease, begun).await,
        Op::Outcome(outcome) => tx.record_outcome(outcome).await,
        Op::Conclude(messages, outcome) => tx.conclude(messages, outcome).await,
        Op::Execute(sql, params) => tx.execute(TableScope { module: MODULE }, sql, params).await.map(|_| ()),
        Op::Kept(ops) => {
            let savepoint = tx.savepoint().await?;
            run_all(tx, ops, answers).await?;
            tx.release(savepoint).await
        }
        Op::Undone(ops) => {
            let savepoint = tx.savepoint().await?;
            let _undone_with_the_rest = run_all(tx, ops, answers).await;
            tx.rollback_to(savepoint).await
        }
        Op::Undo => tx.undo().await,
        Op::Swallow(op) => {
            let _swallowed = run_all(tx, std::slice::from_ref(op), answers).await;
            Ok(())
        }
        Op::Linger(time) => {
            tokio::time::sleep(*time).await;
            Ok(())
        }
        Op::Gate(gate) => {
            gate.wait_here().await;
            Ok(())
        }
        Op::Fail => Err(StoreError::Undone),
        Op::Panic(message) => panic!("{message}"),
    }
}

/// The steps of jobs, with their answers.
async fn run_for_jobs(tx: &mut dyn Tx, op: &Op) -> Result<Option<Answer>, StoreError> {
    Ok(match op {
        Op::Enqueue(jobs) => Some(Answer::Enqueued(tx.enqueue(jobs).await?)),
        Op::Claim(claiming) => Some(Answer::Claimed(tx.claim_jobs(&claiming.claim()).await?)),
        Op::ClaimSuspect(worker, queues, names, now) => {
            let suspect = tx.claim_suspect(*worker, queues, names, *now).await?;
            Some(Answer::Suspect(suspect.map(Box::new)))
        }
        Op::End(ends, at) => Some(Answer::Ended(tx.end_attempts(ends, *at).await?)),
        Op::Finish(lease, at) => match tx.end_attempts(&[(*lease, JobEnd::Completed)], *at).await?[..] {
            [true] => None,
            _ => return Err(StoreError::Fenced { consumer: format!("job {}", lease.id) }),
        },
        Op::Progress(lease, progress) => tx.report_progress(lease, progress).await.map(|()| None)?,
        Op::MoveCron(name, from, to) => Some(Answer::Moved(tx.move_cron(name, *from, *to).await?)),
        _ => None,
    })
}

/// Runs a script with default limits.
///
/// # Errors
/// Those of [`Store::transact`].
pub async fn run(store: &dyn Store, ops: impl Into<Vec<Op>>) -> Result<(), StoreError> {
    store.transact(Arc::new(Script::named("suite script", ops)), Limits::default()).await
}

/// Runs a script with default limits, and returns what its steps were answered.
///
/// # Errors
/// Those of [`Store::transact`].
pub async fn ask(store: &dyn Store, ops: impl Into<Vec<Op>>) -> Result<Vec<Answer>, StoreError> {
    let script = Arc::new(Script::named("suite script", ops));
    store.transact(script.clone(), Limits::default()).await?;
    Ok(script.answers())
}

/// Runs a script with default limits, as the work of a consumer.
///
/// # Errors
/// Those of [`Store::transact`].
pub async fn run_as_consumer(store: &dyn Store, ops: impl Into<Vec<Op>>) -> Result<(), StoreError> {
    let script = Script::named("suite consumer", ops).of_a_consumer();
    store.transact(Arc::new(script), Limits::default()).await
}

/// Runs one statement against a snapshot and returns its rows.
///
/// # Errors
/// Those of [`Store::read`].
pub async fn query(store: &dyn Store, sql: &'static str) -> Result<Vec<Row>, StoreError> {
    let fetch = Arc::new(Fetch { sql, rows: Mutex::default() });
    store.read(fetch.clone(), Limits::default()).await?;
    let mut rows = fetch.rows.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut rows))
}

struct Fetch {
    sql: &'static str,
    rows: Mutex<Vec<Row>>,
}

#[async_trait]
impl Work for Fetch {
    fn name(&self) -> String {
        "suite query".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let fetched = tx.fetch(TableScope { module: MODULE }, self.sql, &[]).await;
        let result = fetched.map(|rows| {
            *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = rows;
        });
        (tx, result)
    }
}

/// A place where a script waits, and a test knows that it does.
#[derive(Clone)]
pub struct Gate {
    reached: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { reached: watch::Sender::new(0), open: watch::Sender::new(false) }
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone pass who waits now or comes later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Returns once somebody stands at the gate, or has passed it.
    pub async fn reached(&self) {
        let mut reached = self.reached.subscribe();
        // Cannot fail: `self` keeps the sender.
        let _ = reached.wait_for(|count| *count > 0).await;
    }

    /// Says that this place is reached, and waits until the gate is opened.
    pub async fn wait_here(&self) {
        self.reached.send_modify(|count| *count += 1);
        let mut open = self.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
    }
}
