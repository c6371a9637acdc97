//! The machine's clock, made safe against jumps.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tidings_core::clock::Clock;

/// Business time from the machine's clock, which never runs backwards within a process: when the clock is set back,
/// time goes on at the pace of the monotonic clock until the wall has caught up; when it is set forward, time follows.
pub struct SystemClock {
    anchor: Mutex<Anchor>,
}

#[derive(Clone, Copy)]
struct Anchor {
    wall: Timestamp,
    monotonic: Instant,
    warned: bool,
}

impl Default for SystemClock {
    fn default() -> Self {
        let anchor = Anchor { wall: Timestamp::now(), monotonic: Instant::now(), warned: false };
        Self { anchor: Mutex::new(anchor) }
    }
}

/// A wall clock this far behind the anchored time was set back; smaller differences are drift.
const SET_BACK: SignedDuration = SignedDuration::from_secs(1);

impl SystemClock {
    fn read(&self, wall: Timestamp, monotonic: Instant) -> Timestamp {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = SignedDuration::try_from(monotonic.saturating_duration_since(anchor.monotonic));
        let expected =
            passed.ok().and_then(|passed| anchor.wall.checked_add(passed).ok()).unwrap_or(anchor.wall);
        let behind = expected.duration_since(wall);
        if behind > SET_BACK && !anchor.warned {
            anchor.warned = true;
            tracing::warn!(
                behind_s = behind.as_secs(),
                "the system clock was set back; business time goes on without it"
            );
        }
        if wall >= expected {
            *anchor = Anchor { wall, monotonic, warned: false };
            return wall;
        }
        expected
    }
}

/// A machine that slept wakes with a stale timer, so long waits are cut into pieces and the clock is read again.
const PIECE: Duration = Duration::from_secs(30);

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.read(Timestamp::now(), Instant::now())
    }

    async fn sleep_until(&self, due: Timestamp) {
        loop {
            let left = due.duration_since(self.now());
            match Duration::try_from(left) {
                Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(PIECE)).await,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_goes_on() {
        let clock = SystemClock::default();
        let start = clock.anchor.lock().unwrap().to_owned();
        let hour = SignedDuration::from_hours(1);
        let later = start.monotonic + Duration::from_secs(10);
        let set_back = start.wall.checked_sub(hour).unwrap();
        assert_eq!(clock.read(set_back, later).duration_since(start.wall), SignedDuration::from_secs(10));
        let set_forward = start.wall.checked_add(hour).unwrap();
        assert_eq!(clock.read(set_forward, later), set_forward);
    }
}
