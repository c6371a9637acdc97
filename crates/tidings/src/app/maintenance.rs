//! Keeping the log within its bounds.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;

use super::Shared;

/// Runs a round of maintenance at once, and then at every interval, until told to stop: a round is many short transactions, and
/// the one that is open then is left to the next start.
pub(crate) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let every = Duration::from_secs(shared.config.retention.every_seconds.max(1));
    let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::from_mins(1));
    loop {
        tokio::select! {
            () = round(&shared) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let due = shared.clock.now().checked_add(every).unwrap_or(jiff::Timestamp::MAX);
        #[cfg(feature = "testing")]
        shared.maintenance_due.store(due.as_microsecond(), std::sync::atomic::Ordering::SeqCst);
        tokio::select! {
            () = shared.clock.sleep_until(due) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

async fn round(shared: &Shared) {
    match shared.store.maintain(&shared.config.retention(), shared.clock.now()).await {
        Ok(done) => {
            if let Some(holder) = &done.held_by {
                tracing::error!(
                    messages = done.messages,
                    holder,
                    "the log is over its bounds and cannot be shortened"
                );
            }
            tracing::debug!(deleted = done.messages_deleted, left = done.messages, "maintenance");
        }
        Err(error) => tracing::warn!(
            error = tidings_core::error::chain(&error),
            "maintenance failed, tried again later"
        ),
    }
}
