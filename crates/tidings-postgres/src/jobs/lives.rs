//! A worker is good for one life of the server ([`crate::life`]).
//!
//! A standby that is promoted may have forgotten ends of attempts that this process has told it: then a job is under way on
//! record, and whoever had it knows nothing of that any more. So a worker that finds another life is void, as one that was taken
//! over: the runtime calls its attempts off and dismisses it, which gives back whatever is on record of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_core::store::WorkerId;

/// In which life each worker of this process was entered; `None` where that had ended at once.
#[derive(Default)]
pub(crate) struct Lives {
    workers: Mutex<HashMap<WorkerId, Option<String>>>,
}

impl Lives {
    pub(super) fn entered(&self, worker: WorkerId, life: Option<String>) {
        self.lock().insert(worker, life);
    }

    /// Whether it is still the same. Of a worker that was entered elsewhere only what comes after is known.
    pub(super) fn goes_on(&self, worker: WorkerId, life: Option<String>) -> bool {
        life.is_some() && *self.lock().entry(worker).or_insert_with(|| life.clone()) == life
    }

    pub(super) fn forget(&self, worker: WorkerId) {
        self.lock().remove(&worker);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerId, Option<String>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_one_life() {
        let (lives, worker) = (Lives::default(), WorkerId(7));
        let life = |name: &str| Some(name.to_owned());
        lives.entered(worker, life("one"));
        assert!(lives.goes_on(worker, life("one")));
        assert!(!lives.goes_on(worker, None) && !lives.goes_on(worker, life("two")));
        lives.forget(worker);
        assert!(lives.goes_on(worker, life("two")) && !lives.goes_on(worker, life("one")));
    }
}
