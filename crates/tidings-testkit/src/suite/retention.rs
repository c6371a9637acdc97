//! How long things are kept, and what is never deleted.

use std::time::Duration;

use tidings_core::envelope::{Envelope, Recorded};
use tidings_core::store::{
    Maintenance, OutcomeRecord, OutcomeStatus, Receipt, Retention, Settled, Start, Store, StoreError,
};

use super::support::*;
use crate::factory::StoreFactory;
use crate::script::{Op, run, run_as_consumer};

const NAME: &str = "suite.worker";
const READS: [&str; 1] = ["orders.placed"];
/// When the suites maintain: long after everything was published.
const LATE: i64 = 10_000;

fn by_age() -> Retention {
    Retention { age_max: Duration::from_secs(1_000), ..Retention::default() }
}

async fn maintain(store: &dyn Store, retention: &Retention) -> Maintenance {
    store.maintain(retention, at(LATE)).await.expect("maintenance runs")
}

async fn left(store: &dyn Store) -> u64 {
    store.counts().await.expect("messages are counted").iter().map(|count| count.count).sum()
}

/// Ten old messages and five young ones.
async fn old_and_young(store: &dyn Store) -> Vec<Envelope> {
    let mut messages = events("orders.placed", 15);
    for young in &mut messages[10..] {
        young.time = at(LATE - 10);
    }
    append(store, &messages).await;
    messages
}

async fn read_all(store: &dyn Store, consumer: &mut Consumer) -> Vec<Recorded> {
    let (read, cursor) = read_to_end(store, &consumer.cursor, &consumer.filter, 100).await;
    consumer.cursor = cursor;
    read
}

/// What is older than the bound goes when every consumer has passed it; what is younger stays.
pub async fn old_messages_go_when_everyone_has_passed(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let messages = old_and_young(store.as_ref()).await;
    read_all(store.as_ref(), &mut consumer).await;
    run(store.as_ref(), [consumer.advance(None)]).await.expect("a cursor moves");
    let done = maintain(store.as_ref(), &by_age()).await;
    assert_eq!((done.messages_deleted, done.messages), (10, 5), "old messages go: {done:?}");
    let read = everything(store.as_ref(), &READS).await;
    assert_eq!(ids(&read), ids_of(&messages[10..]), "young messages stay");
    let again = maintain(store.as_ref(), &by_age()).await;
    assert_eq!(again.messages_deleted, 0, "a second round finds nothing: {again:?}");
}

/// A message that a registered consumer has not passed stays, however old, and the holder is named.
pub async fn retention_never_passes_a_cursor(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let mut slow = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let mut fast = Consumer::enter(store.as_ref(), "suite.fast", &READS, Start::Beginning).await;
    let messages = events("orders.placed", 12);
    append(store.as_ref(), &messages).await;
    read_all(store.as_ref(), &mut fast).await;
    let batch = store.read_after(&slow.cursor, &slow.filter, 4).await.expect("a batch is read");
    slow.cursor = batch.cursors[batch.cursors.len() - 1].clone();
    let passed = batch.messages.len();
    run(store.as_ref(), [slow.advance(None), fast.advance(None)]).await.expect("cursors move");

    let tight = Retention { messages_max: 1, ..by_age() };
    let done = maintain(store.as_ref(), &tight).await;
    let by = done.held_by.clone().unwrap_or_default();
    assert!(by.contains(NAME), "what holds the log is named: {done:?}");
    let store = database.reopen().await;
    let mut slow = Consumer::hold(store.as_ref(), NAME, &READS).await;
    let rest = read_all(store.as_ref(), &mut slow).await;
    assert_eq!(ids(&rest), ids_of(&messages[passed..]), "retention never passes a cursor");
    assert!(left(store.as_ref()).await <= 12 - passed as u64, "what everyone has passed goes");
}

/// A parked or dead message stays until it is settled, however old.
pub async fn retention_never_passes_parked_or_dead_messages(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let same_key: Vec<_> = (0..10).map(|index| event("orders.placed", ["a", "b"][index % 2])).collect();
    append(store.as_ref(), &same_key).await;
    let read = read_all(store.as_ref(), &mut consumer).await;
    let parked = vec![retrying(&read[2], at(10)), behind(&read[4]), dead(&read[7], true)];
    consumer.park(store.as_ref(), parked).await;
    let tight = Retention { messages_max: 1, ..by_age() };
    maintain(store.as_ref(), &tight).await;
    let rows = store.parked(Some(NAME), None, 10).await.expect("parked messages are listed");
    let kept: Vec<_> = rows.iter().map(|row| row.message.clone()).collect();
    assert_eq!(kept, [&read[2], &read[4], &read[7]].map(Clone::clone), "parked and dead messages stay");
    assert_eq!(consumer.due(store.as_ref(), at(10)).await, ids([&read[2], &read[4]]), "and may run");

    for (message, how) in [
        (&read[2], handled(20)),
        (&read[4], handled(21)),
        (&read[7], Settled::Discarded { at: at(22), reason: "by the suite".to_owned() }),
    ] {
        consumer.settle(store.as_ref(), message, how).await;
    }
    maintain(store.as_ref(), &tight).await;
    assert!(left(store.as_ref()).await <= 1, "settled messages go");
}

/// A consumer that was given up holds nothing back.
pub async fn a_retired_consumer_holds_nothing_back(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    old_and_young(store.as_ref()).await;
    let batch = consumer.take(store.as_ref(), 3).await;
    run(store.as_ref(), [Op::Park(consumer.lease.clone(), vec![retrying(&batch.messages[0], at(1))])])
        .await
        .expect("parking commits");
    let held = maintain(store.as_ref(), &by_age()).await;
    assert_eq!(held.messages_deleted, 0, "a consumer at the beginning holds everything: {held:?}");
    store.retire(NAME, "gone", at(LATE)).await.expect("a consumer is retired");
    let done = maintain(store.as_ref(), &by_age()).await;
    assert_eq!(done.messages, 5, "a retired consumer holds nothing back: {done:?}");
}

/// Above the bound on their number the oldest messages go, however young.
pub async fn the_number_of_messages_is_bounded(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let messages = events("orders.placed", 30);
    append(store.as_ref(), &messages).await;
    let retention =
        Retention { age_max: Duration::from_secs(1_000_000), messages_max: 7, ..Retention::default() };
    let done = maintain(store.as_ref(), &retention).await;
    assert_eq!((done.messages_deleted, done.messages), (23, 7), "the oldest go: {done:?}");
    assert_eq!(ids(&everything(store.as_ref(), &READS).await), ids_of(&messages[23..]), "the newest stay");
}

/// A position is never used twice, also when everything before it was deleted and the store opened again.
pub async fn positions_are_never_used_again(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let mut used = Vec::new();
    for round in 0..4 {
        let store = database.store();
        append(store.as_ref(), &events("orders.placed", 5)).await;
        for message in everything(store.as_ref(), &READS).await {
            if !used.contains(&message) {
                let twice = used.iter().any(|other: &Recorded| other.position == message.position);
                assert!(!twice, "a position is never used twice, round {round}");
                used.push(message);
            }
        }
        maintain(store.as_ref(), &by_age()).await;
        if round % 2 == 0 {
            database.reopen().await
        } else {
            database.crash().await
        };
    }
    assert_eq!(used.len(), 20);
}

/// At the hard limit publishing is refused, with the holder's name; consumers go on, and when they have moved
/// publishing does, too.
pub async fn at_the_hard_limit_publishing_is_refused(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    append(store.as_ref(), &events("orders.placed", 12)).await;
    let retention = Retention { messages_max: 5, messages_hard_max: 10, ..by_age() };
    let done = maintain(store.as_ref(), &retention).await;
    assert!(done.held_by.as_ref().is_some_and(|by| by.contains(NAME)), "the holder is named: {done:?}");
    let refused = run(store.as_ref(), [Op::Append(events("orders.placed", 1))]).await;
    assert!(
        matches!(&refused, Err(StoreError::LogFull { limit: 10, holder, .. }) if holder.contains(NAME)),
        "at the hard limit publishing is refused: {refused:?}"
    );
    // A consumer that publishes must come through, or the log could never shrink.
    let batch = store.read_after(&consumer.cursor, &consumer.filter, 3).await.expect("a batch is read");
    consumer.cursor = batch.cursors.last().cloned().expect("the log has messages");
    let publishing = [Op::Append(events("orders.paid", 1)), consumer.advance(None)];
    run_as_consumer(store.as_ref(), publishing)
        .await
        .expect("a consumer that publishes goes on at the hard limit");
    read_all(store.as_ref(), &mut consumer).await;
    run(store.as_ref(), [consumer.advance(None)]).await.expect("consumers go on at the hard limit");
    let done = maintain(store.as_ref(), &retention).await;
    assert!(done.messages <= 5, "the log is shortened: {done:?}");
    append(store.as_ref(), &events("orders.placed", 1)).await;
    let store = database.reopen().await;
    append(store.as_ref(), &events("orders.placed", 1)).await;
}

/// The hard limit holds between two rounds of maintenance too, however fast publishers are.
pub async fn the_hard_limit_holds_between_two_rounds(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let retention = Retention { messages_hard_max: 10, ..by_age() };
    maintain(store.as_ref(), &retention).await;
    // What is rolled back takes no room.
    let undone = run(store.as_ref(), [Op::Append(events("orders.placed", 9)), Op::Fail]).await;
    assert!(undone.is_err());
    let mut accepted = 0;
    for _ in 0..30 {
        accepted += u32::from(run(store.as_ref(), [Op::Append(events("orders.placed", 1))]).await.is_ok());
    }
    assert_eq!(accepted, 10, "publishing is refused at the hard limit, without maintenance");
    read_all(store.as_ref(), &mut consumer).await;
    run(store.as_ref(), [consumer.advance(None)]).await.expect("a cursor moves");
    maintain(store.as_ref(), &retention).await;
    append(store.as_ref(), &events("orders.placed", 1)).await;
}

/// Outcomes go when they have expired, and not before.
pub async fn expired_outcomes_go(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let outcome = |expires| OutcomeRecord {
        id: tidings_core::ids::MessageId::new(),
        command: "orders.place".into(),
        correlation_id: tidings_core::ids::MessageId::new(),
        causation_id: None,
        idempotency: None,
        status: OutcomeStatus::Completed,
        body: "{}".to_owned(),
        at: at(0),
        expires: at(expires),
        unhandled: false,
    };
    let (expired, alive) = (outcome(LATE - 1), outcome(LATE + 1));
    run(store.as_ref(), [Op::Outcome(expired.clone()), Op::Outcome(alive.clone())])
        .await
        .expect("outcomes are stored");
    let done = maintain(store.as_ref(), &Retention::default()).await;
    assert_eq!(done.outcomes_deleted, 1, "expired outcomes go: {done:?}");
    assert_eq!(store.outcome_of(expired.id).await.expect("an outcome is looked up"), None);
    assert_eq!(
        store.outcome_of(alive.id).await.expect("an outcome is looked up"),
        Some(alive),
        "others stay"
    );
}

/// Receipts are merged above their bound, and cover exactly what they covered before.
pub async fn receipts_are_bounded_and_stay_exact(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let names = ["orders.placed", "orders.paid"];
    let messages: Vec<_> =
        (0..120).map(|index| event(names[usize::from(index % 5 == 0)], &index.to_string())).collect();
    append(store.as_ref(), &messages).await;
    let foreign = everything(store.as_ref(), &["orders.paid"]).await;
    let (mut handled_ones, mut parked_ones) = (Vec::new(), Vec::new());
    for round in 0..30 {
        let batch = store.read_after(&consumer.cursor, &consumer.filter, 3).await.expect("a batch is read");
        let Some(last) = batch.cursors.last() else { break };
        consumer.cursor = last.clone();
        let (done, failed) = batch.messages.split_at(batch.messages.len() - usize::from(round % 3 == 0));
        let parked = failed.iter().map(|message| retrying(message, at(10))).collect();
        // The range spans the whole batch; what was parked from it is told by its being parked.
        let receipt = receipt_of(&batch.messages, round)
            .map(|receipt| Receipt { count: u32::try_from(done.len()).expect("small"), ..receipt });
        run(store.as_ref(), [Op::Park(consumer.lease.clone(), parked), consumer.advance(receipt)])
            .await
            .expect("a batch commits");
        handled_ones.extend_from_slice(done);
        parked_ones.extend_from_slice(failed);
    }
    let dead = Settled::Dead { attempts: 6, error: "used up".to_owned(), releases_key: false };
    consumer.settle(store.as_ref(), &parked_ones[0], dead).await;
    let discarded = Settled::Discarded { at: at(50), reason: "by the suite".to_owned() };
    consumer.settle(store.as_ref(), &parked_ones[0], discarded).await;
    let before = consumer.status(store.as_ref()).await.handled;
    assert_eq!(before, handled_ones.len() as u64);

    let retention = Retention { receipts_max: 5, ..Retention::default() };
    let done = store.maintain(&retention, at(60)).await.expect("maintenance runs");
    assert!(done.receipts_merged >= 20, "receipts are merged: {done:?}");
    assert_eq!(consumer.status(store.as_ref()).await.handled, before, "the count of handled messages stays");
    let receipt = async |message: &Recorded| {
        store.receipt(NAME, message.position).await.expect("a receipt is looked up")
    };
    for message in &handled_ones {
        assert!(receipt(message).await.is_some(), "what was handled keeps a receipt");
    }
    for message in parked_ones.iter().chain(&foreign) {
        assert_eq!(receipt(message).await, None, "merging covers nothing new");
    }
}
