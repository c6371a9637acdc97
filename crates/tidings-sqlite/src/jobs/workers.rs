//! Who works on jobs, and until when.
//!
//! Only one runtime has the file, so leases are kept in memory: with the process its workers are gone, and what they had
//! claimed is nobody's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_core::store::{StoreError, WorkerId};

use crate::config::LeaseClock;

pub(crate) struct Workers {
    clock: LeaseClock,
    alive: Mutex<HashMap<WorkerId, Lease>>,
}

struct Lease {
    length: Duration,
    lapses: Duration,
    /// It claims nothing more: it is about to be struck off.
    leaves: bool,
}

impl Workers {
    pub(crate) fn new(clock: LeaseClock) -> Self {
        Self { clock, alive: Mutex::default() }
    }

    pub(super) fn enter(&self, worker: WorkerId, length: Duration) {
        let lapses = self.now().saturating_add(length);
        self.lock().insert(worker, Lease { length, lapses, leaves: false });
    }

    /// Renews a lease, unless somebody has taken the worker for lost.
    pub(super) fn renew(&self, worker: WorkerId) -> Result<(), StoreError> {
        let now = self.now();
        let mut alive = self.lock();
        let lease = alive.get_mut(&worker).ok_or_else(|| void(worker))?;
        lease.lapses = now.saturating_add(lease.length);
        Ok(())
    }

    /// Whether nobody has taken the worker for lost, and it is not about to leave.
    pub(crate) fn may_claim(&self, worker: WorkerId) -> bool {
        self.lock().get(&worker).is_some_and(|lease| !lease.leaves)
    }

    /// Whether the worker is about to leave. Until it is struck off it has what it has claimed.
    pub(super) fn leaves(&self, worker: WorkerId, leaves: bool) {
        if let Some(lease) = self.lock().get_mut(&worker) {
            lease.leaves = leaves;
        }
    }

    /// Strikes off those whose lease has lapsed, but for `asker`; answers with those that are left.
    pub(super) fn strike_lapsed(&self, asker: WorkerId) -> Vec<i64> {
        let now = self.now();
        let mut alive = self.lock();
        alive.retain(|worker, lease| *worker == asker || lease.lapses > now);
        alive.keys().map(|worker| worker.0).collect()
    }

    /// Strikes one off.
    pub(super) fn strike(&self, worker: WorkerId) {
        self.lock().remove(&worker);
    }

    /// All but this one.
    pub(super) fn others(&self, worker: WorkerId) -> Vec<i64> {
        self.lock().keys().filter(|other| **other != worker).map(|other| other.0).collect()
    }

    fn now(&self) -> Duration {
        (self.clock.0)()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Lease>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn void(worker: WorkerId) -> StoreError {
    StoreError::Fenced { consumer: format!("worker {}", worker.0) }
}
