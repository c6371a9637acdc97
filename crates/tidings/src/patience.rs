//! Waiting for a store that fails.

use std::time::Duration;

use tidings_core::error::Error;
use tidings_core::store::StoreError;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long to wait before the next try; longer each time, until something is achieved.
pub(crate) struct Patience {
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: PAUSE_MIN }
    }
}

impl Patience {
    /// Tells of the store's error, and how long to wait.
    pub(crate) fn pause(&mut self, who: &str, error: &Error) -> Duration {
        let pause = self.next();
        if is_busy(error) {
            tracing::warn!(who, error = %error, pause_ms = pause.as_millis(), "the store is busy; waiting");
        } else {
            tracing::error!(who, error = %error, pause_ms = pause.as_millis(), "the store fails; waiting");
        }
        pause
    }

    /// How long to wait.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

fn is_busy(error: &Error) -> bool {
    matches!(
        error.find(),
        Some(StoreError::Overloaded { .. } | StoreError::Busy { .. } | StoreError::Timeout { .. })
    )
}

/// Whether the commit may or may not have happened: what was claimed in it is not known.
pub(crate) fn is_unknown(error: &Error) -> bool {
    matches!(error.find(), Some(StoreError::Unknown { .. }))
}

/// Whether the store is closed: there is nothing to wait for.
pub(crate) fn is_closed(error: &Error) -> bool {
    matches!(error.find(), Some(StoreError::Closed))
}
