//! When to sweep claims whose attempts have ended.
//!
//! A claim's row names all jobs of the claim, and is of use until the last of them has ended. To look after each end would
//! cost as much as the end; never to look would let a claim walk past ever more names. So it is done after as many jobs have been
//! claimed as were under way at the last sweep: a constant cost for each job, and at most twice as many names as are needed.
//! What is kept here are hints; the sweep itself believes only the tables.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_core::store::WorkerId;

/// Fewer names than these are not worth a look.
const NAMES_MIN: u64 = 256;

#[derive(Default)]
pub(crate) struct Sweeps {
    queues: Mutex<HashMap<WorkerId, HashMap<String, Hint>>>,
}

#[derive(Default)]
struct Hint {
    under_way: u64,
    claimed_since: u64,
}

impl Sweeps {
    pub(super) fn is_time(&self, worker: WorkerId, queue: &str) -> bool {
        let queues = self.lock();
        let hint = queues.get(&worker).and_then(|queues| queues.get(queue));
        hint.is_some_and(|hint| hint.claimed_since >= hint.under_way.max(NAMES_MIN))
    }

    pub(super) fn note(&self, worker: WorkerId, queue: &str, under_way: Option<i64>, claimed: usize) {
        if under_way.is_none() && claimed == 0 {
            return;
        }
        let mut queues = self.lock();
        let queues = queues.entry(worker).or_default();
        if !queues.contains_key(queue) {
            queues.insert(queue.to_owned(), Hint::default());
        }
        let Some(hint) = queues.get_mut(queue) else { return };
        if let Some(under_way) = under_way {
            *hint = Hint { under_way: u64::try_from(under_way).unwrap_or_default(), claimed_since: 0 };
        }
        hint.claimed_since += claimed as u64;
    }

    pub(super) fn forget(&self, worker: WorkerId) {
        self.lock().remove(&worker);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, HashMap<String, Hint>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
