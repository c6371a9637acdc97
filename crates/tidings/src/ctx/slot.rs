//! Where a handler waits for its transaction.
//!
//! A handler starts on the async runtime and takes the writer only when it first touches a table. At that moment its
//! future parks here; whoever polls it sees that it [wants](TxSlot::is_wanted) a transaction, queues the future
//! itself with the store, and the store's thread goes on polling it with the transaction in the slot.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tidings_core::store::Tx;

#[derive(Clone, Default)]
pub(crate) struct TxSlot(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tx: Option<Box<dyn Tx>>,
    wanted: bool,
    waiter: Option<Waker>,
}

impl TxSlot {
    /// Waits until a transaction is there and takes it.
    pub(crate) async fn take(&self) -> Box<dyn Tx> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(tx) = state.tx.take() {
                return Poll::Ready(tx);
            }
            state.wanted = true;
            state.waiter = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Puts a transaction in, and wakes who waits for it.
    pub(crate) fn put(&self, tx: Box<dyn Tx>) {
        let mut state = self.lock();
        state.tx = Some(tx);
        if let Some(waiter) = state.waiter.take() {
            waiter.wake();
        }
    }

    /// Takes back a transaction that nobody took.
    pub(crate) fn take_back(&self) -> Option<Box<dyn Tx>> {
        self.lock().tx.take()
    }

    /// Whether the future that `poller` polled wants a transaction. Whoever polls it with the transaction in place needs
    /// no waking for that, so the poller's own waker is forgotten: it would only make its task look at nothing.
    pub(crate) fn is_wanted(&self, poller: &Waker) -> bool {
        let mut state = self.lock();
        state.waiter.take_if(|waiter| waiter.will_wake(poller));
        state.wanted
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole, so a poisoned lock says nothing about it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
