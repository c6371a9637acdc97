//! Works written as data: what a suite does inside a transaction, step by step.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tidings_core::envelope::{Cursor, Envelope, Position};
use tidings_core::store::{
    Begun, Lease, Limits, OutcomeRecord, Parked, Receipt, Settled, Store, StoreError, TableScope, Tx, Work,
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

/// A work that runs its steps in order and ends with the first error.
#[derive(Clone)]
pub struct Script {
    name: String,
    ops: Vec<Op>,
    drains_log: bool,
}

impl Script {
    /// A script with a name of its own, for errors.
    #[must_use]
    pub fn named(name: impl Into<String>, ops: impl Into<Vec<Op>>) -> Self {
        Self { name: name.into(), ops: ops.into(), drains_log: false }
    }

    /// The same as the work of a consumer.
    #[must_use]
    pub fn of_a_consumer(self) -> Self {
        Self { drains_log: true, ..self }
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
        let result = run_all(tx.as_mut(), &self.ops).await;
        (tx, result)
    }
}

fn run_all<'a>(tx: &'a mut dyn Tx, ops: &'a [Op]) -> BoxFuture<'a, Result<(), StoreError>> {
    Box::pin(async move {
        for op in ops {
            run_one(tx, op).await?;
        }
        Ok(())
    })
}

async fn run_one(tx: &mut dyn Tx, op: &Op) -> Result<(), StoreError> {
    match op {
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
            run_all(tx, ops).await?;
            tx.release(savepoint).await
        }
        Op::Undone(ops) => {
            let savepoint = tx.savepoint().await?;
            let _undone_with_the_rest = run_all(tx, ops).await;
            tx.rollback_to(savepoint).await
        }
        Op::Undo => tx.undo().await,
        Op::Swallow(op) => {
            let _swallowed = run_all(tx, std::slice::from_ref(op)).await;
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

/// Runs a script with default limits.
///
/// # Errors
/// Those of [`Store::transact`].
pub async fn run(store: &dyn Store, ops: impl Into<Vec<Op>>) -> Result<(), StoreError> {
    store.transact(Arc::new(Script::named("suite script", ops)), Limits::default()).await
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
    let fetch = Arc::new(Fetch { sql, rows: std::sync::Mutex::default() });
    store.read(fetch.clone(), Limits::default()).await?;
    let mut rows = fetch.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(std::mem::take(&mut rows))
}

struct Fetch {
    sql: &'static str,
    rows: std::sync::Mutex<Vec<Row>>,
}

#[async_trait]
impl Work for Fetch {
    fn name(&self) -> String {
        "suite query".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let fetched = tx.fetch(TableScope { module: MODULE }, self.sql, &[]).await;
        let result = fetched.map(|rows| {
            *self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = rows;
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
