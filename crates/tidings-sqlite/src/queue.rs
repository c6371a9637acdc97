//! The bounded, fair queue in front of a thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// First in, first out; refuses beyond its bound instead of growing.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    max: usize,
}

struct State<T> {
    items: VecDeque<T>,
    sleepers: usize,
    closed: bool,
}

/// Why something could not be queued.
pub(crate) enum Refused {
    Full { waiting: usize },
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(max: usize) -> Self {
        let state = State { items: VecDeque::new(), sleepers: 0, closed: false };
        Self { state: Mutex::new(state), ready: Condvar::new(), max: max.max(1) }
    }

    /// Queues `item` and wakes a sleeping thread, if there is one.
    pub(crate) fn push(&self, item: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.items.len() >= self.max {
            return Err(Refused::Full { waiting: state.items.len() });
        }
        state.items.push_back(item);
        // Waking is a system call; a thread that works takes the item without it. And a thread that is woken while the lock
        // is held only wakes to wait for the lock.
        let sleeps = state.sleepers > 0;
        drop(state);
        if sleeps {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for the next item; `None` once the queue is closed and empty.
    pub(crate) fn pop_wait(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state.sleepers += 1;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleepers -= 1;
        }
    }

    /// The next item if it is there and `wanted`.
    pub(crate) fn pop_if(&self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut state = self.lock();
        if state.items.front().is_some_and(wanted) { state.items.pop_front() } else { None }
    }

    /// Refuses new items from now on; those that wait are still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
