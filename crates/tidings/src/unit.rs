//! Running a piece of handler code as one transaction, taken as late as possible.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tidings_core::error::{Error, Result};
use tidings_core::store::{Limits, Store, StoreError, Tx, Work};

use crate::ctx::in_handler::InHandler;
use crate::ctx::{BoxFuture, TxSlot};

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
    Read,
}

/// Runs a unit. Its future is polled here until it wants a transaction; then it moves, as it is, to the store.
/// Returns after the commit.
pub(crate) async fn run<T: Send + 'static>(
    store: &Arc<dyn Store>,
    unit: Unit<T>,
    limits: Limits,
    access: Access,
) -> Result<T> {
    let slot = TxSlot::default();
    let mut future = in_handler(&unit.name, (unit.start)(slot.clone()));
    let first = until_wanted(&mut future, &slot, limits.wait.unwrap_or(limits.budget.saturating_mul(6)));
    match AssertUnwindSafe(first).catch_unwind().await {
        Ok(First::Ended(result)) => return result,
        Ok(First::WantsTx) => {}
        Ok(First::TooLong(waited)) => {
            return Err(Error::failed(HandlerTimeout { name: unit.name.to_string(), waited }));
        }
        Err(panic) => return Err(Error::failed(panicked(&unit.name, panic.as_ref()))),
    }
    let result = Arc::new(Mutex::new(None));
    let work = UnitWork { unit, access, started: Mutex::new(Some((slot, future))), result: result.clone() };
    let done = match access {
        Access::Write | Access::Drain => store.transact(Arc::new(work), limits).await,
        Access::Read => store.read(Arc::new(work), limits).await,
    };
    let ended = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (done, ended) {
        (Ok(()) | Err(StoreError::Undone), Some(result)) => result,
        // A raw error of the driver says what ended the transaction; the store has only seen that it was gone.
        (Err(StoreError::TransactionLost { .. }), Some(Err(error))) if store.is_store_trouble(&error) => {
            Err(error)
        }
        (Err(error), _) => Err(error.into()),
        (Ok(()), None) => Err(Error::failed("the store committed work that had not ended")),
    }
}

/// A handler was still running when its time was up, without having touched a table.
#[derive(Debug, thiserror::Error)]
#[error("{name} did not end within {waited:?}; it held no transaction and wrote nothing")]
pub(crate) struct HandlerTimeout {
    name: String,
    waited: Duration,
}

enum First<T> {
    Ended(Result<T>),
    WantsTx,
    TooLong(Duration),
}

async fn until_wanted<T>(
    future: &mut (impl Future<Output = (Option<Box<dyn Tx>>, Result<T>)> + Unpin),
    slot: &TxSlot,
    wait: Duration,
) -> First<T> {
    let polls =
        std::future::poll_fn(|cx| match Pin::new(&mut *future).poll(cx).map_or_wanted(slot, cx.waker()) {
            Some(first) => Poll::Ready(first),
            None => Poll::Pending,
        });
    tokio::time::timeout(wait, polls).await.unwrap_or(First::TooLong(wait))
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

fn in_handler<T>(name: &Arc<str>, future: UnitFuture<T>) -> Started<T> {
    InHandler { name: name.clone(), future }
}

struct UnitWork<T> {
    unit: Unit<T>,
    access: Access,
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
        self.access == Access::Drain
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (slot, future) = started.unwrap_or_else(|| {
            let slot = TxSlot::default();
            (slot.clone(), in_handler(&self.unit.name, (self.unit.start)(slot)))
        });
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

fn panicked(name: &str, panic: &(dyn std::any::Any + Send)) -> StoreError {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    StoreError::Panicked { work: name.to_owned(), message }
}
