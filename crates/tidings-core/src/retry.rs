//! When a failed delivery is tried again.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use crate::clock::after;
use crate::ids::MessageId;

/// Delays between attempts: after attempt `n` fails, the next is due after tier `n`, spread by jitter.
/// When the tiers are used up the work is a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    tiers: Vec<Duration>,
    jitter_percent: u8,
}

impl Default for RetrySchedule {
    /// 10 s, 60 s, 10 min, 1 h, 2 h, each with up to 10 % of jitter either way.
    fn default() -> Self {
        Self::new([10, 60, 600, 3_600, 7_200].map(Duration::from_secs), 10)
    }
}

impl RetrySchedule {
    /// A schedule of these tiers. `jitter_percent` is how far a delay may lie from its tier, 0 to 100.
    #[must_use]
    pub fn new(tiers: impl IntoIterator<Item = Duration>, jitter_percent: u8) -> Self {
        Self { tiers: tiers.into_iter().collect(), jitter_percent: jitter_percent.min(100) }
    }

    /// A schedule without a second attempt.
    #[must_use]
    pub fn never() -> Self {
        Self::new([], 0)
    }

    /// The number of attempts before the work is dead, the first one included.
    #[must_use]
    pub fn attempts_max(&self) -> u32 {
        u32::try_from(self.tiers.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// When to try again after `attempts` failed attempts (1 after the first), or `None` when used up.
    ///
    /// The jitter is drawn from the message's id and the attempt, so that a whole batch that failed
    /// together does not come back together, while one message's schedule can be computed again.
    #[must_use]
    pub fn next_due(&self, now: Timestamp, id: MessageId, attempts: u32) -> Option<Timestamp> {
        let index = usize::try_from(attempts.checked_sub(1)?).ok()?;
        let tier = self.tiers.get(index)?;
        let due = after(now, spread(*tier, self.jitter_percent, id, attempts));
        // Stores keep microseconds. Rounded up, so that what they find due is due for whoever knows the time exactly.
        let stored = TimestampRound::new().smallest(Unit::Microsecond).mode(RoundMode::Ceil);
        due.round(stored).ok()
    }
}

fn spread(tier: Duration, jitter_percent: u8, id: MessageId, attempt: u32) -> Duration {
    const STEPS: u64 = 2_001;
    let mixed = (id.0.as_u64_pair().1 ^ u64::from(attempt)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let unit = (mixed % STEPS) as f64 / 1_000.0 - 1.0;
    let seconds = tier.as_secs_f64() * (1.0 + unit * f64::from(jitter_percent) / 100.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::LAST;

    #[test]
    fn tiers_then_dead() {
        let schedule = RetrySchedule::default();
        let (now, id) = (Timestamp::UNIX_EPOCH, MessageId::new());
        for (attempts, seconds) in [(1, 10.0), (2, 60.0), (3, 600.0), (4, 3_600.0), (5, 7_200.0)] {
            let due = schedule.next_due(now, id, attempts).unwrap();
            let delay = due.duration_since(now).as_secs_f64();
            assert!((seconds * 0.9..=seconds * 1.1).contains(&delay), "attempt {attempts}: {delay} s");
        }
        assert_eq!(schedule.next_due(now, id, 6), None);
        assert_eq!(schedule.next_due(now, id, 0), None);
        assert_eq!(schedule.attempts_max(), 6);
        assert_eq!(RetrySchedule::never().next_due(now, id, 1), None);
    }

    #[test]
    fn a_store_that_keeps_microseconds_finds_nothing_due_too_early() {
        let (now, id) = (Timestamp::from_nanosecond(1_769_851_800_000_000_001).unwrap(), MessageId::new());
        let due = RetrySchedule::new([Duration::from_nanos(1_500)], 0).next_due(now, id, 1).unwrap();
        assert_eq!(due, Timestamp::from_microsecond(1_769_851_800_000_002).unwrap());
    }

    #[test]
    fn a_tier_may_be_as_long_as_can_be_said() {
        let now: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        for tier in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(1 << 40)] {
            for jitter in [0, 50, 100] {
                let due = RetrySchedule::new([tier], jitter).next_due(now, MessageId::new(), 1);
                assert!(due.is_some_and(|due| due <= LAST && due >= now), "{tier:?} {jitter} %: {due:?}");
            }
        }
        let due = RetrySchedule::new([Duration::MAX], 0).next_due(now, MessageId::new(), 1);
        assert_eq!(due, Some(LAST));
    }

    #[test]
    fn jitter_spreads_a_batch() {
        let schedule = RetrySchedule::default();
        let dues: std::collections::HashSet<_> =
            (0..100).filter_map(|_| schedule.next_due(Timestamp::UNIX_EPOCH, MessageId::new(), 1)).collect();
        assert!(dues.len() > 50, "only {} distinct delays", dues.len());
    }
}
