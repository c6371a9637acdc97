//! Who works, until when, and for which consumers.
//!
//! Only one runtime has the file, so leases are kept in memory: with the process its workers are gone, and what they had
//! claimed is nobody's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_core::store::{Crew, Member, SharedConsumer, StoreError, WorkerId};

use crate::config::LeaseClock;

pub(crate) struct Workers {
    clock: LeaseClock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    alive: HashMap<WorkerId, Lease>,
    /// Who holds which consumer, under which fence.
    held: HashMap<Arc<str>, (WorkerId, i64)>,
}

struct Lease {
    member: Member,
    length: Duration,
    lapses: Duration,
    /// It claims nothing more: it is about to be struck off.
    leaves: bool,
}

impl Workers {
    pub(crate) fn new(clock: LeaseClock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    pub(super) fn enter(&self, worker: WorkerId, member: Member, length: Duration) {
        let lapses = self.now().saturating_add(length);
        self.lock().alive.insert(worker, Lease { member, length, lapses, leaves: false });
    }

    /// Renews a lease, unless somebody has taken the worker for lost.
    pub(super) fn renew(&self, worker: WorkerId) -> Result<(), StoreError> {
        let now = self.now();
        let mut state = self.lock();
        let lease = state.alive.get_mut(&worker).ok_or_else(|| void(worker))?;
        lease.lapses = now.saturating_add(lease.length);
        Ok(())
    }

    /// Whether nobody has taken the worker for lost, and it is not about to leave.
    pub(crate) fn may_claim(&self, worker: WorkerId) -> bool {
        self.lock().alive.get(&worker).is_some_and(|lease| !lease.leaves)
    }

    /// Whether the worker is about to leave. Until it is struck off it has what it has claimed.
    pub(super) fn leaves(&self, worker: WorkerId, leaves: bool) {
        if let Some(lease) = self.lock().alive.get_mut(&worker) {
            lease.leaves = leaves;
        }
    }

    /// Strikes off those whose lease has lapsed, but for `asker`; answers with those that are left.
    pub(super) fn strike_lapsed(&self, asker: WorkerId) -> Vec<i64> {
        let now = self.now();
        let mut state = self.lock();
        state.alive.retain(|worker, lease| *worker == asker || lease.lapses > now);
        state.alive.keys().map(|worker| worker.0).collect()
    }

    /// Strikes one off.
    pub(super) fn strike(&self, worker: WorkerId) {
        self.lock().alive.remove(&worker);
    }

    /// All but this one.
    pub(super) fn others(&self, worker: WorkerId) -> Vec<i64> {
        self.lock().alive.keys().filter(|other| **other != worker).map(|other| other.0).collect()
    }

    /// Refuses a worker that may not hold a consumer of this generation.
    pub(crate) fn may_hold(
        &self,
        worker: WorkerId,
        consumer: &str,
        generation: i64,
    ) -> Result<(), StoreError> {
        let (now, state) = (self.now(), self.lock());
        let lease = state.alive.get(&worker).ok_or_else(|| void(worker))?;
        let known = lease.member.consumers.iter().find(|known| &*known.consumer == consumer);
        if known.is_some_and(|known| known.generation != generation) {
            return Err(StoreError::Outdated { consumer: consumer.to_owned() });
        }
        let holder = state.held.get(consumer).filter(|(holder, _)| *holder != worker);
        match holder.and_then(|(holder, _)| state.alive.get(holder)).filter(|lease| lease.lapses > now) {
            Some(holder) => Err(StoreError::PartitionHeld {
                consumer: consumer.to_owned(),
                partition: 0,
                holder: holder.member.about.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Takes note of who holds a consumer now.
    pub(crate) fn held(&self, consumer: Arc<str>, worker: WorkerId, fence: i64) {
        self.lock().held.insert(consumer, (worker, fence));
    }

    /// Takes note that nobody holds it any more, unless somebody else does.
    pub(crate) fn gave_back(&self, consumer: &str, fence: i64) {
        let mut state = self.lock();
        if state.held.get(consumer).is_some_and(|(_, held)| *held == fence) {
            state.held.remove(consumer);
        }
    }

    /// Takes note that all leases on a consumer are void.
    pub(crate) fn let_go(&self, consumer: &str) {
        self.lock().held.remove(consumer);
    }

    /// The live workers, and who of them holds which of these consumers.
    pub(crate) fn crew(&self, consumers: Vec<(Arc<str>, i64)>) -> Crew {
        let (now, state) = (self.now(), self.lock());
        let live = state.alive.iter().filter(|(_, lease)| lease.lapses > now);
        let members: BTreeMap<_, _> = live.map(|(worker, lease)| (*worker, lease.member.clone())).collect();
        let shared = |(name, generation): (Arc<str>, i64)| {
            let holder = state.held.get(&name).map(|(holder, _)| *holder);
            let holders = vec![holder.filter(|holder| members.contains_key(holder))];
            (name, SharedConsumer { generation, holders })
        };
        let consumers = consumers.into_iter().map(shared).collect();
        Crew { members, consumers }
    }

    fn now(&self) -> Duration {
        (self.clock.0)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn void(worker: WorkerId) -> StoreError {
    StoreError::Fenced { consumer: format!("worker {}", worker.0) }
}
