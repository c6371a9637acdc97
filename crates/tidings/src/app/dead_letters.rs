//! What people do with dead letters.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::envelope::Position;
use tidings_core::partition::{Part, SLOTS, slot};
use tidings_core::store::{ParkedRow, ParkedState, StoreError, WorkerId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::App;
use crate::consumer::{Control, Desk, Verdict};
use crate::crew::Post;
use crate::ctx::in_handler;

/// An application that has just started takes its partitions in a moment, and those of one that was lost when its lease has
/// lapsed. So long a decision waits for somebody to hold the partition.
const BETWEEN_HOLDERS: Duration = Duration::from_secs(30);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

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
    /// Another process works the partition that the dead letter is in.
    #[error("dead letter {} of `{consumer}` is with {holder}, which works its partition: decide there", .position.0)]
    HeldElsewhere {
        /// The consumer.
        consumer: String,
        /// The dead letter.
        position: Position,
        /// Who has it.
        holder: String,
    },
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

    /// Only the holder of the partition may settle, so the verdict goes to its task.
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
        let post = self.app.post(consumer).ok_or_else(unknown)?;
        let desk = self.desk_of(post, position).await?;
        let waits_until = Instant::now() + BETWEEN_HOLDERS;
        loop {
            let (done, answer) = oneshot::channel();
            let control = Control { position, verdict: verdict.clone(), done };
            desk.control().send(control).await.map_err(|_| StoreError::Closed)?;
            match answer.await.map_err(|_| StoreError::Closed)? {
                Err(StoreError::PartitionHeld { .. }) => {}
                answer => return Ok(answer?),
            }
            let holder = self.holder(consumer, desk.partition).await?;
            // Where it is this process itself, it has only just taken it.
            let is_here = holder.as_ref().is_some_and(|(worker, _)| *worker == self.app.shared.worker());
            if (is_here || holder.is_none()) && Instant::now() < waits_until {
                tokio::time::sleep(ASK_AGAIN_AFTER).await;
                continue;
            }
            let holder = holder.map_or_else(|| "no process at the moment".to_owned(), |(_, about)| about);
            return Err(DeadLetterError::HeldElsewhere { consumer: consumer.to_owned(), position, holder });
        }
    }

    /// The desk of the partition that a dead letter is in.
    async fn desk_of<'p>(&self, post: &'p Post, position: Position) -> Result<&'p Desk, StoreError> {
        let consumer = &post.consumer.spec.name;
        let unknown =
            || StoreError::NotFound { what: format!("parked message {} of `{consumer}`", position.0) };
        if let [only] = &*post.desks {
            return Ok(only);
        }
        let store = &self.app.shared.store;
        let dead = store.parked(Some(consumer), Some(ParkedState::Dead), usize::MAX).await?;
        let row = dead.iter().find(|row| row.message.position == position).ok_or_else(unknown)?;
        let of = u16::try_from(post.desks.len()).unwrap_or(SLOTS);
        let part = Part::of_slot(slot(&row.message.envelope), of);
        post.desks.get(usize::from(part.index)).ok_or_else(unknown)
    }

    /// Who works a partition, also for people; `None` if nobody does.
    async fn holder(&self, consumer: &str, partition: u16) -> Result<Option<(WorkerId, String)>, StoreError> {
        let crew = self.app.shared.store.crew().await?;
        let holder = crew.consumers.get(consumer).and_then(|of| *of.holders.get(usize::from(partition))?);
        Ok(holder.and_then(|holder| Some((holder, format!("`{}`", crew.members.get(&holder)?.about)))))
    }
}
