//! Knowing that code runs inside a handler.
//!
//! A handler that called into the application would wait for the writer that it may itself be holding. So such calls
//! fail at once, and for that they must know where they are.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The handler that is being polled on this thread.
pub(crate) fn current() -> Option<Arc<str>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Marks the polls of a future as being inside a handler.
pub(crate) struct InHandler<F> {
    pub(crate) name: Arc<str>,
    pub(crate) future: F,
}

impl<F: Future + Unpin> Future for InHandler<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let outer = CURRENT.replace(Some(self.name.clone()));
        let _restore = Restore(outer);
        Pin::new(&mut self.future).poll(cx)
    }
}

/// Restores on drop, so that a panicking handler does not leave its mark on the thread.
struct Restore(Option<Arc<str>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
