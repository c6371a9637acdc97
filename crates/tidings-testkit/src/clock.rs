//! Time that moves only when a test says so.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tidings_core::clock::Clock;
use tokio::sync::{Notify, oneshot};

/// A [`Clock`] under a test's control.
///
/// [`set`](Self::set) moves the *machine's* time, also backwards. [`Clock::now`] obeys the clock's contract
/// and holds still until the machine has caught up, as an honest clock on such a machine does.
///
/// Sleepers wake in the order of their due times, and in the order of their coming where those are equal, so a
/// test on a single-threaded runtime runs the same way every time.
///
/// ```
/// use std::time::Duration;
/// use tidings_core::clock::Clock;
/// use tidings_testkit::clock::ManualClock;
///
/// let clock = ManualClock::new("2026-01-31T09:30:00Z".parse()?);
/// let before = clock.now();
/// clock.advance(Duration::from_secs(10));
/// assert_eq!(clock.now().duration_since(before).as_secs(), 10);
/// clock.set(before);
/// assert_eq!(clock.now().duration_since(before).as_secs(), 10, "business time never runs backwards");
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    sleepers_changed: Notify,
}

#[derive(Debug)]
struct State {
    machine: Timestamp,
    now: Timestamp,
    arrivals: u64,
    sleepers: BinaryHeap<Sleeper>,
}

#[derive(Debug)]
struct Sleeper {
    due: Timestamp,
    arrival: u64,
    wake: oneshot::Sender<()>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        let state = State { machine: start, now: start, arrivals: 0, sleepers: BinaryHeap::new() };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), sleepers_changed: Notify::new() }) }
    }

    /// Moves time on by `by`, and wakes who is due. Time stops at the largest timestamp there is.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        state.machine = state.machine.checked_add(by).unwrap_or(Timestamp::MAX);
        state.catch_up();
        drop(state);
        self.shared.sleepers_changed.notify_waiters();
    }

    /// Sets the machine's time, forwards or backwards, and wakes who is due.
    pub fn set(&self, machine: Timestamp) {
        let mut state = self.state();
        state.machine = machine;
        state.catch_up();
        drop(state);
        self.shared.sleepers_changed.notify_waiters();
    }

    /// The machine's time, which may have run backwards.
    #[must_use]
    pub fn machine_now(&self) -> Timestamp {
        self.state().machine
    }

    /// When the first sleeper is due, if anybody sleeps.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let mut state = self.state();
        state.forget_the_gone();
        state.sleepers.peek().map(|sleeper| sleeper.due)
    }

    /// How many sleep.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        let mut state = self.state();
        state.forget_the_gone();
        state.sleepers.len()
    }

    /// Returns once at least `count` sleep: the state to wait for before time moves.
    pub async fn until_sleeping(&self, count: usize) {
        loop {
            let changed = self.shared.sleepers_changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.sleepers() >= count {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of a test elsewhere must not hide behind a second one here.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    /// Stands at 2026-01-31T09:30:00Z, a Saturday.
    fn default() -> Self {
        Self::new(Timestamp::constant(1_769_851_800, 0))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn sleep_until(&self, due: Timestamp) {
        let woken = {
            let mut state = self.state();
            if state.now >= due {
                return;
            }
            let (wake, woken) = oneshot::channel();
            let arrival = state.arrivals;
            state.arrivals += 1;
            state.sleepers.push(Sleeper { due, arrival, wake });
            woken
        };
        self.shared.sleepers_changed.notify_waiters();
        // The sender lives in the clock, which `self` keeps alive; it is dropped only by sending.
        let _ = woken.await;
    }
}

impl State {
    fn catch_up(&mut self) {
        self.now = self.now.max(self.machine);
        while self.sleepers.peek().is_some_and(|sleeper| sleeper.due <= self.now) {
            if let Some(sleeper) = self.sleepers.pop() {
                // A sleeper that was cancelled has nobody to wake.
                let _ = sleeper.wake.send(());
            }
        }
    }

    fn forget_the_gone(&mut self) {
        self.sleepers.retain(|sleeper| !sleeper.wake.is_closed());
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> Ordering {
        // Reversed: the heap's greatest is the one that wakes first.
        (other.due, other.arrival).cmp(&(self.due, self.arrival))
    }
}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sleeper {}

/// Lease time under a test's control: monotonic, and apart from business time, as it is in production.
#[derive(Clone, Debug, Default)]
pub struct ManualLeaseClock {
    elapsed: Arc<Mutex<Duration>>,
}

impl ManualLeaseClock {
    /// A lease clock that stands at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The time since the clock was made. Never runs backwards: there is no way to set it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves lease time on; business time stays.
    pub fn advance(&self, by: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
        *elapsed = elapsed.saturating_add(by);
    }

    /// The clock as a function, for code that takes its lease time as one.
    #[must_use]
    pub fn source(&self) -> Arc<dyn Fn() -> Duration + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_due_times() {
        let clock = ManualClock::default();
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for seconds in [30_i64, 10, 20, 10] {
            let (clock, woken) = (clock.clone(), woken.clone());
            tasks.spawn(async move {
                clock.sleep_until(clock.now() + SignedDuration::from_secs(seconds)).await;
                woken.lock().unwrap().push(seconds);
            });
        }
        clock.until_sleeping(4).await;
        assert_eq!(clock.next_due(), Some(clock.now() + SignedDuration::from_secs(10)));
        clock.advance(Duration::from_secs(25));
        clock.advance(Duration::from_secs(5));
        while tasks.join_next().await.is_some() {}
        assert_eq!(*woken.lock().unwrap(), [10, 10, 20, 30]);
    }

    #[tokio::test]
    async fn a_machine_set_backwards_holds_time_still() {
        let clock = ManualClock::default();
        let start = clock.now();
        clock.set(start - SignedDuration::from_secs(60));
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(59));
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), start + SignedDuration::from_secs(1));
    }

    #[tokio::test]
    async fn a_cancelled_sleeper_is_forgotten() {
        let clock = ManualClock::default();
        let sleeping = clock.clone();
        let task = tokio::spawn(async move { sleeping.sleep_until(Timestamp::MAX).await });
        clock.until_sleeping(1).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(clock.sleepers(), 0);
    }

    #[test]
    fn lease_time_stands_apart() {
        let lease = ManualLeaseClock::new();
        lease.advance(Duration::from_secs(3));
        assert_eq!((lease.source())(), Duration::from_secs(3));
    }
}
