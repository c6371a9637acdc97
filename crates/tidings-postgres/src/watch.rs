//! Waiting for messages.
//!
//! No NOTIFY: inside a publishing transaction it makes commits wait for each other. Commits of this process wake its
//! waiters; what others append is found by polling.

use std::time::Duration;

use async_trait::async_trait;
use tidings_core::store::Watch;
use tokio::sync::watch::Receiver;

pub(crate) struct Waiter {
    pub(crate) commits: Receiver<u64>,
    pub(crate) poll_interval: Duration,
}

#[async_trait]
impl Watch for Waiter {
    async fn changed(&mut self) {
        // Whether a commit, the poll, or the end of the store ends the wait: there may be something to read.
        let _ = tokio::time::timeout(self.poll_interval, self.commits.changed()).await;
    }
}
