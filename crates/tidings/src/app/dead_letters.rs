//! What people do with dead letters.

use std::sync::Arc;

use tidings_core::envelope::Position;
use tidings_core::store::{ParkedRow, ParkedState, StoreError};
use tokio::sync::oneshot;

use super::App;
use crate::consumer::{Control, Verdict};
use crate::ctx::in_handler;

/// Why nothing became of a decision about a dead letter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// Called from inside a handler, whose consumer or transaction it may wait for.
    #[error(
        "{handler} called `dead_letters().{call}`, which may wait for that handler itself; decide outside of handlers"
    )]
    InsideHandler {
        /// The handler that called.
        handler: Arc<str>,
        /// What it called.
        call: &'static str,
    },
    /// Called without a reason.
    #[error("`dead_letters().discard` was given no reason; give one: it is kept, for whoever asks later")]
    NoReason,
    /// There is no such dead letter, or the store cannot tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Dead letters of an application; see [`App::dead_letters`].
pub struct DeadLetters<'a> {
    pub(super) app: &'a App,
}

impl DeadLetters<'_> {
    /// Dead letters, oldest first, of one consumer (`<module>.<handler>`) or of all.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, consumer: Option<&str>, limit: usize) -> Result<Vec<ParkedRow>, StoreError> {
        self.app.shared.store.parked(consumer, Some(ParkedState::Dead), limit).await
    }

    /// Tries a dead letter again now, with all its attempts before it. What waits behind it follows once it is handled.
    ///
    /// # Errors
    /// If there is no such dead letter; the store's. Fails at once inside a handler.
    pub async fn retry(&self, consumer: &str, position: Position) -> Result<(), DeadLetterError> {
        self.tell(consumer, position, Verdict::Retry, "retry").await
    }

    /// Gives a dead letter up, for a reason that is kept. What waits behind it goes on.
    ///
    /// # Errors
    /// If there is no such dead letter, or the reason is empty; the store's. Fails at once inside a handler.
    pub async fn discard(
        &self,
        consumer: &str,
        position: Position,
        reason: &str,
    ) -> Result<(), DeadLetterError> {
        if reason.trim().is_empty() {
            return Err(DeadLetterError::NoReason);
        }
        self.tell(consumer, position, Verdict::Discard(reason.to_owned()), "discard").await
    }

    /// Only the holder of the consumer may settle, so the verdict goes to its task.
    async fn tell(
        &self,
        consumer: &str,
        position: Position,
        verdict: Verdict,
        call: &'static str,
    ) -> Result<(), DeadLetterError> {
        if let Some(handler) = in_handler::current() {
            return Err(DeadLetterError::InsideHandler { handler, call });
        }
        let unknown = || StoreError::NotFound { what: format!("consumer `{consumer}`") };
        let control = self.app.control(consumer).ok_or_else(unknown)?;
        let (done, answer) = oneshot::channel();
        control.send(Control { position, verdict, done }).await.map_err(|_| StoreError::Closed)?;
        Ok(answer.await.map_err(|_| StoreError::Closed)??)
    }
}
