//! Business time as a parameter.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// The source of business time: what is due, what has expired, when something happened.
///
/// Lease time is not business time; a store takes it from its database or from a monotonic source.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time now. Within one process it never runs backwards, whatever the machine's clock does.
    fn now(&self) -> Timestamp;

    /// Returns once [`Clock::now`] has reached `due`.
    async fn sleep_until(&self, due: Timestamp);
}

/// A clock shared by everything in one application.
pub type SharedClock = Arc<dyn Clock>;

/// The last time that can be kept; whatever lies behind it is kept as this.
///
/// `Timestamp::MAX` is not it: its microseconds are more than [`Timestamp::from_microsecond`] takes, so a store that keeps
/// them cannot read them back. A day before, and whole seconds, leave room for what is added and rounded.
pub const LAST: Timestamp = Timestamp::constant(253_402_207_200 - 86_400, 0);

/// The time as it can be kept: not after [`LAST`].
#[must_use]
pub fn storable(time: Timestamp) -> Timestamp {
    time.min(LAST)
}

/// So much later, but not after [`LAST`], which is late enough for what lies behind it.
#[must_use]
pub fn after(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_add(by).map_or(LAST, storable)
}

/// A time from the microseconds that a store kept. What no time has is the nearest that there is: one row that nobody can
/// read would keep all the others from being read.
#[must_use]
pub fn from_stored(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { LAST })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_that_is_kept_can_be_read_back() {
        let now: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        assert!(
            Timestamp::from_microsecond(Timestamp::MAX.as_microsecond()).is_err(),
            "or LAST is not needed"
        );
        for time in
            [storable(Timestamp::MAX), after(now, Duration::MAX), after(Timestamp::MAX, Duration::ZERO)]
        {
            assert_eq!((time, from_stored(time.as_microsecond())), (LAST, LAST));
        }
        assert_eq!(after(now, Duration::from_secs(2)).to_string(), "2026-01-31T09:30:02Z");
        for (micros, time) in [
            (i64::MAX, LAST),
            (Timestamp::MAX.as_microsecond(), LAST),
            (i64::MIN, Timestamp::MIN),
            (0, Timestamp::UNIX_EPOCH),
        ] {
            assert_eq!(from_stored(micros), time, "{micros}");
        }
    }
}
