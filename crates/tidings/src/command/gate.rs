//! A bound on how much runs at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a bounded number of calls in, and refuses the others at once: a queue that nobody asked for only makes every
/// caller late.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    max: u32,
    closed: AtomicBool,
}

pub(crate) enum Refusal {
    Full { max: u32 },
    Closed,
}

impl Gate {
    pub(crate) fn new(max: usize) -> Self {
        // All places are taken at once when the gate is drained, and that count is a `u32`.
        let max = u32::try_from(max.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let places = Arc::new(Semaphore::new(max as usize));
        Self { places, max, closed: AtomicBool::new(false) }
    }

    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = self.places.clone().try_acquire_owned();
        // Asked after the place is taken: whoever drains the gate either waits for this place, or has closed it before.
        if self.closed.load(Ordering::SeqCst) {
            return Err(Refusal::Closed);
        }
        place.map_err(|_| Refusal::Full { max: self.max })
    }

    /// Whether nobody is inside.
    #[cfg(feature = "testing")]
    pub(crate) fn is_empty(&self) -> bool {
        self.places.available_permits() == self.max as usize
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Returns when everybody has left a gate that is closed; at once, if that was so already.
    pub(crate) async fn drained(&self) {
        // The semaphore is never closed, so this ends with all places in hand; they are given back for the next who asks.
        drop(self.places.acquire_many(self.max).await);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_gate_is_drained_as_often_as_one_asks() {
        let gate = Gate::new(2);
        let inside = gate.enter().ok();
        gate.close();
        assert!(matches!(gate.enter(), Err(Refusal::Closed)));
        assert!(gate.drained().now_or_never().is_none(), "one is inside; and this call is cancelled");
        drop(inside);
        for _ in 0..2 {
            assert!(gate.drained().now_or_never().is_some());
        }
    }
}
