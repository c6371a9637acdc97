//! What the suites share: messages, consumers, and reading to the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidings_core::envelope::{Cursor, Envelope, MessageKind, Position, Recorded};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    Batch, ConsumerKind, ConsumerSpec, ConsumerStatus, Filter, Holding, Lease, Member, Parked, ParkedState,
    Receipt, Settled, Start, Store, StoreError,
};
use tidings_core::trace::TraceContext;

use crate::script::{Op, run};

/// Long enough for any store on a loaded machine; who waits this long has waited for nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A time of the suites: `seconds` after a fixed start.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_769_851_800, 0) + SignedDuration::from_secs(seconds)
}

/// An event with a key of kind `order`.
pub(crate) fn event(name: &str, key: &str) -> Envelope {
    Envelope { key: Some(Key::new("order", key)), ..keyless(name) }
}

/// An event without a key.
pub(crate) fn keyless(name: &str) -> Envelope {
    let id = MessageId::new();
    Envelope {
        id,
        kind: MessageKind::Event,
        name: name.into(),
        version: 1,
        source: "suite".into(),
        key: None,
        time: at(0),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        reply_to: None,
        data: "{}".to_owned(),
    }
}

/// `count` events of one name, of different keys.
pub(crate) fn events(name: &str, count: usize) -> Vec<Envelope> {
    (0..count).map(|index| event(name, &index.to_string())).collect()
}

pub(crate) fn filter(names: &[&str]) -> Filter {
    Filter::all(MessageKind::Event, names.iter().map(|name| Arc::from(*name)).collect())
}

pub(crate) fn spec(name: &str, reads: &[&str], start: Start) -> ConsumerSpec {
    ConsumerSpec {
        name: name.into(),
        kind: ConsumerKind::Listener,
        filter: filter(reads),
        start,
        aliases: Vec::new(),
        partitions: 1,
    }
}

/// Holds a consumer of one partition for a worker of its own that is not heard of again: whoever comes next may take it.
pub(crate) async fn hold(store: &dyn Store, consumer: &str) -> Result<Holding, StoreError> {
    let worker = store.enlist(&Member::named("a suite"), Duration::ZERO).await?;
    store.hold(consumer, 0, worker).await
}

/// Appends in one transaction of its own.
pub(crate) async fn append(store: &dyn Store, messages: &[Envelope]) {
    run(store, [Op::Append(messages.to_vec())]).await.expect("an append commits");
}

/// Everything in the log that matches, read from the beginning.
pub(crate) async fn everything(store: &dyn Store, names: &[&str]) -> Vec<Recorded> {
    // A consumer per call, because only a registration tells where the log begins.
    let name = format!("suite.reader-{}", MessageId::new());
    let consumer = Consumer::enter(store, &name, names, Start::Beginning).await;
    let (messages, _) = read_to_end(store, &consumer.cursor, &consumer.filter, 100).await;
    store.retire(&name, "the suite has read", at(0)).await.expect("a reader is retired");
    messages
}

/// Reads until the end is told, and checks what holds for every batch.
pub(crate) async fn read_to_end(
    store: &dyn Store,
    from: &Cursor,
    filter: &Filter,
    limit: usize,
) -> (Vec<Recorded>, Cursor) {
    let mut messages = Vec::new();
    let mut cursor = from.clone();
    loop {
        let batch = store.read_after(&cursor, filter, limit).await.expect("a batch is read");
        check_batch(&batch, filter, limit);
        assert!(batch.at_end || batch.next != cursor, "a batch that is not the end moves the cursor on");
        messages.extend(batch.messages);
        cursor = batch.next;
        if batch.at_end {
            return (messages, cursor);
        }
    }
}

pub(crate) fn check_batch(batch: &Batch, filter: &Filter, limit: usize) {
    assert!(batch.messages.len() <= limit, "a batch keeps within its limit of {limit}");
    assert_eq!(batch.messages.len(), batch.cursors.len(), "a batch has one cursor per message");
    for Recorded { envelope, .. } in &batch.messages {
        assert_eq!(envelope.kind, filter.kind, "a batch holds only the kind asked for");
        assert!(filter.names.contains(&envelope.name), "a batch holds only the names asked for");
    }
}

pub(crate) fn ids<'a>(messages: impl IntoIterator<Item = &'a Recorded>) -> Vec<MessageId> {
    messages.into_iter().map(|message| message.envelope.id).collect()
}

pub(crate) fn ids_of(envelopes: &[Envelope]) -> Vec<MessageId> {
    envelopes.iter().map(|envelope| envelope.id).collect()
}

/// A consumer that is registered and held.
pub(crate) struct Consumer {
    pub(crate) filter: Filter,
    pub(crate) lease: Lease,
    pub(crate) cursor: Cursor,
    pub(crate) holding: Holding,
}

impl Consumer {
    pub(crate) async fn enter(store: &dyn Store, name: &str, reads: &[&str], start: Start) -> Self {
        store.register(&spec(name, reads, start), at(0)).await.expect("a consumer is registered");
        Self::hold(store, name, reads).await
    }

    pub(crate) async fn hold(store: &dyn Store, name: &str, reads: &[&str]) -> Self {
        let holding = hold(store, name).await.expect("a registered consumer can be held");
        let (lease, cursor) = (holding.lease.clone(), holding.cursor.clone());
        Self { filter: filter(reads), lease, cursor, holding }
    }

    pub(crate) fn name(&self) -> &str {
        &self.lease.consumer
    }

    /// Reads the next batch and moves on in memory only.
    pub(crate) async fn take(&mut self, store: &dyn Store, limit: usize) -> Batch {
        loop {
            let batch = store.read_after(&self.cursor, &self.filter, limit).await.expect("a batch is read");
            check_batch(&batch, &self.filter, limit);
            self.cursor = batch.next.clone();
            if batch.at_end || !batch.messages.is_empty() {
                return batch;
            }
        }
    }

    /// The step that moves the stored cursor to where the consumer stands.
    pub(crate) fn advance(&self, handled: Option<Receipt>) -> Op {
        Op::Advance(self.lease.clone(), self.cursor.clone(), handled)
    }

    /// Parks these messages, and moves the stored cursor past them.
    pub(crate) async fn park(&self, store: &dyn Store, parked: Vec<Parked>) {
        run(store, [Op::Park(self.lease.clone(), parked), self.advance(None)])
            .await
            .expect("parking commits");
    }

    pub(crate) async fn settle(&self, store: &dyn Store, message: &Recorded, how: Settled) {
        run(store, [self.settled(message, how)]).await.expect("settling commits");
    }

    pub(crate) fn settled(&self, message: &Recorded, how: Settled) -> Op {
        Op::Settle(self.lease.clone(), message.position, how)
    }

    /// The messages that may run at `now`, by id.
    pub(crate) async fn due(&self, store: &dyn Store, now: Timestamp) -> Vec<MessageId> {
        let due = store.due(self.name(), 0, now, 1_000).await.expect("due messages are told");
        due.iter().map(|parked| parked.message.envelope.id).collect()
    }

    pub(crate) async fn status(&self, store: &dyn Store) -> ConsumerStatus {
        let all = store.consumers().await.expect("consumers are listed");
        all.into_iter().find(|status| *status.name == *self.name()).expect("a registered consumer is listed")
    }

    /// The positions that are parked, with their states.
    pub(crate) async fn parked(&self, store: &dyn Store) -> BTreeMap<Position, ParkedState> {
        let rows = store.parked(Some(self.name()), None, 10_000).await.expect("parked messages are listed");
        rows.into_iter().map(|row| (row.message.position, row.state)).collect()
    }
}

/// A message as it is parked after its first attempt, due at `due`.
pub(crate) fn retrying(message: &Recorded, due: Timestamp) -> Parked {
    Parked {
        position: message.position,
        key: message.envelope.key.clone(),
        state: ParkedState::Retrying,
        attempts: 1,
        due: Some(due),
        error: "the suite let it fail".to_owned(),
        at: at(0),
        releases_key: false,
    }
}

/// A message as it is parked behind another.
pub(crate) fn behind(message: &Recorded) -> Parked {
    Parked {
        state: ParkedState::Behind,
        attempts: 0,
        due: None,
        error: String::new(),
        ..retrying(message, at(0))
    }
}

/// A message as it is parked for good.
pub(crate) fn dead(message: &Recorded, releases_key: bool) -> Parked {
    Parked { state: ParkedState::Dead, due: None, releases_key, ..retrying(message, at(0)) }
}

pub(crate) fn handled(seconds: i64) -> Settled {
    Settled::Handled { at: at(seconds), attempts: 2 }
}

/// The receipt of a whole batch.
pub(crate) fn receipt_of(messages: &[Recorded], seconds: i64) -> Option<Receipt> {
    let (first, last) = (messages.first()?.position, messages.last()?.position);
    let count = u32::try_from(messages.len()).expect("a suite's batch is small");
    Some(Receipt { first, last, count, at: at(seconds) })
}

pub(crate) fn assert_fenced(result: Result<(), StoreError>, what: &str) {
    assert!(
        matches!(result, Err(StoreError::Fenced { .. })),
        "{what} under a void lease answers Fenced, not {result:?}"
    );
}

/// Runs a suite, and fails it when the store hangs: a deadlock that hangs the test run names no promise.
///
/// # Panics
/// If the suite has not ended after some minutes.
pub async fn within_patience(suite: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(3 * PATIENCE, suite).await;
    assert!(ended.is_ok(), "the suite has not ended after {:?}: the store hangs", 3 * PATIENCE);
}

/// Asserts that a suite fails on a store with a planted bug, and that it names the broken promise: `promise` is part
/// of its panic message. Without that a suite that stumbles over something else would pass for one that sees.
///
/// # Panics
/// If the suite passes, or fails for another reason.
pub async fn assert_catches(suite: impl Future<Output = ()> + Send + 'static, promise: &str) {
    assert!(catches(suite, promise).await, "the suite did not catch the planted bug: `{promise}`");
}

/// Like [`assert_catches`], for a bug that shows only when works happen to meet: on a loaded machine one run may pass.
///
/// # Panics
/// If the suite passes in each of ten runs, or fails for another reason.
pub async fn assert_catches_by_chance<F>(suite: impl Fn() -> F, promise: &str)
where
    F: Future<Output = ()> + Send + 'static,
{
    for _ in 0..10 {
        if catches(suite(), promise).await {
            return;
        }
    }
    panic!("the suite did not catch the planted bug: `{promise}`")
}

async fn catches(suite: impl Future<Output = ()> + Send + 'static, promise: &str) -> bool {
    let Err(error) = tokio::spawn(within_patience(suite)).await else { return false };
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(text.contains(promise), "the suite failed for another reason than `{promise}`: {text}");
    true
}
