//! Waking those who wait for messages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tidings_core::envelope::MessageKind;
use tidings_core::store::{Filter, Watch};
use tokio::sync::Notify;

/// How long a waiter relies on being woken: a commit of another process to the same file is found at the latest then.
const FALLBACK: Duration = Duration::from_secs(5);

/// The kind and name of messages.
pub(crate) type Topic = (MessageKind, Arc<str>);

/// Who waits for what.
#[derive(Default)]
pub(crate) struct Watchers {
    waiting: Mutex<HashMap<Topic, Vec<Weak<Notify>>>>,
}

impl Watchers {
    /// Wakes everyone who waits for one of `topics`.
    pub(crate) fn notify(&self, topics: &[Topic]) {
        if topics.is_empty() {
            return;
        }
        let waiting = self.lock();
        for waiter in topics.iter().filter_map(|topic| waiting.get(topic)).flatten() {
            // One permit is kept for a waiter that is busy just now, so that none is missed.
            if let Some(notify) = waiter.upgrade() {
                notify.notify_one();
            }
        }
    }

    pub(crate) fn watch(&self, filter: &Filter) -> Box<dyn Watch> {
        let notify = Arc::new(Notify::new());
        let mut waiting = self.lock();
        for name in &filter.names {
            let waiters = waiting.entry((filter.kind, name.clone())).or_default();
            waiters.retain(|waiter| waiter.strong_count() > 0);
            waiters.push(Arc::downgrade(&notify));
        }
        Box::new(Waiter { notify })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Vec<Weak<Notify>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Waiter {
    notify: Arc<Notify>,
}

#[async_trait]
impl Watch for Waiter {
    async fn changed(&mut self) {
        // Running into the fallback is no error: the caller looks for itself.
        let _ = tokio::time::timeout(FALLBACK, self.notify.notified()).await;
    }
}
