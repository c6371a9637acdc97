//! Knowing that code runs inside a handler.
//!
//! A handler that called into the application would wait for the writer that it may itself be holding. So such calls
//! fail at once, and for that they must know where they are.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::underway::Present;

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
    static ATTEMPT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The handler that is being polled on this thread.
pub(crate) fn current() -> Option<Arc<str>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The handler that is being polled on this thread, also that of a job that holds no transaction: for what waits for every
/// handler to end.
pub(crate) fn current_or_attempt() -> Option<Arc<str>> {
    current().or_else(|| ATTEMPT.with_borrow(Clone::clone))
}

/// Marks the polls of a future as being inside a handler, and counts them.
pub(crate) struct InHandler<F> {
    pub(crate) present: Present,
    pub(crate) future: F,
}

impl<F: Future + Unpin> Future for InHandler<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { present, future } = &mut *self;
        let outer = CURRENT.replace(Some(present.name().clone()));
        present.count();
        let _restore = Restore { outer, present };
        Pin::new(future).poll(cx)
    }
}

/// Marks the polls of a job's attempt, as a handler's while it holds a transaction, and counts all of them. Without a
/// transaction the job may call into the application.
pub(crate) struct WhileHolding<'p, F> {
    pub(crate) present: &'p Present,
    pub(crate) future: F,
}

impl<F: Future + Unpin> Future for WhileHolding<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { present, future } = &mut *self;
        let handler = present.handler();
        let outer = CURRENT.replace(handler.is_holding_tx().then(|| handler.name().clone()));
        let _restore_attempt = RestoreAttempt(ATTEMPT.replace(Some(handler.name().clone())));
        present.count();
        let _restore = Restore { outer, present };
        Pin::new(future).poll(cx)
    }
}

/// Marks the rest of this poll: the attempt that is being polled has got its transaction.
pub(crate) fn enter(name: &Arc<str>) {
    CURRENT.set(Some(name.clone()));
}

/// Takes the mark away, if it is this attempt's.
pub(crate) fn leave(name: &Arc<str>) {
    CURRENT.with_borrow_mut(|current| current.take_if(|current| Arc::ptr_eq(current, name)));
}

/// Restores on drop, so that a panicking handler does not leave its mark on the thread.
struct Restore<'p> {
    outer: Option<Arc<str>>,
    present: &'p Present,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.present.count();
        CURRENT.set(self.outer.take());
    }
}

/// The same for the mark of attempts.
struct RestoreAttempt(Option<Arc<str>>);

impl Drop for RestoreAttempt {
    fn drop(&mut self) {
        ATTEMPT.set(self.0.take());
    }
}
