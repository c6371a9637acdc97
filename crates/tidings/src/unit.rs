//! Running a piece of handler code as one transaction, taken as late as possible.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tidings_core::error::{Error, Result};
use tidings_core::store::{Limits, StoreError, Tx, Work};
use tokio::task::{JoinError, JoinHandle};

use crate::app::Shared;
use crate::ctx::in_handler::InHandler;
use crate::ctx::{BoxFuture, TxSlot};
use crate::deadline::Deadline;
use crate::underway::Underway;

/// A unit's future gives back the transaction, if it took one, with its result.
pub(crate) type UnitFuture<T> = BoxFuture<(Option<Box<dyn Tx>>, Result<T>)>;

/// What is run: it can be started again, because a shared transaction that is lost is run again.
pub(crate) struct Unit<T> {
    /// For errors and logs: ``listener `inventory.reserve-stock` ``.
    pub(crate) name: Arc<str>,
    pub(crate) driver: &'static str,
    pub(crate) start: Box<dyn Fn(TxSlot) -> UnitFuture<T> + Send + Sync>,
}

/// On which kind of connection a unit runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    /// As [`Write`](Self::Write), for a consumer: its messages are accepted when the log is full.
    Drain,
    /// As [`Drain`](Self::Drain), for statements of the platform's own, with nothing of a handler's among them: whatever
    /// isolation handlers have, these are written for read committed.
    Own,
    Read,
}

/// Runs a unit. Its future is polled here until it wants a transaction; then it moves, as it is, to the store.
/// Returns after the commit.
pub(crate) async fn run<T: Send + 'static>(
    shared: &Shared,
    unit: Unit<T>,
    limits: Limits,
    access: Access,
) -> Result<T> {
    let slot = TxSlot::default();
    let mut future = in_handler(&shared.underway, &unit.name, (unit.start)(slot.clone()));
    let wait = limits.wait.unwrap_or(limits.budget.saturating_mul(6));
    let first = tokio::time::timeout(wait, until_wanted(&mut future, &slot));
    match AssertUnwindSafe(first).catch_unwind().await {
        Ok(Ok(First::Ended(result))) => result,
        Ok(Ok(First::WantsTx)) => in_transaction(shared, unit, (slot, future), limits, access).await,
        Ok(Err(_elapsed)) => Err(timeout(&unit.name, wait)),
        Err(panic) => Err(Error::failed(panicked(&unit.name, panic.as_ref()))),
    }
}

/// Like [`run`], for a caller with a deadline. Until it wants a transaction the future is polled by a task of its own: a
/// handler that does not await then blocks that task, and not the caller, who is answered in time.
pub(crate) async fn run_apart<T: Send + 'static>(
    shared: &Arc<Shared>,
    unit: Unit<T>,
    budget: Duration,
    deadline: &Deadline,
    access: Access,
) -> Result<T> {
    let slot = TxSlot::default();
    let mut future = in_handler(&shared.underway, &unit.name, (unit.start)(slot.clone()));
    let (begun, name) = (deadline.left(), unit.name.clone());
    let (shared, deadline) = (shared.clone(), *deadline);
    // Whoever is first decides: the task that goes to the store, or the caller who has waited long enough.
    let decided = Arc::new(AtomicBool::new(false));
    let goes = decided.clone();
    let late = timeout(&name, begun);
    let mut apart = Apart(tokio::spawn(async move {
        if let First::Ended(result) = until_wanted(&mut future, &slot).await {
            return Begun::Ended(result);
        }
        // A handler that did not await may be late without the caller having had a turn to notice.
        if goes.swap(true, Relaxed) || deadline.is_over() {
            return Begun::Ended(Err(late));
        }
        let left = deadline.left();
        let limits = Limits { budget: budget.min(left), wait: Some(left) };
        let mut rest: BoxFuture<Result<T>> =
            Box::pin(async move { in_transaction(&shared, unit, (slot, future), limits, access).await });
        // One poll puts it in the store's queue: that need not wait until the caller has its turn again.
        match std::future::poll_fn(|cx| Poll::Ready(rest.as_mut().poll(cx))).await {
            Poll::Ready(result) => Begun::Ended(result),
            Poll::Pending => Begun::Queued(rest),
        }
    }));
    let begun_in_time = match tokio::time::timeout_at(deadline.ends(), &mut apart).await {
        Ok(begun) => begun,
        Err(_elapsed) if !decided.swap(true, Relaxed) => return Err(timeout(&name, begun)),
        // It is with the store, which has the deadline too; what becomes of it must be known.
        Err(_elapsed) => apart.await,
    };
    match begun_in_time {
        Ok(Begun::Ended(result)) => result,
        Ok(Begun::Queued(rest)) => rest.await,
        Err(error) => Err(Error::failed(match error.try_into_panic() {
            Ok(panic) => panicked(&name, panic.as_ref()),
            // The async runtime is being torn down.
            Err(_cancelled) => StoreError::Closed,
        })),
    }
}

/// How far a unit has come that was begun for a caller.
enum Begun<T> {
    Ended(Result<T>),
    /// With the store; the rest is to wait for it.
    Queued(BoxFuture<Result<T>>),
}

async fn in_transaction<T: Send + 'static>(
    shared: &Shared,
    unit: Unit<T>,
    started: (TxSlot, Started<T>),
    limits: Limits,
    access: Access,
) -> Result<T> {
    let result = Arc::new(Mutex::new(None));
    let work = Arc::new(UnitWork {
        unit,
        access,
        underway: shared.underway.clone(),
        started: Mutex::new(Some(started)),
        result: result.clone(),
    });
    let done = match access {
        Access::Write | Access::Drain | Access::Own => shared.store.transact(work, limits).await,
        Access::Read => shared.store.read(work, limits).await,
    };
    let ended = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (done, ended) {
        (Ok(()) | Err(StoreError::Undone), Some(result)) => result,
        // A raw error of the driver says what ended the transaction; the store has only seen that it was gone.
        (Err(StoreError::TransactionLost { .. }), Some(Err(error)))
            if shared.store.is_store_trouble(&error) =>
        {
            Err(error)
        }
        (Err(error), _) => Err(error.into()),
        (Ok(()), None) => Err(Error::failed("the store committed work that had not ended")),
    }
}

/// A task that ends when nobody waits for it any more.
struct Apart<T>(JoinHandle<T>);

impl<T> Future for Apart<T> {
    type Output = std::result::Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Apart<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A handler was still running when its time was up, without having touched a table.
#[derive(Debug, thiserror::Error)]
#[error("{name} did not end within {waited:?}; it held no transaction and wrote nothing")]
pub(crate) struct HandlerTimeout {
    name: String,
    waited: Duration,
}

fn timeout(name: &str, waited: Duration) -> Error {
    Error::failed(HandlerTimeout { name: name.to_owned(), waited })
}

enum First<T> {
    Ended(Result<T>),
    WantsTx,
}

async fn until_wanted<T>(
    future: &mut (impl Future<Output = (Option<Box<dyn Tx>>, Result<T>)> + Unpin),
    slot: &TxSlot,
) -> First<T> {
    std::future::poll_fn(|cx| match Pin::new(&mut *future).poll(cx).map_or_wanted(slot, cx.waker()) {
        Some(first) => Poll::Ready(first),
        None => Poll::Pending,
    })
    .await
}

trait MapOrWanted<T> {
    fn map_or_wanted(self, slot: &TxSlot, poller: &Waker) -> Option<First<T>>;
}

impl<T> MapOrWanted<T> for Poll<(Option<Box<dyn Tx>>, Result<T>)> {
    fn map_or_wanted(self, slot: &TxSlot, poller: &Waker) -> Option<First<T>> {
        match self {
            Poll::Ready((_, result)) => Some(First::Ended(result)),
            Poll::Pending if slot.is_wanted(poller) => Some(First::WantsTx),
            Poll::Pending => None,
        }
    }
}

type Started<T> = InHandler<UnitFuture<T>>;

fn in_handler<T>(underway: &Underway, name: &Arc<str>, future: UnitFuture<T>) -> Started<T> {
    InHandler { present: underway.enter(name.clone()), future }
}

struct UnitWork<T> {
    unit: Unit<T>,
    access: Access,
    underway: Arc<Underway>,
    /// The future that was begun before the transaction was wanted; gone after the first run.
    started: Mutex<Option<(TxSlot, Started<T>)>>,
    result: Arc<Mutex<Option<Result<T>>>>,
}

#[async_trait]
impl<T: Send + 'static> Work for UnitWork<T> {
    fn name(&self) -> String {
        self.unit.name.to_string()
    }

    fn driver(&self) -> &'static str {
        self.unit.driver
    }

    fn drains_log(&self) -> bool {
        matches!(self.access, Access::Drain | Access::Own)
    }

    fn runs_handlers(&self) -> bool {
        self.access != Access::Own
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (slot, future) = started.unwrap_or_else(|| {
            let slot = TxSlot::default();
            (slot.clone(), in_handler(&self.underway, &self.unit.name, (self.unit.start)(slot)))
        });
        future.present.handler().holds_tx(true);
        slot.put(tx);
        let (tx, result) = future.await;
        let verdict = if result.is_ok() { Ok(()) } else { Err(StoreError::Undone) };
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        match tx.or_else(|| slot.take_back()) {
            Some(tx) => (tx, verdict),
            // Handlers cannot take the transaction out of their context, so there is nothing to give back but this.
            None => unreachable!("a unit keeps its transaction until it ends"),
        }
    }
}

/// What a handler said as it panicked.
pub(crate) fn panicked(name: &str, panic: &(dyn std::any::Any + Send)) -> StoreError {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    StoreError::Panicked { work: name.to_owned(), message }
}
