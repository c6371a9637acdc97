//! Consumers over time: retired and back again, renamed, or reading something else.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::envelope::Recorded;
use tidings_core::store::{ConsumerSpec, Receipt, Retention, Settled, Start, Store, StoreError};

use super::support::*;
use crate::factory::StoreFactory;
use crate::script::{Op, run};

const NAME: &str = "suite.worker";
const READS: [&str; 1] = ["orders.placed"];
const BOTH: [&str; 2] = ["orders.placed", "orders.paid"];

async fn receipt(store: &dyn Store, message: &Recorded) -> Option<Receipt> {
    store.receipt(NAME, message.position).await.expect("a receipt is looked up")
}

/// Reads as much as there is, up to `limit`, and writes one receipt for all of it.
async fn handle(store: &dyn Store, consumer: &mut Consumer, limit: usize, seconds: i64) -> Vec<Recorded> {
    let batch = store.read_after(&consumer.cursor, &consumer.filter, limit).await.expect("a batch is read");
    consumer.cursor = batch.cursors.last().cloned().unwrap_or(batch.next);
    run(store, [consumer.advance(receipt_of(&batch.messages, seconds))]).await.expect("a batch commits");
    batch.messages
}

/// A retired consumer that comes back has no effect a second time, wherever it says it starts: neither what it handled
/// before nor what was given up with it. What came after its retirement is its own.
pub async fn a_returning_consumer_repeats_nothing(factory: &dyn StoreFactory) {
    for start in [Start::Beginning, Start::Now] {
        let database = factory.fresh().await;
        let store = database.store();
        append(store.as_ref(), &events("orders.placed", 6)).await;
        let mut first = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
        let handled = handle(store.as_ref(), &mut first, 4, 1).await;
        store.retire(NAME, "replaced", at(2)).await.expect("a consumer is retired");
        let meanwhile = events("orders.placed", 2);
        append(store.as_ref(), &meanwhile).await;
        let back = Consumer::enter(store.as_ref(), NAME, &READS, start).await;
        let later = events("orders.placed", 1);
        append(store.as_ref(), &later).await;
        let (read, _) = read_to_end(store.as_ref(), &back.cursor, &back.filter, 10).await;
        let expected = match start {
            Start::Beginning => [ids_of(&meanwhile), ids_of(&later)].concat(),
            Start::Now => ids_of(&later),
        };
        assert_eq!(ids(&read), expected, "a returning consumer repeats nothing, from {start:?}");
        for message in &handled {
            let kept = receipt(store.as_ref(), message).await.map(|receipt| receipt.at);
            assert_eq!(kept, Some(at(1)), "what was handled in an earlier life keeps its receipt");
        }
    }
}

/// What was given up between two lives is never claimed, also when receipts are merged.
pub async fn receipts_do_not_span_two_lives(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 6)).await;
    let mut first = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let mut handled = handle(store.as_ref(), &mut first, 1, 1).await;
    handled.extend(handle(store.as_ref(), &mut first, 1, 2).await);
    let parked = first.take(store.as_ref(), 1).await.messages;
    first.park(store.as_ref(), vec![dead(&parked[0], false)]).await;
    store.retire(NAME, "replaced", at(3)).await.expect("a consumer is retired");
    append(store.as_ref(), &events("orders.placed", 2)).await;
    let all = everything(store.as_ref(), &READS).await;
    let mut back = Consumer::enter(store.as_ref(), NAME, &READS, Start::Now).await;
    append(store.as_ref(), &events("orders.placed", 2)).await;
    handled.extend(handle(store.as_ref(), &mut back, 1, 4).await);
    handled.extend(handle(store.as_ref(), &mut back, 1, 5).await);
    let retention = Retention { receipts_max: 1, ..Retention::default() };
    store.maintain(&retention, at(10)).await.expect("maintenance runs");
    for message in &handled {
        assert!(receipt(store.as_ref(), message).await.is_some(), "what was handled keeps a receipt");
    }
    for message in &all[2..] {
        assert_eq!(receipt(store.as_ref(), message).await, None, "receipts do not span two lives");
    }
    let (newest, oldest) =
        (receipt(store.as_ref(), &handled[3]).await, receipt(store.as_ref(), &handled[0]).await);
    assert!(oldest.is_some() && newest != oldest, "and no receipt is made of two lives: {oldest:?}");
}

fn renamed(aliases: &[&str]) -> ConsumerSpec {
    let aliases: Vec<Arc<str>> = aliases.iter().map(|alias| Arc::from(*alias)).collect();
    ConsumerSpec { aliases, ..spec(NAME, &READS, Start::Now) }
}

/// What waits under an alias is told when its consumer is on record, too; where nothing waits the alias is retired.
pub async fn an_alias_beside_its_consumer_is_told_or_retired(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut old = Consumer::enter(store.as_ref(), "suite.old", &READS, Start::Now).await;
    Consumer::enter(store.as_ref(), NAME, &READS, Start::Now).await;
    append(store.as_ref(), &events("orders.placed", 2)).await;
    refused_for(
        store.as_ref(),
        &renamed(&["suite.old"]),
        "suite.old",
        "what is unread under an alias is told",
    )
    .await;
    let batch = old.take(store.as_ref(), 2).await.messages;
    old.park(store.as_ref(), vec![retrying(&batch[1], at(10))]).await;
    refused_for(
        store.as_ref(),
        &renamed(&["suite.old"]),
        "suite.old",
        "what is parked under an alias is told",
    )
    .await;
    old.settle(store.as_ref(), &batch[1], handled(11)).await;
    store.register(&renamed(&["suite.old"]), at(12)).await.expect("an alias without work is no obstacle");
    let retired = old.status(store.as_ref()).await.retired;
    assert!(
        retired.is_some_and(|reason| reason.contains(NAME)),
        "an alias without work is retired, with the reason"
    );
}

/// Of two aliases on record the consumer takes over the first; the second is treated as if the consumer had been there.
pub async fn of_two_aliases_the_second_is_told_or_retired(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let first = Consumer::enter(store.as_ref(), "suite.first", &READS, Start::Now).await;
    let mut second = Consumer::enter(store.as_ref(), "suite.second", &READS, Start::Now).await;
    append(store.as_ref(), &events("orders.placed", 2)).await;
    let spec = renamed(&["suite.first", "suite.second"]);
    refused_for(store.as_ref(), &spec, "suite.second", "what waits under a second alias is told").await;
    let names: Vec<_> =
        store.consumers().await.expect("consumers are listed").into_iter().map(|c| c.name).collect();
    assert!(!names.iter().any(|name| **name == *NAME), "a refused consumer is not entered: {names:?}");
    second.take(store.as_ref(), 2).await;
    run(store.as_ref(), [second.advance(None)]).await.expect("a cursor moves");
    store.register(&spec, at(5)).await.expect("a second alias without work is no obstacle");
    let held = hold(store.as_ref(), NAME).await.expect("a consumer is held");
    assert_eq!(held.cursor, first.cursor, "the first alias hands over");
    assert!(second.status(store.as_ref()).await.retired.is_some(), "the second one is retired");
}

async fn refused_for(store: &dyn Store, spec: &ConsumerSpec, of: &str, promise: &str) {
    let refused = store.register(spec, at(5)).await;
    let told =
        matches!(&refused, Err(StoreError::AliasPending { name, alias, .. }) if name == NAME && alias == of);
    assert!(told, "{promise}: {refused:?}");
}

/// A receipt answers for what the consumer read when it was written: a name that it reads no longer keeps its receipts,
/// and one that it reads now gets none for earlier messages.
pub async fn receipts_follow_what_was_read_at_the_time(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mixed = || (0..6).map(|index| event(BOTH[index % 2], &index.to_string())).collect::<Vec<_>>();
    let mut handled: Vec<Recorded> = Vec::new();
    Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    for (round, reads) in [&READS[..], &BOTH[..], &BOTH[1..], &READS[..]].into_iter().enumerate() {
        store
            .register(&spec(NAME, reads, Start::Beginning), at(0))
            .await
            .expect("a consumer registers again");
        // Whoever holds it may not know what it reads now, and has lost it.
        let mut consumer = Consumer::hold(store.as_ref(), NAME, reads).await;
        append(store.as_ref(), &mixed()).await;
        handled
            .extend(handle(store.as_ref(), &mut consumer, 100, i64::try_from(round).expect("small")).await);
    }
    for message in everything(store.as_ref(), &BOTH).await {
        let found = receipt(store.as_ref(), &message).await.is_some();
        let expected = handled.contains(&message);
        assert_eq!(found, expected, "receipts follow what was read at the time: {}", message.position.0);
    }
}

/// A discarded message's row goes when the message is gone and old; what was discarded is never claimed as handled.
pub async fn discarded_messages_are_forgotten_and_never_claimed(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 8)).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let batch = consumer.take(store.as_ref(), 8).await.messages;
    let parked = vec![dead(&batch[0], false), dead(&batch[4], false)];
    let covered = Receipt { count: 6, ..receipt_of(&batch[1..], 1).expect("a batch") };
    run(store.as_ref(), [Op::Park(consumer.lease.clone(), parked), consumer.advance(Some(covered))])
        .await
        .expect("a batch commits");
    for message in [&batch[0], &batch[4]] {
        let discard = Settled::Discarded { at: at(2), reason: "by the suite".to_owned() };
        consumer.settle(store.as_ref(), message, discard).await;
    }
    let by_age = Retention { age_max: Duration::from_secs(100), ..Retention::default() };
    for _ in 0..2 {
        store.maintain(&by_age, at(1_000)).await.expect("maintenance runs");
    }
    for message in [&batch[0], &batch[4]] {
        assert_eq!(receipt(store.as_ref(), message).await, None, "what was discarded is never claimed");
    }
    assert!(receipt(store.as_ref(), &batch[1]).await.is_some(), "what was handled keeps its receipt");
}
