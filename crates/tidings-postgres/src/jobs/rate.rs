//! How many jobs of a queue with a limited rate may start now.
//!
//! The generic cell rate algorithm (ATM Forum, Traffic Management Specification 4.1): each start moves the queue's next free
//! time on by one step, and a start conforms if that time is not further ahead than a tolerance. With a burst of `b` and
//! a step of `per / (count - b + 1)` no more than `count` start in any time of length `per`, which is what those who set
//! such limits count. The rest of it is in `tidings_end_and_claim`, under the queue's lock.

use tidings_core::store::RateLimit;

/// The burst is this part of the count, so that a limit of some size can be used in batches.
const BURST_PART: i64 = 20;

/// Three thousand years: sums of it stay within what the database counts with.
const LONGEST: i64 = 100_000_000_000_000_000;

/// A limit's step and tolerance in microseconds.
pub(super) fn step_and_tolerance(limit: RateLimit) -> (i64, i64) {
    let count = i64::from(limit.count.max(1));
    let burst = (count / BURST_PART).max(1);
    let per = i64::try_from(limit.per.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
    let steps = count - burst + 1;
    // Rounded up: a little too slow keeps the promise, a little too fast breaks it.
    let step = per / steps + i64::from(per % steps != 0);
    (step, step.saturating_mul(burst - 1).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_limit_is_a_step_and_a_tolerance() {
        let limit = |count, seconds| RateLimit { count, per: Duration::from_secs(seconds) };
        assert_eq!(step_and_tolerance(limit(1, 10)), (10_000_000, 0), "one, and then none until its time");
        assert_eq!(step_and_tolerance(limit(100, 30)), (312_500, 1_250_000), "five at once, the rest evenly");
        assert_eq!(step_and_tolerance(limit(3, 1)), (333_334, 0), "rounded up");
        assert_eq!(step_and_tolerance(limit(1, u64::MAX)), (LONGEST, 0), "and within bounds");
    }
}
