//! The end of a caller's patience.

use std::time::{Duration, Instant};

/// Nobody waits longer; beyond some point the end could not be computed either.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// One absolute end for everything that is done for a call: each step has what the steps before it have left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    after: Duration,
    ends: Instant,
}

impl Deadline {
    pub(crate) fn after(after: Duration) -> Self {
        Self { after, ends: Instant::now() + after.min(LONGEST) }
    }

    /// The patience as it was given.
    pub(crate) fn given(&self) -> Duration {
        self.after
    }

    pub(crate) fn ends(&self) -> tokio::time::Instant {
        self.ends.into()
    }

    pub(crate) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_ever_is_a_deadline_too() {
        let deadline = Deadline::after(Duration::MAX);
        assert_eq!(deadline.given(), Duration::MAX);
        assert!(deadline.left() > LONGEST / 2 && !deadline.is_over());
        assert!(Deadline::after(Duration::ZERO).is_over());
    }
}
