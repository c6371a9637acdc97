//! Parked messages whose time has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidings_core::error::{Error, Result};
use tidings_core::store::{ParkedMessage, Settled};

use super::deliver::{Attempt, Delivery, Task, attempt};
use super::failure::Failure;
use super::worker::Worker;

impl Worker {
    /// Handles parked messages that are due, key by key.
    pub(super) async fn work_due(&mut self) -> Result<()> {
        let (now, limit) = (self.shared.clock.now(), self.shared.config.listeners.batch.max(1));
        let due = self.shared.store.due(&self.lease.consumer, now, limit).await?;
        for chain in chains(due) {
            self.work_chain(chain).await?;
        }
        self.reload_parked().await
    }

    /// Handles the head of a key, and what waits behind it while it goes well.
    async fn work_chain(&mut self, chain: Vec<ParkedMessage>) -> Result<()> {
        let shared = self.shared.clone();
        let _alone = if self.care.careful.is_some() { Some(shared.careful.lock().await) } else { None };
        let mut size = chain.len().min(self.careful_size().unwrap_or(usize::MAX));
        while size > 0 {
            let run = Arc::new(self.retries(&chain[..size]));
            let first = chain[0].message.position;
            self.mark_begun(first, size).await?;
            let Err(error) = attempt(&self.shared, &self.consumer, run.clone()).await else {
                self.passed(first, size);
                return Ok(());
            };
            self.unmark().await;
            let at = run.at.load(Ordering::Relaxed);
            match Failure::of(error, self.shared.store.as_ref()) {
                Failure::Store(error) => return Err(error),
                _ if at > 0 => size = at,
                Failure::Suspect(_) if size > 1 => size = 1,
                _ if size > 1 && self.is_batched(&chain[0].message) => size /= 2,
                Failure::Permanent(error) => return self.retry_failed(&chain[0], &error, true).await,
                Failure::Suspect(error) | Failure::Failed(error) => {
                    return self.retry_failed(&chain[0], &error, false).await;
                }
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
            slice: Duration::from_millis(self.shared.config.listeners.slice_ms),
            at: AtomicUsize::new(0),
        }
    }

    async fn retry_failed(&mut self, head: &ParkedMessage, error: &Error, permanent: bool) -> Result<()> {
        let attempts = head.attempts + 1;
        let (now, id) = (self.shared.clock.now(), head.message.envelope.id);
        let due = self.consumer.schedule.next_due(now, id, attempts).filter(|_| !permanent);
        let (text, releases_key) = (error.to_string(), self.consumer.continue_after_dead);
        let how = match due {
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
