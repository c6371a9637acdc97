//! What all connections of one store share.

use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Mutex, PoisonError};

use tidings_core::store::StoreError;

use crate::checker::Checker;
use crate::guard::Owners;
use crate::stats::Counters;
use crate::wake::Watchers;

pub(crate) struct Env {
    /// The database as error messages name it.
    pub(crate) database: String,
    pub(crate) owners: Owners,
    pub(crate) checker: Checker,
    pub(crate) fullness: Fullness,
    pub(crate) watchers: Watchers,
    pub(crate) counters: Counters,
}

/// Whether the log has reached its hard limit, as the last maintenance found.
#[derive(Default)]
pub(crate) struct Fullness {
    full: AtomicBool,
    why: Mutex<Option<Full>>,
}

/// The numbers behind [`StoreError::LogFull`].
#[derive(Clone)]
pub(crate) struct Full {
    pub(crate) messages: u64,
    pub(crate) limit: u64,
    pub(crate) holder: String,
}

impl Fullness {
    pub(crate) fn set(&self, full: Option<Full>) {
        let is_full = full.is_some();
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = full;
        self.full.store(is_full, Release);
    }

    /// Refuses an append while the log is full.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if !self.full.load(Acquire) {
            return Ok(());
        }
        match self.why.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some(Full { messages, limit, holder }) => Err(StoreError::LogFull { messages, limit, holder }),
            None => Ok(()),
        }
    }
}
