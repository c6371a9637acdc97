//! Who holds a connection, for how long, and what happens when that is too long.
//!
//! Each thread that runs works has a [`Slot`]. One small thread looks at the slots every [`TICK`] while there is work,
//! and sleeps otherwise. A work over its budget is marked: its next statement fails, the progress handler stops the
//! statement it is in, and a future that awaits is dropped. A work that heeds none of that cannot be stopped, only
//! named.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::Thread;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tidings_core::store::{StoreError, Work};

const TICK: Duration = Duration::from_millis(10);
/// After this many ticks without work the thread sleeps until it is woken.
const IDLE_TICKS_MAX: u32 = 100;
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What one thread runs now.
pub(crate) struct Slot {
    current: Mutex<Option<Current>>,
    over: AtomicBool,
    waker: AtomicWaker,
    watchdog: Arc<Shared>,
}

struct Current {
    work: Arc<dyn Work>,
    since: Instant,
    budget: Duration,
    logged: Option<Instant>,
}

impl Slot {
    /// Starts the clock of `work`.
    pub(crate) fn begin(&self, work: Arc<dyn Work>, budget: Duration) {
        *self.lock() = Some(Current { work, since: Instant::now(), budget, logged: None });
        self.watchdog.wake();
    }

    /// Interrupts whatever the work has left running.
    pub(crate) fn stop(&self) {
        if self.lock().is_some() {
            self.over.store(true, Release);
        }
    }

    /// Gives the work a name that says more; the clock goes on.
    pub(crate) fn rename(&self, work: Arc<dyn Work>) {
        if let Some(current) = &mut *self.lock() {
            current.work = work;
        }
    }

    /// Stops the clock.
    pub(crate) fn end(&self) {
        let mut current = self.lock();
        *current = None;
        self.over.store(false, Release);
    }

    /// Whether the work is over its budget.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Acquire)
    }

    /// Ready when the work is over its budget.
    pub(crate) fn poll_over(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The error that names the work.
    pub(crate) fn budget_error(&self) -> StoreError {
        match &*self.lock() {
            Some(current) => StoreError::Budget { work: current.work.name(), budget: current.budget },
            None => StoreError::Budget { work: "a work".to_owned(), budget: Duration::ZERO },
        }
    }

    /// The work that runs now.
    pub(crate) fn name(&self) -> Option<String> {
        self.lock().as_ref().map(|current| current.work.name())
    }

    /// The error for those who come while the work cannot be stopped.
    fn blocked_error(&self, grace: Duration) -> Option<StoreError> {
        let current = self.lock();
        let current = current.as_ref()?;
        let held = current.since.elapsed();
        (held > current.budget.saturating_add(grace))
            .then(|| StoreError::Blocked { work: current.work.name(), held })
    }

    /// Looks at the work once; true if there is one.
    fn look(&self, grace: Duration) -> bool {
        let mut current = self.lock();
        let Some(current) = current.as_mut() else { return false };
        let held = current.since.elapsed();
        if held > current.budget {
            self.over.store(true, Release);
            self.waker.wake();
        }
        if held > current.budget.saturating_add(grace)
            && current.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY)
        {
            current.logged = Some(Instant::now());
            let (work, budget) = (current.work.name(), current.budget);
            tracing::error!(
                work,
                ?held,
                ?budget,
                "a work blocks its thread and cannot be interrupted (it does not await): find what it does there and do \
                 it outside of the transaction, in a job for example"
            );
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that looks at the slots.
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    grace: Duration,
}

#[derive(Default)]
struct Shared {
    awake: AtomicBool,
    stopped: AtomicBool,
    slots: Mutex<Vec<Arc<Slot>>>,
    thread: Mutex<Option<Thread>>,
}

impl Watchdog {
    pub(crate) fn start(grace: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = shared.clone();
        let builder = std::thread::Builder::new().name("tidings-watchdog".to_owned());
        let handle = builder.spawn(move || its.watch(grace))?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.thread().clone());
        Ok(Self { shared, grace })
    }

    pub(crate) fn slot(&self) -> Arc<Slot> {
        let slot = Arc::new(Slot {
            current: Mutex::new(None),
            over: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            watchdog: self.shared.clone(),
        });
        self.shared.lock_slots().push(slot.clone());
        slot
    }

    /// Refuses while the work in `slot` blocks its thread.
    pub(crate) fn check(&self, slot: &Slot) -> Result<(), StoreError> {
        // A work becomes "over" long before it counts as blocking, so this is one load in good times.
        if !slot.is_over() {
            return Ok(());
        }
        slot.blocked_error(self.grace).map_or(Ok(()), Err)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Release);
        self.shared.unpark();
    }
}

impl Shared {
    fn watch(&self, grace: Duration) {
        let mut idle_ticks = 0;
        while !self.stopped.load(Acquire) {
            if self.look(grace) {
                idle_ticks = 0;
            } else {
                idle_ticks += 1;
            }
            if idle_ticks <= IDLE_TICKS_MAX {
                std::thread::park_timeout(TICK);
                continue;
            }
            // A work that begins right here either is seen by this look, or sees `awake` false and wakes us.
            self.awake.store(false, Release);
            if !self.look(grace) && !self.stopped.load(Acquire) {
                std::thread::park();
            }
            self.awake.store(true, Release);
            idle_ticks = 0;
        }
    }

    fn look(&self, grace: Duration) -> bool {
        // Not short-circuiting: each slot must be looked at.
        self.lock_slots().iter().fold(false, |busy, slot| slot.look(grace) | busy)
    }

    fn wake(&self) {
        if !self.awake.load(Acquire) && !self.awake.swap(true, AcqRel) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.unpark();
        }
    }

    fn lock_slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
