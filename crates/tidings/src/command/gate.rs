//! A bound on how much runs at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a bounded number of calls in, and refuses the others at once: a queue that nobody asked for only makes every
/// caller late.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    max: usize,
    closed: AtomicBool,
}

pub(crate) enum Refusal {
    Full { max: usize },
    Closed,
}

impl Gate {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(max)), max, closed: AtomicBool::new(false) }
    }

    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Refusal::Closed);
        }
        self.places.clone().try_acquire_owned().map_err(|_| Refusal::Full { max: self.max })
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Returns when everybody has left.
    pub(crate) async fn drained(&self) {
        for _ in 0..self.max {
            match self.places.acquire().await {
                Ok(place) => place.forget(),
                Err(_) => return,
            }
        }
    }
}
