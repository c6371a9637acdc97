//! What the worker has seen, for the driver to read.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970: the one clock that all processes of a machine share.
#[must_use]
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// How many jobs have started, and, if asked for, when.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    count: AtomicUsize,
    notes_starts: AtomicBool,
    starts: Mutex<Vec<(u32, u64)>>,
}

impl Seen {
    pub(crate) fn noting_starts() -> Self {
        let seen = Self::default();
        seen.0.notes_starts.store(true, Ordering::Relaxed);
        seen
    }

    /// The first line of a job's handler.
    pub fn job(&self, number: u32) {
        if self.0.notes_starts.load(Ordering::Relaxed) {
            let now = now_us();
            self.0.starts.lock().unwrap_or_else(PoisonError::into_inner).push((number, now));
        }
        self.0.count.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    pub(crate) fn starts(&self) -> Vec<(u32, u64)> {
        self.0.starts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
