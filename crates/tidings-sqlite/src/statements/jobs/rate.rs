//! How many jobs of a queue with a limited rate may start now.
//!
//! The generic cell rate algorithm (ATM Forum, Traffic Management Specification 4.1): each start moves the queue's next free
//! time on by one step, and a start conforms if that time is not further ahead than a tolerance. With a burst of `b` and
//! a step of `per / (count - b + 1)` no more than `count` start in any time of length `per`, which is what those who set
//! such limits count.

use jiff::Timestamp;
use tidings_core::store::RateLimit;

/// The burst is this part of the count, so that a limit of some size can be used in batches.
const BURST_PART: i64 = 20;

/// Clocks of processes differ a little, and who has waited for his turn says an earlier time than who has had his: that is none that
/// was set back. In microseconds.
const CLOCKS_APART: i64 = 60_000_000;

/// A queue's limit, with where it stands. All times in microseconds.
pub(super) struct Rate {
    step: i64,
    tolerance: i64,
    next_free: i64,
    now: i64,
}

impl Rate {
    pub(super) fn new(limit: RateLimit, next_free: Option<i64>, now: Timestamp) -> Self {
        let count = i64::from(limit.count.max(1));
        let burst = (count / BURST_PART).max(1);
        let per = i64::try_from(limit.per.as_micros()).unwrap_or(i64::MAX / 4).clamp(1, i64::MAX / 4);
        let steps = count - burst + 1;
        // Rounded up: a little too slow keeps the promise, a little too fast breaks it.
        let step = per / steps + i64::from(per % steps != 0);
        let tolerance = step.saturating_mul(burst - 1);
        let now = now.as_microsecond();
        // No start has ever moved it further ahead than this; the clock was, and has been set back since.
        let furthest = now.saturating_add(tolerance).saturating_add(step).saturating_add(CLOCKS_APART);
        let next_free = next_free.filter(|next| *next <= furthest).unwrap_or(now).max(now);
        Self { step, tolerance, next_free, now }
    }

    /// How many may start now.
    pub(super) fn allowed(&self) -> usize {
        let room = self.now + self.tolerance - self.next_free;
        if room < 0 { 0 } else { usize::try_from(room / self.step + 1).unwrap_or(usize::MAX) }
    }

    /// Moves the queue on by so many starts, and says to where.
    pub(super) fn start(&mut self, starts: usize) -> i64 {
        let starts = i64::try_from(starts).unwrap_or(i64::MAX);
        self.next_free = self.next_free.saturating_add(self.step.saturating_mul(starts));
        self.next_free
    }

    /// When another one may start.
    pub(super) fn next_at(&self) -> Timestamp {
        let at = self.next_free.saturating_sub(self.tolerance).max(self.now);
        Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Starts as many as it may, as early as it may, for ten times its period.
    fn starts(limit: RateLimit) -> Vec<i64> {
        let (mut now, mut next_free, mut starts) = (1_000_000_i64, None, Vec::new());
        let end = now + 10 * i64::try_from(limit.per.as_micros()).unwrap();
        while now < end {
            let mut rate = Rate::new(limit, next_free, Timestamp::from_microsecond(now).unwrap());
            let allowed = rate.allowed();
            assert!(allowed > 0, "it may start when it said so");
            starts.extend(std::iter::repeat_n(now, allowed));
            next_free = Some(rate.start(allowed));
            assert_eq!(Rate::new(limit, next_free, Timestamp::from_microsecond(now).unwrap()).allowed(), 0);
            now = rate.next_at().as_microsecond();
        }
        starts
    }

    #[test]
    fn no_period_has_more_starts_than_the_limit_says_and_hardly_fewer() {
        for count in [1, 2, 7, 19, 20, 100, 1_000] {
            let limit = RateLimit { count, per: Duration::from_millis(1_000) };
            let starts = starts(limit);
            let most = (0..starts.len())
                .map(|first| starts[first..].iter().take_while(|at| **at < starts[first] + 1_000_000).count())
                .max();
            assert!(most.unwrap() <= count as usize, "{count}: {most:?}");
            assert!(
                starts.len() as f64 >= 9.4 * f64::from(count),
                "{count}: {} in ten periods",
                starts.len()
            );
        }
    }

    #[test]
    fn a_clock_that_was_ahead_blocks_nobody() {
        let limit = RateLimit { count: 10, per: Duration::from_secs(1) };
        let now = Timestamp::from_second(1_000).unwrap();
        let ahead = Timestamp::from_second(90_000).unwrap().as_microsecond();
        assert!(Rate::new(limit, Some(ahead), now).allowed() > 0);
    }
}
