//! Which handlers are running, and which of them block a thread.
//!
//! A handler that does not await (`std::thread::sleep`, an endless loop) cannot be stopped; it can be named. Each handler
//! counts its polls, which costs two additions; a thread looks at the counts every second while anything runs, and sleeps
//! otherwise. What runs inside the store's transaction is watched by the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const TELL_EVERY: Duration = Duration::from_secs(10);
/// After this many looks that found nothing the thread sleeps until it is woken.
const IDLE_LOOKS_MAX: u32 = 3;

pub(crate) struct Underway(Arc<State>);

#[derive(Default)]
struct State {
    entries: Mutex<Entries>,
    awake: AtomicBool,
    stopped: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    running: HashMap<u64, Entry>,
}

struct Entry {
    handler: Arc<Handler>,
    /// The count at the last look, with the time when it was first seen.
    seen: Option<(u32, Instant)>,
    told: Option<Instant>,
}

pub(crate) struct Handler {
    name: Arc<str>,
    /// Odd while it is being polled.
    polls: AtomicU32,
    has_tx: AtomicBool,
}

/// A handler's entry; it ends when this is dropped.
pub(crate) struct Present {
    state: Arc<State>,
    id: u64,
    handler: Arc<Handler>,
}

impl Underway {
    pub(crate) fn start() -> Arc<Self> {
        let state = Arc::new(State::default());
        let its = state.clone();
        let thread = std::thread::Builder::new().name("tidings-underway".to_owned());
        match thread.spawn(move || its.watch()) {
            Ok(handle) => *lock(&state.thread) = Some(handle.thread().clone()),
            Err(error) => {
                tracing::warn!(%error, "no thread to watch handlers; those that block are not named")
            }
        }
        Arc::new(Self(state))
    }

    /// Enters a handler.
    pub(crate) fn enter(&self, name: Arc<str>) -> Present {
        let handler = Arc::new(Handler { name, polls: AtomicU32::new(0), has_tx: AtomicBool::new(false) });
        let mut entries = lock(&self.0.entries);
        let id = entries.next;
        entries.next += 1;
        entries.running.insert(id, Entry { handler: handler.clone(), seen: None, told: None });
        drop(entries);
        self.0.wake();
        Present { state: self.0.clone(), id, handler }
    }

    /// The handlers that are running, each with how many of it there are.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut counts: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for entry in lock(&self.0.entries).running.values() {
            *counts.entry(entry.handler.name.clone()).or_default() += 1;
        }
        let tell =
            |(name, count)| if count == 1 { format!("{name}") } else { format!("{name} ({count} times)") };
        counts.into_iter().map(tell).collect()
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Release);
        self.0.unpark();
    }
}

impl Present {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.handler.name
    }

    pub(crate) fn handler(&self) -> &Arc<Handler> {
        &self.handler
    }

    /// Counts the begin, or the end, of a poll.
    pub(crate) fn count(&self) {
        self.handler.polls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Handler {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Says whether it holds a transaction; while it does the store watches it.
    pub(crate) fn holds_tx(&self, holds: bool) {
        self.has_tx.store(holds, Ordering::Relaxed);
    }

    pub(crate) fn is_holding_tx(&self) -> bool {
        self.has_tx.load(Ordering::Relaxed)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        lock(&self.state.entries).running.remove(&self.id);
    }
}

impl State {
    fn watch(&self) {
        let mut idle_looks = 0;
        while !self.stopped.load(Ordering::Acquire) {
            idle_looks = if self.look(Instant::now()) { 0 } else { idle_looks + 1 };
            if idle_looks <= IDLE_LOOKS_MAX {
                std::thread::park_timeout(LOOK_EVERY);
                continue;
            }
            // A handler that is entered right here either is seen by this look, or sees `awake` false and wakes us.
            self.awake.store(false, Ordering::SeqCst);
            if !self.look(Instant::now()) && !self.stopped.load(Ordering::Acquire) {
                std::thread::park();
            }
            self.awake.store(true, Ordering::SeqCst);
            idle_looks = 0;
        }
    }

    /// Looks at every handler once; true if there is one.
    fn look(&self, now: Instant) -> bool {
        let mut entries = lock(&self.entries);
        for entry in entries.running.values_mut() {
            if let Some(held) = entry.look(now) {
                let (handler, held_s) = (&entry.handler.name, held.as_secs());
                tracing::error!(%handler, held_s, "{handler} has blocked a thread of the async runtime for {held:?} and \
                    cannot be interrupted (it does not await): find what it does there and give it to `tokio::task::spawn_blocking`");
            }
        }
        !entries.running.is_empty()
    }

    fn wake(&self) {
        if !self.awake.load(Ordering::SeqCst) && !self.awake.swap(true, Ordering::SeqCst) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            thread.unpark();
        }
    }
}

impl Entry {
    /// For how long the handler has been in one poll, if that is long and worth telling now.
    fn look(&mut self, now: Instant) -> Option<Duration> {
        let polls = self.handler.polls.load(Ordering::Relaxed);
        let is_polled = polls % 2 == 1 && !self.handler.has_tx.load(Ordering::Relaxed);
        let since = match self.seen {
            Some((seen, since)) if seen == polls => since,
            _ => now,
        };
        self.seen = Some((polls, since));
        let held = now.saturating_duration_since(since);
        let is_news = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY);
        if !is_polled || held.is_zero() || !is_news {
            return None;
        }
        self.told = Some(now);
        Some(held)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section leaves its data whole, so a poisoned lock says nothing about it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_poll_that_does_not_end_is_told() {
        let handler = |polls| Handler {
            name: "command `a`".into(),
            polls: AtomicU32::new(polls),
            has_tx: AtomicBool::new(false),
        };
        let mut entry = Entry { handler: Arc::new(handler(1)), seen: None, told: None };
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(entry.look(at(0)), None, "it may just have begun");
        assert_eq!(entry.look(at(1)), Some(Duration::from_secs(1)));
        assert_eq!(entry.look(at(2)), None, "told a moment ago");
        assert_eq!(entry.look(at(12)), Some(Duration::from_secs(12)));
        entry.handler.polls.store(4, Ordering::Relaxed);
        assert_eq!(entry.look(at(30)), None, "it awaits");
        assert_eq!(entry.look(at(60)), None, "it still does");
    }

    #[test]
    fn names_are_those_that_are_present() {
        let underway = Underway::start();
        let first = underway.enter("command `a`".into());
        let others = [underway.enter("query `b`".into()), underway.enter("query `b`".into())];
        assert_eq!(underway.names(), ["command `a`", "query `b` (2 times)"]);
        drop((first, others));
        assert!(underway.names().is_empty());
    }
}
