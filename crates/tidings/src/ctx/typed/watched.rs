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

/// Whom to tell what became of a statement, if anybody wants to know.
pub(crate) struct Mark<'c>(Option<Box<dyn Doubts + 'c>>);

/// A store that wants to know.
pub(crate) trait Doubts: Send {
    fn failed(&mut self, error: &sqlx::Error);
    fn unseen(&mut self);
}

impl<'c, DB: Database> Borrowed<'c, DB> {
    pub(super) fn new(connection: &'c mut DB::Connection, doubts: Option<Box<dyn Doubts + 'c>>) -> Self {
        Self { connection, mark: Mark(doubts) }
    }

    /// For statements of which nobody sees what becomes of them.
    pub(super) fn given_out(mut self) -> &'c mut DB::Connection {
        self.mark.unseen();
        self.connection
    }

    pub(super) fn marked(self) -> (&'c mut DB::Connection, Mark<'c>) {
        (self.connection, self.mark)
    }
}

impl<'c> Mark<'c> {
    #[cfg(feature = "postgres")]
    pub(crate) fn of(doubts: impl Doubts + 'c) -> Self {
        Self(Some(Box::new(doubts)))
    }

    #[cfg(feature = "sqlite")]
    pub(crate) const fn nobody() -> Self {
        Self(None)
    }

    fn failed(&mut self, error: &sqlx::Error) {
        if let Some(doubts) = &mut self.0 {
            doubts.failed(error);
        }
    }

    fn unseen(&mut self) {
        if let Some(doubts) = &mut self.0 {
            doubts.unseen();
        }
    }

    pub(crate) fn unless_ok<T>(mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        result.inspect_err(|error| self.failed(error))
    }

    pub(crate) fn stream<T>(self, stream: BoxStream<'c, Result<T, sqlx::Error>>) -> Watched<'c, T> {
        Watched { stream, mark: self, ended: false }
    }
}

/// Results of a statement; what is dropped before its end may have failed.
pub(crate) struct Watched<'c, T> {
    stream: BoxStream<'c, Result<T, sqlx::Error>>,
    mark: Mark<'c>,
    ended: bool,
}

impl<T> Stream for Watched<'_, T> {
    type Item = Result<T, sqlx::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Err(error))) => self.mark.failed(error),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl<T> Drop for Watched<'_, T> {
    fn drop(&mut self) {
        if !self.ended {
            self.mark.unseen();
        }
    }
}
