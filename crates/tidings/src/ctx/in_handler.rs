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
}

/// The handler that is being polled on this thread.
pub(crate) fn current() -> Option<Arc<str>> {
    CURRENT.with_borrow(Clone::clone)
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
