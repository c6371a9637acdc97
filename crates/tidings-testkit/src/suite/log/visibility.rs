//! An event is published if and only if the transaction it was published in commits (promise 1).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{Limits, Start, Store, StoreError};
use tokio::task::JoinSet;

use crate::factory::StoreFactory;
use crate::script::{Gate, Op, Script, run};
use crate::suite::support::*;

/// While a transaction is open, nobody sees what it appended; when it has committed, everybody does.
pub async fn only_what_is_committed_is_visible(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let message = event("orders.placed", "1");
    let mut consumer = Consumer::enter(store.as_ref(), "suite.reader", &["orders.placed"], Start::Now).await;

    let gate = Gate::new();
    let script = [Op::Append(vec![message.clone()]), Op::Gate(gate.clone())];
    let writing = tokio::spawn({
        let store = store.clone();
        async move { run(store.as_ref(), script).await }
    });
    gate.reached().await;
    let batch = consumer.take(store.as_ref(), 10).await;
    assert!(batch.messages.is_empty(), "an uncommitted message is visible to nobody");
    assert_eq!(store.message(message.id).await.expect("a message is looked up"), None);

    gate.open();
    writing.await.expect("the writer ends").expect("the append commits");
    let batch = consumer.take(store.as_ref(), 10).await;
    assert_eq!(ids(&batch.messages), [message.id], "a committed message is visible");
}

/// A work that ends with an error or a panic has published nothing.
pub async fn failed_work_leaves_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let endings = [(Op::Fail, "an error"), (Op::Panic("planned by the suite"), "a panic")];
    for (ending, what) in endings {
        let result = run(store.as_ref(), [Op::Append(events("orders.placed", 3)), ending]).await;
        match what {
            "a panic" => assert!(
                matches!(&result, Err(StoreError::Panicked { work, message })
                    if work == "suite script" && message.contains("planned by the suite")),
                "a panic is told with the work's name and its message, not as {result:?}"
            ),
            _ => assert!(
                matches!(result, Err(StoreError::Undone)),
                "a work's own error comes back as it is, not as {result:?}"
            ),
        }
        let left = everything(store.as_ref(), &["orders.placed"]).await;
        assert!(left.is_empty(), "a work that ended with {what} leaves nothing");
    }
    append(store.as_ref(), &events("orders.placed", 1)).await;
}

/// Whoever drops the future of a transaction that has not reached its commit has published nothing.
pub async fn dropped_work_leaves_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let gate = Gate::new();
    let script = vec![Op::Append(events("orders.placed", 3)), Op::Gate(gate.clone())];
    let writing = tokio::spawn({
        let store = store.clone();
        async move { run(store.as_ref(), script).await }
    });
    gate.reached().await;
    writing.abort();
    assert!(writing.await.is_err_and(|error| error.is_cancelled()), "the writer was dropped");
    gate.open();

    let next = event("orders.placed", "next");
    append(store.as_ref(), std::slice::from_ref(&next)).await;
    let left = everything(store.as_ref(), &["orders.placed"]).await;
    assert_eq!(ids(&left), [next.id], "a dropped work leaves nothing, and the next one goes on");
}

/// What is undone inside a transaction is not published, whatever happens to the rest.
pub async fn undone_steps_leave_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|key| event("orders.placed", key));
    let one = |message: &_| Op::Append(vec![Clone::clone(message)]);
    run(
        store.as_ref(),
        [one(&a), Op::Undo, one(&b), Op::Undone(vec![one(&c)]), Op::Kept(vec![one(&d)]), one(&e)],
    )
    .await
    .expect("the script commits");
    let left = everything(store.as_ref(), &["orders.placed"]).await;
    assert_eq!(ids(&left), [b.id, d.id, e.id], "exactly what was not undone is published");
}

/// `transact` answers when the commit is durable: after a crash every acknowledged message is there, once, and no
/// other than those that were tried.
pub async fn what_is_acknowledged_survives_a_crash(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move { write_some(store, &format!("{writer}"), 25).await });
    }
    let mut acknowledged = BTreeSet::new();
    while let Some(written) = writers.join_next().await {
        acknowledged.extend(written.expect("a writer ends"));
    }
    let store = database.crash().await;
    let found: Vec<_> = ids(&everything(store.as_ref(), &["orders.placed"]).await);
    let unique: BTreeSet<_> = found.iter().copied().collect();
    assert_eq!(unique.len(), found.len(), "no message is in the log twice");
    let lost: Vec<_> = acknowledged.difference(&unique).collect();
    assert!(lost.is_empty(), "what is acknowledged survives a crash; lost: {lost:?}");
    assert_eq!(unique, acknowledged, "nothing is in the log that was not acknowledged");
}

async fn write_some(store: Arc<dyn Store>, key: &str, count: usize) -> Vec<MessageId> {
    let mut acknowledged = Vec::new();
    for _ in 0..count {
        let message = event("orders.placed", key);
        let script = Script::named("writer", [Op::Append(vec![message.clone()])]);
        match store.transact(Arc::new(script), Limits::default()).await {
            Ok(()) => acknowledged.push(message.id),
            Err(error) => panic!("an append without a fault commits: {error}"),
        }
    }
    acknowledged
}

/// After `close` every call answers [`StoreError::Closed`].
pub async fn a_closed_store_says_so(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let consumer = Consumer::enter(store.as_ref(), "suite.reader", &["orders.placed"], Start::Now).await;
    append(store.as_ref(), &events("orders.placed", 2)).await;
    store.close().await.expect("a store closes");

    let appended = run(store.as_ref(), [Op::Append(events("orders.placed", 1))]).await;
    assert!(matches!(appended, Err(StoreError::Closed)), "transact on a closed store: {appended:?}");
    let held = hold(store.as_ref(), "suite.reader").await;
    assert!(matches!(held, Err(StoreError::Closed)), "hold on a closed store: {held:?}");
    let read = store.read_after(&consumer.cursor, &consumer.filter, 10).await;
    assert!(matches!(read, Err(StoreError::Closed)), "read_after on a closed store: {read:?}");
    let listed = store.consumers().await;
    assert!(matches!(listed, Err(StoreError::Closed)), "consumers on a closed store: {listed:?}");

    let store = database.reopen().await;
    assert_eq!(everything(store.as_ref(), &["orders.placed"]).await.len(), 2);
}

/// A work that runs when the store is closed finishes, and is there afterwards.
pub async fn closing_lets_running_work_finish(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let message = event("orders.placed", "1");
    let gate = Gate::new();
    let ops = [Op::Append(vec![message.clone()]), Op::Gate(gate.clone())];
    let writing = tokio::spawn({
        let store = store.clone();
        async move { run(store.as_ref(), ops).await }
    });
    gate.reached().await;
    let mut closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    // Gives a store that does not wait for its works the chance to be caught.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut closing).await;
    assert!(early.is_err(), "closing waits for running work, and does not end with {early:?}");
    gate.open();
    writing.await.expect("the writer ends").expect("a work that runs when the store is closed finishes");
    let closed = tokio::time::timeout(PATIENCE, closing).await.expect("closing comes to its end");
    closed.expect("the closer ends").expect("a store closes");
    let store = database.reopen().await;
    assert_eq!(ids(&everything(store.as_ref(), &["orders.placed"]).await), [message.id]);
}
