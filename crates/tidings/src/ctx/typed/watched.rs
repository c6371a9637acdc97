//! Noticing what became of a statement that ran on a connection of the store's.
//!
//! PostgreSQL refuses everything after a statement that failed, and then answers COMMIT with a rollback and no error. A
//! handler that swallows the failure must not be taken to have committed, so the store is told when a statement did not end
//! well, or was not followed to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::BoxStream;
use sqlx::Database;

/// A connection of the store's, with the mark that says that its transaction may have failed.
pub(crate) struct Borrowed<'c, DB: Database> {
    connection: &'c mut DB::Connection,
    mark: Mark<'c>,
}

/// Where the store wants to be told that its transaction may have failed, if it wants to.
pub(crate) struct Mark<'c>(Option<&'c mut bool>);

impl<'c, DB: Database> Borrowed<'c, DB> {
    pub(super) fn new(connection: &'c mut DB::Connection, doubtful: Option<&'c mut bool>) -> Self {
        Self { connection, mark: Mark(doubtful) }
    }

    /// For statements of which nobody sees what becomes of them.
    pub(super) fn given_out(mut self) -> &'c mut DB::Connection {
        self.mark.set();
        self.connection
    }

    pub(super) fn marked(self) -> (&'c mut DB::Connection, Mark<'c>) {
        (self.connection, self.mark)
    }
}

impl<'c> Mark<'c> {
    fn set(&mut self) {
        if let Some(doubtful) = &mut self.0 {
            **doubtful = true;
        }
    }

    pub(super) fn unless_ok<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.set();
        }
        result
    }

    pub(super) fn stream<T, E>(self, stream: BoxStream<'c, Result<T, E>>) -> Watched<'c, T, E> {
        Watched { stream, mark: self, ended: false }
    }
}

/// Results of a statement; what is dropped before its end may have failed.
pub(super) struct Watched<'c, T, E> {
    stream: BoxStream<'c, Result<T, E>>,
    mark: Mark<'c>,
    ended: bool,
}

impl<T, E> Stream for Watched<'_, T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Err(_))) => self.mark.set(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl<T, E> Drop for Watched<'_, T, E> {
    fn drop(&mut self) {
        if !self.ended {
            self.mark.set();
        }
    }
}
