//! What a running job says of how far it has come.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tidings_core::error::{Error, Result};

use super::Attempt;
use crate::unit::{self, Access, Unit};

/// A report within this time of the last one waits: for the next report, or the end of the attempt.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Progress {
    written_at: Option<Instant>,
    /// The newest report, if it is not written yet.
    waiting: Option<String>,
}

impl Attempt {
    /// Takes a report, and writes it unless the last one was a moment ago.
    pub(super) async fn report(&self, progress: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(progress).map_err(Error::permanent)?;
        let limit = self.shared.config.jobs.body_bytes_max;
        if text.len() > limit {
            return Err(Error::permanent(format!(
                "what job `{}` reports of its progress has {} bytes, more than `jobs.body_bytes_max` = {limit}",
                self.facts.name,
                text.len()
            )));
        }
        if self.is_again {
            return Ok(());
        }
        {
            let mut progress = self.progress();
            if progress.written_at.is_some_and(|written| written.elapsed() < WRITTEN_EVERY) {
                progress.waiting = Some(text);
                return Ok(());
            }
            progress.written_at = Some(Instant::now());
            progress.waiting = None;
        }
        let lease = self.job.lease;
        let unit = Unit {
            name: self.facts.label.clone(),
            driver: "native",
            start: Box::new(move |slot| {
                let text = text.clone();
                Box::pin(async move {
                    let mut tx = slot.take().await;
                    let reported = tx.report_progress(&lease, &text).await.map_err(Error::from);
                    (Some(tx), reported)
                })
            }),
        };
        unit::run(&self.shared, unit, self.shared.config.limits(), Access::Own).await
    }

    /// The newest report, if it is yet to be written.
    pub(super) fn take_progress(&self) -> Option<String> {
        self.progress().waiting.take()
    }

    /// Puts back a report that was taken and not written after all; a newer one counts more.
    pub(super) fn put_progress_back(&self, progress: String) {
        self.progress().waiting.get_or_insert(progress);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Every critical section leaves it whole, so a poisoned lock says nothing about it.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
