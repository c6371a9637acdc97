//! Waiting for a queue.
//!
//! No NOTIFY in a transaction that enqueues: it makes commits wait for each other. Commits of this process wake its
//! waiters; what others do is found by polling.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tidings_core::store::Watch;
use tokio::sync::watch::{Receiver, Sender};

/// Who waits for which queue.
#[derive(Default)]
pub(crate) struct QueueWatchers {
    queues: Mutex<HashMap<Arc<str>, Sender<()>>>,
}

impl QueueWatchers {
    pub(super) fn watch(&self, queue: &str, poll_interval: Duration) -> Box<dyn Watch> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = queues.entry(queue.into()).or_insert_with(|| Sender::new(()));
        Box::new(QueueWaiter { changes: sender.subscribe(), poll_interval })
    }

    /// Wakes those who wait for these queues.
    pub(crate) fn wake<'q>(&self, changed: impl IntoIterator<Item = &'q str>) {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        changed
            .into_iter()
            .filter_map(|queue| queues.get(queue))
            .for_each(|sender| sender.send_modify(|()| ()));
    }
}

struct QueueWaiter {
    changes: Receiver<()>,
    poll_interval: Duration,
}

#[async_trait]
impl Watch for QueueWaiter {
    async fn changed(&mut self) {
        // Whether a commit, the poll, or the end of the store ends the wait: there may be something to claim.
        let _ = tokio::time::timeout(self.poll_interval, self.changes.changed()).await;
    }
}
