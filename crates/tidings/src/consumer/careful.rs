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
    /// What had been begun when the process ended.
    suspect: Option<Begun>,
}

impl Careful {
    /// How to go on, if the last end was unclean.
    pub(super) fn after(holding: &Holding, batch: usize) -> Option<Self> {
        if !holding.unclean && holding.begun.is_none() {
            return None;
        }
        let size = match &holding.begun {
            Some(begun) => (begun.count / 2).max(1),
            None => FIRST_BATCH,
        };
        Some(Self { left: batch, size, suspect: holding.begun.clone() })
    }
}

impl Worker {
    pub(super) fn careful_size(&self) -> Option<usize> {
        self.careful.as_ref().map(|careful| careful.size as usize)
    }

    /// Notes that messages went well. Past the place where the process ended, care ends too.
    pub(super) fn passed(&mut self, messages: usize, at_end: bool) {
        let Some(careful) = &mut self.careful else { return };
        careful.left = careful.left.saturating_sub(messages);
        careful.suspect = None;
        if careful.left == 0 || (at_end && !self.next_due_is_past()) {
            self.careful = None;
        }
    }

    fn next_due_is_past(&self) -> bool {
        self.next_due.is_some_and(|due| due <= self.shared.clock.now())
    }

    /// Writes down what is about to run.
    pub(super) async fn mark_begun(&mut self, first: Position, count: usize) -> Result<()> {
        let Some(careful) = &mut self.careful else { return Ok(()) };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let before = careful.suspect.as_ref().filter(|begun| begun.first == first && begun.count == count);
        let begun = Begun { first, count, tries: before.map_or(0, |begun| begun.tries) + 1 };
        careful.suspect = Some(begun.clone());
        let lease = self.lease.clone();
        self.write(move |tx| {
            let (lease, begun) = (lease.clone(), begun.clone());
            Box::pin(async move { tx.begin_batch(&lease, &begun).await })
        })
        .await
    }

    /// Condemns a message that was alone often enough when the process ended.
    pub(super) async fn settle_suspect(&mut self) -> Result<()> {
        let kills_max = self.shared.config.listeners.kills_max.max(1);
        let Some(begun) = self.careful.as_ref().and_then(|careful| careful.suspect.clone()) else {
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
        if let Some(careful) = &mut self.careful {
            careful.suspect = None;
        }
        Ok(())
    }
}
