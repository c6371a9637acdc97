//! Waiting for messages, for jobs, and for changes of who works on what.
//!
//! No NOTIFY inside a publishing transaction: it makes commits wait for each other. What this process commits wakes its own
//! waiters at once, by name and slot; for other processes it is only noted, and [told](crate::tell) on a connection of its
//! own. Whoever hears of it, or polls, looks at the [tail](crate::tail) of the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tidings_core::envelope::{Envelope, MessageKind};
use tidings_core::partition::{Part, slot};
use tidings_core::store::{Filter, Watch};
use tokio::sync::Notify;

/// What a transaction has touched that somebody may wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    messages: BTreeSet<(MessageKind, Arc<str>, u8)>,
    queues: BTreeSet<Arc<str>>,
    crew: bool,
}

impl Touched {
    /// Notes messages that were appended.
    pub fn append(&mut self, messages: &[Envelope]) {
        for message in messages {
            self.messages.insert((message.kind, message.name.clone(), slot(message)));
        }
    }

    /// Notes a queue from which there may be something to claim.
    pub fn queue(&mut self, name: &Arc<str>) {
        if !self.queues.contains(name) {
            self.queues.insert(name.clone());
        }
    }

    /// That a worker has come or gone, or has given something back.
    pub(crate) fn crew() -> Self {
        Self { crew: true, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.queues.is_empty() && !self.crew
    }
}

/// Those who wait in this process, and what other processes are to be told.
#[derive(Default)]
pub(crate) struct Watchers {
    waiting: Mutex<Waiting>,
    untold: Mutex<Untold>,
    /// There is something untold.
    pub(crate) tell: Notify,
    /// Somebody has begun to wait.
    pub(crate) came: Notify,
}

/// One who waits for messages of a part.
type Reader = (Part, Weak<Notify>);

#[derive(Default)]
struct Waiting {
    messages: HashMap<(MessageKind, Arc<str>), Vec<Reader>>,
    queues: HashMap<Arc<str>, Vec<Weak<Notify>>>,
    crew: Vec<Weak<Notify>>,
}

/// What other processes do not know yet. Which messages they are they see for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) messages: bool,
    pub(crate) queues: BTreeSet<Arc<str>>,
    pub(crate) crew: bool,
}

impl Untold {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Watchers {
    /// Wakes who waits for what was committed here, and notes it for others.
    pub(crate) fn committed(&self, touched: &Touched) {
        if touched.is_empty() {
            return;
        }
        for (kind, name, slot) in &touched.messages {
            self.wake_messages(*kind, name, *slot);
        }
        for queue in &touched.queues {
            self.wake_queue(queue);
        }
        if touched.crew {
            self.wake_crew();
        }
        let messages = !touched.messages.is_empty();
        self.still_to_tell(Untold { messages, crew: touched.crew, queues: touched.queues.clone() });
        self.tell.notify_one();
    }

    /// Notes what is to be told, with whatever is to be told already.
    pub(crate) fn still_to_tell(&self, more: Untold) {
        let mut untold = lock(&self.untold);
        untold.messages |= more.messages;
        untold.crew |= more.crew;
        untold.queues.extend(more.queues);
    }

    /// Has other processes look for messages.
    pub(crate) fn tell_of_messages(&self) {
        lock(&self.untold).messages = true;
        self.tell.notify_one();
    }

    pub(crate) fn take_untold(&self) -> Untold {
        std::mem::take(&mut *lock(&self.untold))
    }

    pub(crate) fn wake_messages(&self, kind: MessageKind, name: &Arc<str>, slot: u8) {
        if let Some(waiters) = lock(&self.waiting).messages.get(&(kind, name.clone())) {
            wake(waiters.iter().filter(|(part, _)| part.contains(slot)).map(|(_, waiter)| waiter));
        }
    }

    pub(crate) fn wake_queue(&self, name: &str) {
        if let Some(waiters) = lock(&self.waiting).queues.get(name) {
            wake(waiters);
        }
    }

    pub(crate) fn wake_all_queues(&self) {
        wake(lock(&self.waiting).queues.values().flatten());
    }

    pub(crate) fn wake_crew(&self) {
        wake(&lock(&self.waiting).crew);
    }

    /// Wakes all who wait for messages.
    pub(crate) fn wake_readers(&self) {
        wake(lock(&self.waiting).messages.values().flatten().map(|(_, waiter)| waiter));
    }

    pub(crate) fn wake_all(&self) {
        self.wake_readers();
        self.wake_all_queues();
        self.wake_crew();
    }

    /// Whether anybody waits for what only a look at the database tells.
    pub(crate) fn has_any(&self) -> bool {
        let waiting = lock(&self.waiting);
        let mut readers = waiting.messages.values().flatten().map(|(_, waiter)| waiter);
        readers.any(is_there)
            || waiting.crew.iter().any(is_there)
            || waiting.queues.values().flatten().any(is_there)
    }

    /// The queues for which somebody waits.
    pub(crate) fn queues(&self) -> Vec<Arc<str>> {
        let waiting = lock(&self.waiting);
        let waited_for = |(_, waiters): &(&Arc<str>, &Vec<Weak<Notify>>)| waiters.iter().any(is_there);
        waiting.queues.iter().filter(waited_for).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn watch_messages(&self, filter: &Filter) -> Box<dyn Watch> {
        let notify = Arc::new(Notify::new());
        let mut waiting = lock(&self.waiting);
        for name in &filter.names {
            let waiters = waiting.messages.entry((filter.kind, name.clone())).or_default();
            waiters.retain(|(_, waiter)| is_there(waiter));
            waiters.push((filter.part, Arc::downgrade(&notify)));
        }
        self.came.notify_one();
        Box::new(Waiter { notify })
    }

    pub(crate) fn watch_queue(&self, name: &str) -> Box<dyn Watch> {
        let notify = Arc::new(Notify::new());
        let mut waiting = lock(&self.waiting);
        let waiters = waiting.queues.entry(name.into()).or_default();
        waiters.retain(is_there);
        waiters.push(Arc::downgrade(&notify));
        self.came.notify_one();
        Box::new(Waiter { notify })
    }

    pub(crate) fn watch_crew(&self) -> Box<dyn Watch> {
        let notify = Arc::new(Notify::new());
        let mut waiting = lock(&self.waiting);
        waiting.crew.retain(is_there);
        waiting.crew.push(Arc::downgrade(&notify));
        self.came.notify_one();
        Box::new(Waiter { notify })
    }
}

fn is_there(waiter: &Weak<Notify>) -> bool {
    waiter.strong_count() > 0
}

fn wake<'w>(waiters: impl IntoIterator<Item = &'w Weak<Notify>>) {
    for waiter in waiters.into_iter().filter_map(Weak::upgrade) {
        // One permit is kept for a waiter that is busy just now, so that none is missed.
        waiter.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Waiter {
    notify: Arc<Notify>,
}

#[async_trait]
impl Watch for Waiter {
    async fn changed(&mut self) {
        self.notify.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn those_are_woken_who_wait_for_it() {
        let watchers = Watchers::default();
        let of =
            |index| Filter::all(MessageKind::Event, vec!["a".into(), "b".into()]).of(Part { index, of: 2 });
        let (mut even, mut odd) = (watchers.watch_messages(&of(0)), watchers.watch_messages(&of(1)));
        let hears = |watch: &mut Box<dyn Watch>| watch.changed().now_or_never().is_some();
        watchers.wake_messages(MessageKind::Event, &"b".into(), 3);
        assert!(!hears(&mut even) && hears(&mut odd) && !hears(&mut odd));
        watchers.wake_messages(MessageKind::Command, &"a".into(), 0);
        watchers.wake_messages(MessageKind::Event, &"c".into(), 0);
        assert!(!hears(&mut even) && !hears(&mut odd));
        drop((even, odd));
        assert!(!watchers.has_any());
        let queue = watchers.watch_queue("mail");
        assert!(watchers.has_any() && watchers.queues() == ["mail".into()]);
        drop(queue);
        assert!(!watchers.has_any() && watchers.queues().is_empty());
    }

    #[test]
    fn what_is_committed_is_told_once() {
        let watchers = Watchers::default();
        let mut touched = Touched::default();
        watchers.committed(&touched);
        assert!(watchers.take_untold().is_empty());
        touched.queue(&"mail".into());
        watchers.committed(&touched);
        watchers.committed(&Touched::crew());
        let untold = watchers.take_untold();
        assert!(untold.crew && !untold.messages && untold.queues.contains("mail"));
        assert!(watchers.take_untold().is_empty());
    }
}
