//! Entering, renaming and giving up consumers.

use std::sync::Arc;

use tidings_core::store::{ConsumerSpec, Start, StoreError};

use crate::factory::StoreFactory;
use crate::script::{Op, run};
use crate::suite::support::*;

const READS: [&str; 1] = ["orders.placed"];

/// `Beginning` is the oldest message the log has, `Now` the first one after the registration.
pub async fn a_consumer_starts_where_it_says(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let empty = Consumer::enter(store.as_ref(), "suite.early", &READS, Start::Now).await;
    let before = events("orders.placed", 3);
    append(store.as_ref(), &before).await;
    let now = Consumer::enter(store.as_ref(), "suite.now", &READS, Start::Now).await;
    let beginning = Consumer::enter(store.as_ref(), "suite.beginning", &READS, Start::Beginning).await;
    let after = events("orders.placed", 3);
    append(store.as_ref(), &after).await;
    let all = [ids_of(&before), ids_of(&after)].concat();
    let store = database.reopen().await;
    for (consumer, expected, what) in [
        (empty, all.clone(), "registered in an empty log"),
        (now, ids_of(&after), "registered now"),
        (beginning, all, "registered at the beginning"),
    ] {
        let holding = hold(store.as_ref(), consumer.name()).await.expect("a consumer is held");
        assert_eq!(holding.cursor, consumer.cursor, "a cursor is as it was, for a consumer {what}");
        let (read, _) = read_to_end(store.as_ref(), &holding.cursor, &consumer.filter, 2).await;
        assert_eq!(ids(&read), expected, "what a consumer sees that is {what}");
    }
}

/// Registering again takes note of the consumer, its reads and its time, and moves no cursor.
pub async fn registering_again_changes_no_cursor(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 3)).await;
    let mut consumer = Consumer::enter(store.as_ref(), "suite.worker", &READS, Start::Beginning).await;
    consumer.take(store.as_ref(), 2).await;
    run(store.as_ref(), [consumer.advance(None)]).await.expect("a cursor moves");
    for start in [Start::Beginning, Start::Now] {
        let spec = spec("suite.worker", &["orders.placed", "orders.paid"], start);
        store.register(&spec, at(77)).await.expect("a consumer registers again");
        let holding = hold(store.as_ref(), "suite.worker").await.expect("a consumer is held");
        assert_eq!(holding.cursor, consumer.cursor, "registering again moves no cursor");
        let status = consumer.status(store.as_ref()).await;
        assert_eq!(status.last_seen, at(77), "the time of the last registration is on record");
        assert_eq!(status.kind, spec.kind);
        let mut reads: Vec<_> = status.reads.iter().map(|name| name.to_string()).collect();
        reads.sort();
        assert_eq!(reads, ["orders.paid", "orders.placed"], "what it reads now is on record");
    }
}

/// A consumer under a new name goes on where its alias stood, with what was parked and what was handled.
pub async fn an_alias_hands_over_everything(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 4)).await;
    let mut old = Consumer::enter(store.as_ref(), "suite.old", &READS, Start::Beginning).await;
    let batch = old.take(store.as_ref(), 3).await.messages;
    let parked = Op::Park(old.lease.clone(), vec![retrying(&batch[2], at(10))]);
    run(store.as_ref(), [parked, old.advance(receipt_of(&batch[..2], 1))]).await.expect("a batch commits");

    let aliases: Vec<Arc<str>> = vec!["suite.never".into(), "suite.old".into()];
    let renamed = ConsumerSpec { aliases, ..spec("suite.new", &READS, Start::Now) };
    for _ in 0..2 {
        store.register(&renamed, at(5)).await.expect("a consumer registers under a new name");
        let new = Consumer::hold(store.as_ref(), "suite.new", &READS).await;
        assert_eq!(new.cursor, old.cursor, "a new name starts where its alias stood");
        assert_eq!(new.due(store.as_ref(), at(10)).await, ids([&batch[2]]), "what was parked comes along");
        let receipt = store.receipt("suite.new", batch[0].position).await.expect("a receipt is looked up");
        assert_eq!(receipt.map(|receipt| receipt.at), Some(at(1)), "what was handled comes along");
        let listed = store.consumers().await.expect("consumers are listed");
        assert!(!listed.iter().any(|status| &*status.name == "suite.old"), "the alias is gone");
    }
    let under_the_old_name = run(store.as_ref(), [old.advance(None)]).await;
    assert!(under_the_old_name.is_err(), "nobody works under an alias that is gone");
}

/// A retired consumer keeps its record with the reason.
pub async fn a_retired_consumer_stays_on_record(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let consumer = Consumer::enter(store.as_ref(), "suite.worker", &READS, Start::Now).await;
    assert_eq!(consumer.status(store.as_ref()).await.retired, None);
    store.retire("suite.worker", "replaced by shipping", at(9)).await.expect("a consumer is retired");
    let store = database.crash().await;
    let retired = consumer.status(store.as_ref()).await.retired.expect("a retired consumer says so");
    assert!(retired.contains("replaced by shipping"), "a retired consumer keeps the reason, not `{retired}`");
}

/// Who was never registered cannot be held; retiring it changes nothing, because applications say so at each start, also
/// on a new database. Nor does retiring it again: the first reason and time stay.
pub async fn an_unknown_consumer_is_not_found(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let held = hold(store.as_ref(), "suite.nobody").await;
    assert!(matches!(held, Err(StoreError::NotFound { .. })), "holding an unknown consumer: {held:?}");
    store.retire("suite.nobody", "never was", at(0)).await.expect("retiring an unknown consumer is no error");
    let listed = store.consumers().await.expect("consumers are listed");
    assert!(listed.is_empty(), "retiring an unknown consumer enters none: {listed:?}");

    let consumer = Consumer::enter(store.as_ref(), "suite.worker", &READS, Start::Now).await;
    store.retire("suite.worker", "the first reason", at(1)).await.expect("a consumer is retired");
    store.retire("suite.worker", "another", at(2)).await.expect("a retired consumer may be retired");
    let retired = consumer.status(store.as_ref()).await.retired;
    assert_eq!(retired.as_deref(), Some("the first reason"), "retiring again changes nothing");
}
