//! Parked messages whose time has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidings_core::error::{Error, Result};
use tidings_core::store::{ParkedMessage, Settled};
use tokio::sync::mpsc;

use super::Control;
use super::deliver::{Attempt, Delivery, Ending, Task, attempt};
use super::failure::Failure;
use super::narrow::{Ran, next_size};
use super::worker::Worker;

impl Worker {
    /// Handles parked messages that are due, key by key.
    pub(super) async fn work_due(&mut self, control: &mpsc::Receiver<Control>) -> Result<()> {
        let (now, limit) = (self.shared.clock.now(), self.shared.config.listeners.batch.max(1));
        let due = self.shared.store.due(&self.lease.consumer, self.lease.partition, now, limit).await?;
        for chain in chains(due) {
            if self.is_called_away(control) {
                break;
            }
            self.work_chain(chain).await?;
        }
        self.reload_parked().await
    }

    /// Handles the head of a key, and what waits behind it while it goes well.
    async fn work_chain(&mut self, chain: Vec<ParkedMessage>) -> Result<()> {
        let shared = self.shared.clone();
        let _alone = if self.care.careful.is_some() { Some(shared.careful.lock().await) } else { None };
        let mut size = chain.len().min(self.careful_size().unwrap_or(usize::MAX));
        while size > 0 && !self.is_stopped() {
            let run = Arc::new(self.retries(&chain[..size]));
            let first = chain[0].message.position;
            self.mark_begun(first, size).await?;
            let error = match attempt(&self.shared, &self.consumer, run.clone()).await {
                Ok(done) => {
                    self.passed(first, done);
                    return Ok(());
                }
                Err(error) => error,
            };
            self.unmark().await;
            let failure = match Failure::of(error, self.shared.store.as_ref()) {
                Failure::Store(error) => return Err(error),
                failure => failure,
            };
            let (at, batched) = (run.at.load(Ordering::Relaxed), self.is_batched(&chain[0].message));
            if let Some(smaller) = next_size(&Ran { count: size, at, batched }, &failure) {
                size = smaller;
            } else if self.another_round(&chain[0].message, &failure).await {
                size = 1;
            } else {
                let permanent = matches!(failure, Failure::Permanent(_));
                return self.retry_failed(&chain[0], &failure.into_error(), permanent).await;
            }
        }
        Ok(())
    }

    fn retries(&self, chain: &[ParkedMessage]) -> Attempt {
        let retry = |parked: &ParkedMessage| Delivery {
            message: Arc::new(parked.message.clone()),
            task: Task::Retry(parked.attempts),
        };
        Attempt {
            lease: self.lease.clone(),
            deliveries: chain.iter().map(retry).collect(),
            cursors: Arc::default(),
            first: 0,
            slice: Duration::from_millis(self.shared.config.listeners.slice_ms),
            at: AtomicUsize::new(0),
            ending: Ending::Commit,
        }
    }

    async fn retry_failed(&mut self, head: &ParkedMessage, error: &Error, permanent: bool) -> Result<()> {
        let attempts = head.attempts + 1;
        let (now, id) = (self.shared.clock.now(), head.message.envelope.id);
        let due = self.consumer.schedule.next_due(now, id, attempts).filter(|_| !permanent);
        let (text, releases_key) = (error.to_string(), self.consumer.continue_after_dead);
        let done_already = self.is_done_already(&head.message).await?;
        let how = match due {
            _ if done_already => Settled::Handled { at: now, attempts },
            Some(due) => {
                tracing::warn!(consumer = %self.lease.consumer, %id, attempts, %due, error = text, "failed again");
                Settled::Retry { due, attempts, error: text }
            }
            None => {
                tracing::error!(consumer = %self.lease.consumer, %id, attempts, error = text, "dead letter");
                Settled::Dead { attempts, error: text, releases_key }
            }
        };
        let (lease, position) = (self.lease.clone(), head.message.position);
        self.write(move |tx| {
            let (lease, how) = (lease.clone(), how.clone());
            Box::pin(async move { tx.settle(&lease, position, &how).await })
        })
        .await?;
        self.passed(position, 1);
        Ok(())
    }
}

/// Splits into one list for each key; a message without a key is alone.
fn chains(due: Vec<ParkedMessage>) -> Vec<Vec<ParkedMessage>> {
    let mut chains: Vec<Vec<ParkedMessage>> = Vec::new();
    for parked in due {
        let key = parked.message.envelope.key.as_ref();
        let same =
            |chain: &&mut Vec<ParkedMessage>| key.is_some() && chain[0].message.envelope.key.as_ref() == key;
        match chains.iter_mut().rev().find(same) {
            Some(chain) => chain.push(parked),
            None => chains.push(vec![parked]),
        }
    }
    chains
}
