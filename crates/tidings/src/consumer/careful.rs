//! Going carefully after an unclean end.
//!
//! An event that kills the process would be delivered again at every start, and kill it again. So after an unclean end
//! each consumer writes down what it is about to run, in a commit of its own; the mark that the next start finds names
//! the suspects, and half as many are run together, until one is alone. Only one consumer of the process is careful at
//! a time, or a crash would leave more than one mark. In normal running none of this costs anything.

use tidings_core::envelope::Position;
use tidings_core::error::Result;
use tidings_core::store::{Begun, Holding, Parked, ParkedState, Settled};

use super::worker::Worker;

/// The first careful batch. The process has died once by then; from here it takes at most four more ends to be down to
/// one message, and then `listeners.kills_max` to condemn it.
const FIRST_BATCH: u32 = 16;

pub(super) struct Careful {
    /// Messages that may still be the one.
    left: usize,
    /// How many to run together.
    size: u32,
    /// What had been begun when an earlier process ended.
    suspect: Option<Begun>,
}

/// What a consumer knows of its care, from one hold to the next.
#[derive(Default)]
pub(super) struct Care {
    pub(super) careful: Option<Careful>,
    /// The fence under which this process held the partition last: if nobody has held it since, that an end was unclean is
    /// old news.
    held: Option<i64>,
    /// The mark as this process wrote it last.
    own_mark: Option<Begun>,
}

impl Care {
    /// Takes note of a hold. It tells how the last holder ended, unless that was this process itself.
    pub(super) fn held(&mut self, holding: &Holding, batch: usize) {
        let others_mark = holding.begun.is_some() && holding.begun != self.own_mark;
        let nobody_between = self.held.is_some_and(|fence| holding.lease.fence == fence + 1);
        if !nobody_between || others_mark {
            self.careful = Careful::after(holding, batch);
        }
        self.held = Some(holding.lease.fence);
    }
}

impl Careful {
    /// How to go on, if the last end was unclean.
    fn after(holding: &Holding, batch: usize) -> Option<Self> {
        if !holding.unclean && holding.begun.is_none() {
            return None;
        }
        let size = match &holding.begun {
            Some(begun) => (begun.count / 2).max(1),
            None => FIRST_BATCH,
        };
        Some(Self { left: batch, size, suspect: holding.begun.clone() })
    }

    /// How often processes ended while exactly this was being handled.
    fn tries_before(&self, first: Position, count: u32) -> u32 {
        let before = self.suspect.as_ref().filter(|begun| begun.first == first && begun.count == count);
        before.map_or(0, |begun| begun.tries)
    }
}

impl Worker {
    pub(super) fn careful_size(&self) -> Option<usize> {
        self.care.careful.as_ref().map(|careful| careful.size as usize)
    }

    /// Notes that messages from `first` on went well or are out of the way.
    pub(super) fn passed(&mut self, first: Position, messages: usize) {
        let Some(careful) = &mut self.care.careful else { return };
        careful.left = careful.left.saturating_sub(messages);
        // Others may run before the suspect comes to its turn; that says nothing about it.
        careful.suspect.take_if(|begun| begun.first == first);
        if careful.left == 0 {
            self.care.careful = None;
        }
    }

    /// Notes that there is nothing left to read: past the place where the process ended, care ends too.
    pub(super) fn passed_everything(&mut self) {
        if !self.next_due_is_past() {
            self.care.careful = None;
        }
    }

    fn next_due_is_past(&self) -> bool {
        self.next_due.is_some_and(|due| due <= self.shared.clock.now())
    }

    /// Writes down what is about to run.
    pub(super) async fn mark_begun(&mut self, first: Position, count: usize) -> Result<()> {
        let Some(careful) = &self.care.careful else { return Ok(()) };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let begun = Begun { first, count, tries: careful.tries_before(first, count) + 1 };
        self.write_mark(begun).await
    }

    /// Takes back what [`mark_begun`](Self::mark_begun) wrote: the attempt has failed and the process lives, so none of
    /// these messages has ended it. Otherwise the mark would stand while the worker waits for its store, and a process
    /// that is killed meanwhile would count as one more end.
    pub(super) async fn unmark(&mut self) {
        let Some(careful) = &self.care.careful else { return };
        let done = match careful.suspect.clone() {
            Some(suspect) => self.write_mark(suspect).await,
            None => self.clear_mark().await,
        };
        if let Err(error) = done {
            tracing::warn!(consumer = %self.lease.consumer, error = %error, "the mark of what was begun is still there");
        }
    }

    async fn write_mark(&mut self, begun: Begun) -> Result<()> {
        self.care.own_mark = Some(begun.clone());
        let lease = self.lease.clone();
        self.write(move |tx| {
            let (lease, begun) = (lease.clone(), begun.clone());
            Box::pin(async move { tx.begin_batch(&lease, &begun).await })
        })
        .await
    }

    async fn clear_mark(&mut self) -> Result<()> {
        let (lease, cursor) = (self.lease.clone(), self.written.clone());
        self.write(move |tx| {
            let (lease, cursor) = (lease.clone(), cursor.clone());
            Box::pin(async move { tx.advance(&lease, &cursor, None).await })
        })
        .await
    }

    /// Condemns a message that was alone often enough when the process ended.
    pub(super) async fn settle_suspect(&mut self) -> Result<()> {
        let kills_max = self.shared.config.listeners.kills_max.max(1);
        let Some(begun) = self.care.careful.as_ref().and_then(|careful| careful.suspect.clone()) else {
            return Ok(());
        };
        if begun.count != 1 || begun.tries < kills_max {
            return Ok(());
        }
        let error =
            format!("the process ended {} times while only this message was being handled", begun.tries);
        tracing::error!(consumer = %self.lease.consumer, position = begun.first.0, "{error}; it is dead");
        let releases_key = self.consumer.continue_after_dead;
        let parked = self.shared.store.parked(Some(&self.lease.consumer), None, usize::MAX).await?;
        let lease = self.lease.clone();
        if parked.iter().any(|row| row.message.position == begun.first) {
            let how = Settled::Dead { attempts: begun.tries, error, releases_key };
            self.write(move |tx| {
                let (lease, how) = (lease.clone(), how.clone());
                Box::pin(async move { tx.settle(&lease, begun.first, &how).await })
            })
            .await?;
        } else if let Some((message, cursor)) = self.read_one(begun.first).await? {
            let dead = Parked {
                position: begun.first,
                key: message.envelope.key.clone(),
                state: ParkedState::Dead,
                attempts: begun.tries,
                due: None,
                error,
                at: self.shared.clock.now(),
                releases_key,
            };
            self.park_and_pass(dead, cursor).await?;
        }
        self.reload_parked().await?;
        if let Some(careful) = &mut self.care.careful {
            careful.suspect = None;
        }
        Ok(())
    }
}
