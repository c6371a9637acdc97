//! Waking those who wait for messages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tidings_core::envelope::{Envelope, MessageKind};
use tidings_core::store::Watch;
use tokio::sync::Notify;

/// How long a waiter relies on being woken: a commit of another process to the same file is found at the latest then.
const FALLBACK: Duration = Duration::from_secs(5);

/// What there may be news of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// Messages of a kind and name.
    Messages(MessageKind, Arc<str>),
    /// Jobs of a queue.
    Queue(Arc<str>),
}

/// Remembers whom to wake because of a message. The list is short: the distinct names of one group.
pub(crate) fn note_message(topics: &mut Vec<Topic>, message: &Envelope) {
    let is_noted = |topic: &Topic| matches!(topic, Topic::Messages(kind, name) if *kind == message.kind && *name == message.name);
    if !topics.iter().any(is_noted) {
        topics.push(Topic::Messages(message.kind, message.name.clone()));
    }
}

/// As [`note_message`], because of a job.
pub(crate) fn note_queue(topics: &mut Vec<Topic>, queue: &str) {
    if !topics.iter().any(|topic| matches!(topic, Topic::Queue(noted) if **noted == *queue)) {
        topics.push(Topic::Queue(queue.into()));
    }
}

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

    pub(crate) fn watch(&self, topics: impl IntoIterator<Item = Topic>) -> Box<dyn Watch> {
        let notify = Arc::new(Notify::new());
        let mut waiting = self.lock();
        for topic in topics {
            let waiters = waiting.entry(topic).or_default();
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
