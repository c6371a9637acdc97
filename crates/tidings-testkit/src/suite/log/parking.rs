//! Parked messages: a failed one waits, its key's later ones wait behind it, other keys go on.

use tidings_core::envelope::{Envelope, Recorded};
use tidings_core::key::Key;
use tidings_core::store::{ParkedState, Settled, Start, Store, StoreError};

use crate::factory::StoreFactory;
use crate::script::{Op, run};
use crate::suite::support::*;

const NAME: &str = "suite.worker";
const READS: [&str; 1] = ["orders.placed"];

/// A consumer that has read these messages.
async fn reads(store: &dyn Store, messages: &[Envelope]) -> (Consumer, Vec<Recorded>) {
    append(store, messages).await;
    let mut consumer = Consumer::enter(store, NAME, &READS, Start::Beginning).await;
    let mut read = Vec::new();
    loop {
        let batch = consumer.take(store, 100).await;
        read.extend(batch.messages);
        if batch.at_end {
            return (consumer, read);
        }
    }
}

fn of_keys(keys: &[&str]) -> Vec<Envelope> {
    keys.iter().map(|key| event("orders.placed", key)).collect()
}

fn retry(seconds: i64, attempts: u32) -> Settled {
    Settled::Retry { due: at(seconds), attempts, error: "again".to_owned() }
}

fn died(releases_key: bool) -> Settled {
    Settled::Dead { attempts: 6, error: "used up".to_owned(), releases_key }
}

fn discarded() -> Settled {
    Settled::Discarded { at: at(50), reason: "a test order".to_owned() }
}

/// Nothing of a key runs before its head is due; then the head and what waits behind it run in order.
pub async fn a_parked_head_holds_its_key(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "b", "a", "a"])).await;
    consumer.park(store.as_ref(), vec![retrying(&read[0], at(10)), behind(&read[2])]).await;
    consumer.park(store.as_ref(), vec![behind(&read[3])]).await;

    for store in [store, database.crash().await] {
        let early = consumer.due(store.as_ref(), at(9)).await;
        assert!(early.is_empty(), "nothing of a key runs before its head is due");
        let due = consumer.due(store.as_ref(), at(10)).await;
        assert_eq!(
            due,
            ids([&read[0], &read[2], &read[3]]),
            "head first, then what waits behind it, in order"
        );
        let status = consumer.status(store.as_ref()).await;
        assert_eq!((status.retrying, status.behind, status.dead), (1, 2, 0), "retrying, behind, dead");
    }
}

/// When the head is handled the next one is the head, due at once; the last one frees the key.
pub async fn a_settled_head_lets_the_next_one_run(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "a", "a"])).await;
    let parked = vec![retrying(&read[0], at(10)), behind(&read[1]), behind(&read[2])];
    consumer.park(store.as_ref(), parked).await;
    for settled in 0..3 {
        let due = consumer.due(store.as_ref(), at(11)).await;
        assert_eq!(due, ids(&read[settled..]), "after {settled} settled, the next is the head, due at once");
        let holder = Consumer::hold(store.as_ref(), NAME, &READS).await;
        let left = read.len() - settled;
        let keys = [(Key::new("order", "a"), left)];
        assert_eq!(holder.holding.parked.keys, keys, "the key is held by what is left");
        holder.settle(store.as_ref(), &read[settled], handled(11)).await;
    }
    assert!(consumer.due(store.as_ref(), at(1_000)).await.is_empty(), "nothing is left");
    let holding = hold(store.as_ref(), NAME).await.expect("a consumer is held");
    assert!(holding.parked.keys.is_empty(), "a key without parked messages is free");
    assert_eq!(holding.parked.next_due, None, "nothing is due any more");
}

/// A head that failed again waits for its new time, with its attempts and its error on record.
pub async fn a_retry_waits_for_its_time(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "a"])).await;
    consumer.park(store.as_ref(), vec![retrying(&read[0], at(10)), behind(&read[1])]).await;
    consumer.settle(store.as_ref(), &read[0], retry(70, 2)).await;
    assert!(consumer.due(store.as_ref(), at(69)).await.is_empty(), "a retry waits for its time");
    assert_eq!(consumer.due(store.as_ref(), at(70)).await, ids(&read), "a retry runs when it is due");
    let due = store.due(NAME, 0, at(70), 1).await.expect("due messages are told");
    assert_eq!(due[0].attempts, 2, "attempts are on record");
    let rows =
        store.parked(Some(NAME), Some(ParkedState::Retrying), 10).await.expect("parked rows are listed");
    assert_eq!(rows.len(), 1, "one message is retrying");
    assert_eq!((rows[0].attempts, rows[0].due, rows[0].error.as_str()), (2, Some(at(70)), "again"));
    assert_eq!(rows[0].message, read[0], "a parked row carries its message");
    assert_eq!(rows[0].key, read[0].envelope.key, "a parked row names its key");
}

/// Behind a dead head the key waits; when a person discards it, the next one runs at once.
pub async fn a_dead_head_holds_its_key_until_a_person_acts(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "a", "b"])).await;
    let parked = vec![retrying(&read[0], at(10)), behind(&read[1]), dead(&read[2], false)];
    consumer.park(store.as_ref(), parked).await;
    consumer.settle(store.as_ref(), &read[0], died(false)).await;
    assert!(consumer.due(store.as_ref(), at(100_000)).await.is_empty(), "behind a dead head the key waits");
    let status = consumer.status(store.as_ref()).await;
    assert_eq!((status.retrying, status.behind, status.dead), (0, 1, 2), "retrying, behind, dead");
    let rows = store.parked(Some(NAME), Some(ParkedState::Dead), 10).await.expect("dead letters are listed");
    assert_eq!(
        rows.iter().map(|row| row.message.position).collect::<Vec<_>>(),
        [read[0].position, read[2].position]
    );
    assert_eq!((rows[0].attempts, rows[0].error.as_str()), (6, "used up"), "a dead letter keeps its error");

    consumer.settle(store.as_ref(), &read[0], discarded()).await;
    assert_eq!(
        consumer.due(store.as_ref(), at(50)).await,
        ids([&read[1]]),
        "after a discard the next one runs"
    );
    let parked = consumer.parked(store.as_ref()).await;
    assert!(!parked.contains_key(&read[0].position), "a discarded message is parked no more");
}

/// Only a dead letter is a person's to give up, and not without a reason: what is retrying or behind may still be
/// handled. Given up, it is listed for who asks.
pub async fn only_dead_letters_are_discarded(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "a", "b"])).await;
    consumer
        .park(store.as_ref(), vec![retrying(&read[0], at(10)), behind(&read[1]), dead(&read[2], false)])
        .await;
    for message in &read[..2] {
        let refused = run(store.as_ref(), [consumer.settled(message, discarded())]).await;
        assert!(matches!(refused, Err(StoreError::NotFound { .. })), "not to be discarded: {refused:?}");
    }
    let due = consumer.due(store.as_ref(), at(10)).await;
    assert_eq!(due, ids(&read[..2]), "what was not discarded runs as before");
    consumer.settle(store.as_ref(), &read[2], discarded()).await;
    let of_state = async |state| {
        let rows = store.parked(Some(NAME), state, 10).await.expect("parked messages are listed");
        rows.into_iter().map(|row| row.message.position).collect::<Vec<_>>()
    };
    assert_eq!(of_state(None).await, [read[0].position, read[1].position], "discarded is not parked");
    assert_eq!(
        of_state(Some(ParkedState::Discarded)).await,
        [read[2].position],
        "discarded is listed when asked for"
    );
}

/// With `releases_key` a dead letter stays listed, and its key goes on; so does a message that is parked dead at once.
pub async fn a_dead_head_may_release_its_key(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "a", "b", "a"])).await;
    let parked = vec![retrying(&read[0], at(10)), behind(&read[1]), dead(&read[2], true), behind(&read[3])];
    consumer.park(store.as_ref(), parked).await;
    consumer.settle(store.as_ref(), &read[0], died(true)).await;
    let due = consumer.due(store.as_ref(), at(10)).await;
    assert_eq!(due, ids([&read[1], &read[3]]), "the next of a released key runs at once");
    let status = consumer.status(store.as_ref()).await;
    assert_eq!((status.behind, status.dead), (1, 2), "behind, dead");
    let holding = Consumer::hold(store.as_ref(), NAME, &READS).await;
    assert_eq!(
        holding.holding.parked.keys,
        [(Key::new("order", "a"), 2)],
        "a released dead letter holds no key"
    );

    for message in [&read[1], &read[3]] {
        holding.settle(store.as_ref(), message, handled(11)).await;
    }
    let holding = Consumer::hold(store.as_ref(), NAME, &READS).await;
    assert!(holding.holding.parked.keys.is_empty(), "dead letters that released their keys hold none");
    assert_eq!(holding.status(store.as_ref()).await.dead, 2, "they stay listed");
}

/// A dead letter that a person revives is due when they say, with its attempts counted from the start.
pub async fn a_revived_message_starts_again(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "a"])).await;
    consumer.park(store.as_ref(), vec![dead(&read[0], false), behind(&read[1])]).await;
    consumer.settle(store.as_ref(), &read[0], Settled::Revive { due: at(100) }).await;
    assert!(consumer.due(store.as_ref(), at(99)).await.is_empty(), "a revived message waits for its time");
    assert_eq!(
        consumer.due(store.as_ref(), at(100)).await,
        ids(&read),
        "a revived head brings its key along"
    );
    let due = store.due(NAME, 0, at(100), 1).await.expect("due messages are told");
    assert_eq!(due[0].attempts, 0, "a revived message starts from its first attempt");
    assert_eq!(consumer.status(store.as_ref()).await.dead, 0, "a revived message is no dead letter");
}

/// Messages without a key are parked each for itself.
pub async fn messages_without_a_key_wait_for_nobody(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let messages = [keyless("orders.placed"), keyless("orders.placed"), keyless("orders.placed")];
    let (consumer, read) = reads(store.as_ref(), &messages).await;
    let parked = vec![retrying(&read[0], at(30)), retrying(&read[1], at(10)), dead(&read[2], false)];
    consumer.park(store.as_ref(), parked).await;
    assert_eq!(consumer.due(store.as_ref(), at(10)).await, ids([&read[1]]), "each waits for its own time");
    consumer.settle(store.as_ref(), &read[1], handled(11)).await;
    assert!(consumer.due(store.as_ref(), at(29)).await.is_empty(), "settling one moves no other");
    assert_eq!(consumer.due(store.as_ref(), at(30)).await, ids([&read[0]]));
    let holding = hold(store.as_ref(), NAME).await.expect("a consumer is held");
    assert!(holding.parked.keys.is_empty(), "messages without a key hold no key");
}

/// Equal values of different kinds are different keys, and so are keys that a careless join would mix up.
pub async fn keys_of_different_kinds_do_not_mix(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let keys = [
        ("order", "7"),
        ("customer", "7"),
        ("order", "7 "),
        ("Order", "7"),
        ("order", "é"),
        ("order", "e\u{301}"),
    ];
    let of = |(kind, value): &(&str, &str)| Envelope {
        key: Some(Key::new(kind, value)),
        ..keyless("orders.placed")
    };
    let messages: Vec<_> = keys.iter().chain(&keys).map(of).collect();
    let (consumer, read) = reads(store.as_ref(), &messages).await;
    let mut parked: Vec<_> = read[..keys.len()].iter().map(|head| retrying(head, at(10))).collect();
    parked.extend(read[keys.len()..].iter().map(behind));
    consumer.park(store.as_ref(), parked).await;
    for (key, head) in read[..keys.len()].iter().enumerate() {
        consumer.settle(store.as_ref(), head, died(false)).await;
        let due = consumer.due(store.as_ref(), at(10)).await;
        assert_eq!(due.len(), 2 * (keys.len() - key - 1), "a key holds only its own messages");
    }
}

/// What is parked or settled in a transaction that fails is as it was before.
pub async fn parking_commits_or_vanishes_with_its_work(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&["a", "a", "b"])).await;
    let park = Op::Park(consumer.lease.clone(), vec![retrying(&read[0], at(10)), behind(&read[1])]);
    let failed = run(store.as_ref(), [park.clone(), Op::Fail]).await;
    assert!(failed.is_err());
    assert!(consumer.parked(store.as_ref()).await.is_empty(), "a failed work parks nothing");
    run(store.as_ref(), [park]).await.expect("parking commits");

    let settles = [handled(11), retry(500, 2), died(false), died(true), discarded()];
    for how in settles {
        let text = format!("{how:?}");
        let failed = run(store.as_ref(), [consumer.settled(&read[0], how), Op::Fail]).await;
        assert!(failed.is_err());
        let due = consumer.due(store.as_ref(), at(10)).await;
        assert_eq!(due, ids(&read[..2]), "a failed work settles nothing: {text}");
    }
    let undone = Op::Undone(vec![consumer.settled(&read[0], handled(11))]);
    run(store.as_ref(), [undone, consumer.settled(&read[0], retry(20, 2))])
        .await
        .expect("the script commits");
    assert_eq!(consumer.due(store.as_ref(), at(20)).await, ids(&read[..2]), "what is undone settles nothing");
}

/// Heads come by due time; a key's messages stay in order, and never without the head before them; a limit is kept.
pub async fn due_messages_come_in_order_and_within_the_limit(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let keys: Vec<_> = (0..30).map(|index| ["a", "b", "c", "d", "e", "f"][index % 6]).collect();
    let (consumer, read) = reads(store.as_ref(), &of_keys(&keys)).await;
    let mut parked: Vec<_> = (0..6_i64).map(|key| retrying(&read[key as usize], at(60 - 10 * key))).collect();
    parked.extend(read[6..].iter().map(behind));
    consumer.park(store.as_ref(), parked).await;
    let other = Consumer::enter(store.as_ref(), "suite.other", &READS, Start::Beginning).await;
    assert!(
        other.due(store.as_ref(), at(1_000)).await.is_empty(),
        "what one consumer parks, another does not see"
    );

    for limit in [1, 2, 4, 5, 6, 11, 29, 30, 100] {
        let due = store.due(NAME, 0, at(40), limit).await.expect("due messages are told");
        // Due at 40 s: keys c (40), d (30), e (20), f (10), each with five messages.
        assert_eq!(due.len(), limit.min(20), "as many as are due, at most {limit}");
        for key in ["a", "b", "c", "d", "e", "f"].map(|key| Key::new("order", key)) {
            let of_key = |message: &&Recorded| message.envelope.key.as_ref() == Some(&key);
            let told = ids(due.iter().map(|parked| &parked.message).filter(of_key));
            let chain = ids(read.iter().filter(of_key));
            assert_eq!(
                told,
                chain[..told.len()],
                "a key's messages come in order from its head on, limit {limit}"
            );
        }
        let first = due.first().map(|parked| parked.message.envelope.id);
        assert_eq!(first, Some(read[5].envelope.id), "the head that is due first comes first, limit {limit}");
    }
}
