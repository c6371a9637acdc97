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
}

impl Workers {
    pub(crate) fn new(clock: LeaseClock) -> Self {
        Self { clock, alive: Mutex::default() }
    }

    pub(super) fn enter(&self, worker: WorkerId, length: Duration) {
        let lapses = self.now().saturating_add(length);
        self.lock().insert(worker, Lease { length, lapses });
    }

    /// Renews a lease, unless somebody has taken the worker for lost.
    pub(super) fn renew(&self, worker: WorkerId) -> Result<(), StoreError> {
        let now = self.now();
        let mut alive = self.lock();
        let lease = alive.get_mut(&worker).ok_or_else(|| void(worker))?;
        lease.lapses = now.saturating_add(lease.length);
        Ok(())
    }

    /// Whether nobody has taken the worker for lost.
    pub(crate) fn is_alive(&self, worker: WorkerId) -> bool {
        self.lock().contains_key(&worker)
    }

    /// Strikes off those whose lease has lapsed, but for `asker`; answers with those that are left.
    pub(super) fn strike_lapsed(&self, asker: WorkerId) -> Vec<i64> {
        let now = self.now();
        let mut alive = self.lock();
        alive.retain(|worker, lease| *worker == asker || lease.lapses > now);
        alive.keys().map(|worker| worker.0).collect()
    }

    /// Strikes one off; answers with those that are left.
    pub(super) fn strike(&self, worker: WorkerId) -> Vec<i64> {
        let mut alive = self.lock();
        alive.remove(&worker);
        alive.keys().map(|worker| worker.0).collect()
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
