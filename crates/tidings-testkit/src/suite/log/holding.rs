//! What a new holder finds: how the last one ended, what it had begun, what is parked.

use tidings_core::key::Key;
use tidings_core::store::{Begun, Start};

use crate::factory::StoreFactory;
use crate::script::{Op, run};
use crate::suite::support::*;

const NAME: &str = "suite.worker";
const READS: [&str; 1] = ["orders.placed"];

/// `unclean` is told after a crash, and neither at first nor after an end in order.
pub async fn a_clean_end_is_told_from_a_crash(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let first = Consumer::enter(database.store().as_ref(), NAME, &READS, Start::Now).await;
    assert!(!first.holding.unclean, "the first holder finds no unclean end");
    for round in 0..2 {
        let store = database.reopen().await;
        let after = Consumer::hold(store.as_ref(), NAME, &READS).await;
        assert!(!after.holding.unclean, "an end in order is clean, round {round}");
        let store = database.crash().await;
        let after = Consumer::hold(store.as_ref(), NAME, &READS).await;
        assert!(after.holding.unclean, "a crash is unclean, round {round}");
    }
}

/// A mark that was committed names its suspects after a crash; one whose commit never came does not exist.
pub async fn what_was_begun_is_found_after_a_crash(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 4)).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    assert_eq!(consumer.holding.begun, None, "nothing is begun at first");
    let batch = consumer.take(store.as_ref(), 10).await.messages;
    let marks = [(0, 4, 1), (0, 2, 1), (1, 1, 3)];
    let mut store = store;
    for (first, count, tries) in marks {
        let begun = Begun { first: batch[first].position, count, tries };
        let undone = Begun { tries: 99, ..begun.clone() };
        run(store.as_ref(), [Op::Begin(consumer.lease.clone(), begun.clone())])
            .await
            .expect("a mark commits");
        let failed = run(store.as_ref(), [Op::Begin(consumer.lease.clone(), undone), Op::Fail]).await;
        assert!(failed.is_err());
        store = database.crash().await;
        consumer.lease = {
            let next = Consumer::hold(store.as_ref(), NAME, &READS).await;
            assert_eq!(next.holding.begun, Some(begun), "what was begun is found after a crash");
            next.lease
        };
    }
}

/// Moving the cursor clears the mark, and so does settling a parked message.
pub async fn a_mark_is_cleared_by_what_follows(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 2)).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let batch = consumer.take(store.as_ref(), 10).await.messages;
    let begin = |lease: &_, index: usize| {
        Op::Begin(Clone::clone(lease), Begun { first: batch[index].position, count: 1, tries: 1 })
    };
    let parked = vec![retrying(&batch[1], at(1))];
    let ops = [begin(&consumer.lease, 0), Op::Park(consumer.lease.clone(), parked), consumer.advance(None)];
    run(store.as_ref(), ops).await.expect("a batch commits");
    let next = Consumer::hold(store.as_ref(), NAME, &READS).await;
    assert_eq!(next.holding.begun, None, "moving the cursor clears the mark");

    run(store.as_ref(), [begin(&next.lease, 1)]).await.expect("a mark commits");
    run(store.as_ref(), [next.settled(&batch[1], handled(1))]).await.expect("settling commits");
    let next = Consumer::hold(store.as_ref(), NAME, &READS).await;
    assert_eq!(next.holding.begun, None, "settling a parked message clears the mark");
}

/// A holder is told which keys hold back later messages, with how many, and when the next parked one is due.
pub async fn a_holder_finds_keys_and_due_times(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let messages: Vec<_> = ["a", "a", "b", "c", "a"].map(|key| event("orders.placed", key)).into();
    append(store.as_ref(), &messages).await;
    append(store.as_ref(), &[keyless("orders.placed")]).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let (batch, cursor) = read_to_end(store.as_ref(), &consumer.cursor, &consumer.filter, 10).await;
    consumer.cursor = cursor;
    let parked = vec![
        retrying(&batch[0], at(30)),
        behind(&batch[1]),
        retrying(&batch[2], at(20)),
        dead(&batch[3], false),
        behind(&batch[4]),
        retrying(&batch[5], at(25)),
    ];
    consumer.park(store.as_ref(), parked).await;
    let store = database.crash().await;
    let found = Consumer::hold(store.as_ref(), NAME, &READS).await.holding;
    let mut keys = found.parked.keys;
    keys.sort();
    let expected = [("a", 3), ("b", 1), ("c", 1)].map(|(key, count)| (Key::new("order", key), count));
    assert_eq!(keys, expected, "a holder finds the keys that hold back later messages");
    assert_eq!(found.parked.next_due, Some(at(20)), "a holder finds the earliest due time");
}
