//! Messages that come from the log for the first time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tidings_core::envelope::{Cursor, Position, Recorded};
use tidings_core::error::{Error, Result};
use tidings_core::store::{Parked, ParkedState};
use tokio::sync::mpsc;

use super::Control;
use super::ahead::{Read, Waiting, read, read_ahead};
use super::carry;
use super::deliver::{Attempt, Delivery, Ending, Task, attempt};
use super::failure::Failure;
use super::narrow::{Ran, next_size};
use super::worker::Worker;
use crate::app::ConsumerWork;
use crate::telemetry;

impl Worker {
    fn batch(&self) -> usize {
        self.shared.config.listeners.batch.max(1)
    }

    /// Reads and handles what comes next. Returns whether the end of the log was reached with nothing to do.
    pub(super) async fn work_fresh(&mut self, control: &mpsc::Receiver<Control>) -> Result<bool> {
        let Read { mut waiting, next, at_end } = match self.ahead.take() {
            Some(read) => read,
            None => read(&self.shared, &self.filter, &self.cursor, self.batch()).await?,
        };
        if waiting.messages.is_empty() {
            self.cursor = next;
            if at_end {
                self.passed_everything();
            }
            return Ok(at_end);
        }
        // While these are handled by the writer, a reader fetches the next ones.
        let (after, spent) = ((!at_end).then_some(next), std::mem::take(&mut self.spent));
        let filter = self.filter.clone();
        let ahead = read_ahead(self.shared.clone(), &filter, after, self.batch(), spent);
        let (handled, ahead) = futures_util::future::join(self.handle(&mut waiting, control), ahead).await;
        handled?;
        if waiting.messages.is_empty() {
            self.ahead = ahead?;
        }
        Ok(false)
    }

    /// Handles what waits, attempt by attempt; what is left is for later.
    async fn handle(&mut self, waiting: &mut Waiting, control: &mpsc::Receiver<Control>) -> Result<()> {
        while !waiting.messages.is_empty() && !self.blocked && !self.is_called_away(control) {
            let done = self.attempt_fresh(waiting).await?;
            waiting.pass(done);
        }
        Ok(())
    }

    /// Attempts the first of what waits; returns how many are out of the way.
    async fn attempt_fresh(&mut self, waiting: &Waiting) -> Result<usize> {
        let shared = self.shared.clone();
        let _alone = if self.care.careful.is_some() { Some(shared.careful.lock().await) } else { None };
        let size = self.limit.min(self.careful_size().unwrap_or(usize::MAX));
        let deliveries = self.deliveries(&waiting.messages, size);
        let Some((message, cursor)) = waiting.first().filter(|_| !deliveries.is_empty()) else {
            return Ok(0);
        };
        let first = message.position;
        self.mark_begun(first, deliveries.len()).await?;
        let run = Arc::new(Attempt {
            lease: self.lease.clone(),
            slice: Duration::from_millis(self.shared.config.listeners.slice_ms),
            at: AtomicUsize::new(0),
            ending: Ending::Commit,
            deliveries,
            cursors: waiting.cursors.clone(),
            first: waiting.passed,
        });
        match attempt(&self.shared, &self.consumer, run.clone()).await {
            Ok(done) => {
                self.note_done(&run, done);
                self.spent.push(run);
                self.passed(first, done);
                self.limit = (self.limit * 2).min(self.batch());
                Ok(done)
            }
            Err(error) => {
                self.unmark().await;
                self.fresh_failed(error, &run, &message, cursor).await
            }
        }
    }

    /// Decides for each message whether it is handled or put behind a parked one of its key.
    fn deliveries(&mut self, waiting: &VecDeque<Arc<Recorded>>, size: usize) -> Vec<Delivery> {
        let now = self.shared.clock.now();
        let mut deliveries = Vec::with_capacity(size.min(waiting.len()));
        for message in waiting.iter().take(size) {
            let key = message.envelope.key.as_ref().filter(|key| self.parked_keys.contains_key(key));
            let task = match key {
                None => Task::Fresh,
                Some(key) => {
                    let put = deliveries.iter().filter(|delivery: &&Delivery| {
                        matches!(delivery.task, Task::PutBehind(_))
                            && delivery.message.envelope.key.as_ref() == Some(key)
                    });
                    if self.parked_keys.get(key).copied().unwrap_or(0) + put.count() >= self.behind_max() {
                        self.blocked = deliveries.is_empty();
                        if self.blocked {
                            tracing::error!(consumer = %self.lease.consumer, position = message.position.0, key = telemetry::masked(key), "too many messages wait behind a \
                                parked one (`listeners.behind_max`): the consumer has stopped until it is retried or discarded");
                        }
                        break;
                    }
                    Task::PutBehind(behind(message, now))
                }
            };
            deliveries.push(Delivery { message: message.clone(), task });
        }
        deliveries
    }

    fn behind_max(&self) -> usize {
        self.shared.config.listeners.behind_max.max(1)
    }

    fn note_done(&mut self, run: &Attempt, done: usize) {
        for delivery in &run.deliveries[..done] {
            if let (Task::PutBehind(_), Some(key)) = (&delivery.task, &delivery.message.envelope.key) {
                *self.parked_keys.entry(key.clone()).or_default() += 1;
            }
        }
        if let Some(cursor) = run.cursor_behind(done) {
            self.note_written(cursor.clone());
        }
    }

    /// Narrows a failure down to one message, and parks that.
    async fn fresh_failed(
        &mut self,
        error: Error,
        run: &Attempt,
        message: &Recorded,
        cursor: Cursor,
    ) -> Result<usize> {
        let (at, count) = (run.at.load(Ordering::Relaxed), run.deliveries.len());
        let failure = Failure::of(error, self.shared.store.as_ref());
        if let Failure::Store(error) = failure {
            return Err(error);
        }
        let ran = Ran { count, at, batched: self.is_batched(message) };
        if let Some(size) = next_size(&ran, &failure) {
            self.limit = size;
            return Ok(0);
        }
        if self.another_round(message, &failure).await {
            self.limit = 1;
            return Ok(0);
        }
        if self.is_done_already(message).await? {
            self.pass(cursor).await?;
            self.passed(message.position, 1);
            return Ok(1);
        }
        let now = self.shared.clock.now();
        let due = match &failure {
            Failure::Permanent(_) => None,
            _ => self.consumer.schedule.next_due(now, message.envelope.id, 1),
        };
        let error = failure.into_error();
        let parked = Parked {
            position: message.position,
            key: message.envelope.key.clone(),
            state: if due.is_some() { ParkedState::Retrying } else { ParkedState::Dead },
            attempts: 1,
            due,
            error: error.to_string(),
            at: now,
            releases_key: self.consumer.continue_after_dead,
        };
        self.tell_parked(message, &parked);
        self.park_and_pass(parked, cursor).await?;
        self.passed(message.position, 1);
        self.limit = self.batch();
        Ok(1)
    }

    pub(super) fn is_batched(&self, message: &Recorded) -> bool {
        match &self.consumer.work {
            ConsumerWork::Listen(routes) => {
                routes.get(&*message.envelope.name).is_some_and(|route| route.batched)
            }
            _ => false,
        }
    }

    pub(super) fn tell_parked(&self, message: &Recorded, parked: &Parked) {
        let (consumer, envelope) = (&self.lease.consumer, &message.envelope);
        let (id, attempts, error) = (envelope.id, parked.attempts, &parked.error);
        match parked.due {
            Some(due) => {
                tracing::warn!(%consumer, event = %envelope.name, %id, attempts, %due, error, "parked, will be tried again");
            }
            None => tracing::error!(%consumer, event = %envelope.name, %id, attempts, error, "dead letter"),
        }
    }

    /// Whether a command that has failed was carried out before.
    pub(super) async fn is_done_already(&self, message: &Recorded) -> Result<bool> {
        match &self.consumer.work {
            ConsumerWork::Carry(_) => carry::is_on_record(self.shared.store.as_ref(), message).await,
            _ => Ok(false),
        }
    }

    /// Stands behind a message that needs no handling.
    async fn pass(&mut self, cursor: Cursor) -> Result<()> {
        let (lease, to) = (self.lease.clone(), cursor.clone());
        self.write(move |tx| {
            let (lease, to) = (lease.clone(), to.clone());
            Box::pin(async move { tx.advance(&lease, &to, None).await })
        })
        .await?;
        self.note_written(cursor);
        Ok(())
    }

    /// Parks one message and stands behind it.
    pub(super) async fn park_and_pass(&mut self, parked: Parked, cursor: Cursor) -> Result<()> {
        let (lease, row, to) = (self.lease.clone(), parked.clone(), cursor.clone());
        self.write(move |tx| {
            let (lease, row, to) = (lease.clone(), row.clone(), to.clone());
            Box::pin(async move {
                tx.park(&lease, &[row]).await?;
                tx.advance(&lease, &to, None).await
            })
        })
        .await?;
        self.note_written(cursor);
        let holds_key = parked.due.is_some() || !parked.releases_key;
        if let Some(key) = parked.key.filter(|_| holds_key) {
            *self.parked_keys.entry(key).or_default() += 1;
        }
        self.next_due = [self.next_due, parked.due].into_iter().flatten().min();
        Ok(())
    }

    /// The message at a position after the cursor, with the cursor behind it.
    pub(super) async fn read_one(&self, position: Position) -> Result<Option<(Recorded, Cursor)>> {
        let filter = &self.filter;
        let mut cursor = self.cursor.clone();
        loop {
            let batch = self.shared.store.read_after(&cursor, filter, 1).await?;
            match batch.messages.into_iter().zip(batch.cursors).next() {
                // A suspect is always the first message behind the cursor: the cursor moves only past handled ones.
                Some((message, behind)) => {
                    return Ok((message.position == position).then_some((message, behind)));
                }
                None if batch.at_end => return Ok(None),
                None => cursor = batch.next,
            }
        }
    }
}

fn behind(message: &Recorded, now: Timestamp) -> Parked {
    Parked {
        position: message.position,
        key: message.envelope.key.clone(),
        state: ParkedState::Behind,
        attempts: 0,
        due: None,
        error: String::new(),
        at: now,
        releases_key: false,
    }
}
