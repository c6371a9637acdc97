//! Receipts: "was it handled, and when?" has an answer without a row per success.

use tidings_core::envelope::Recorded;
use tidings_core::store::{Receipt, Settled, Start, Store};

use crate::factory::StoreFactory;
use crate::script::{Op, run};
use crate::suite::support::*;

const NAME: &str = "suite.worker";
const READS: [&str; 1] = ["orders.placed"];

async fn receipt(store: &dyn Store, message: &Recorded) -> Option<Receipt> {
    store.receipt(NAME, message.position).await.expect("a receipt is looked up")
}

/// A message has a receipt when it was handled, and only then: not when it is parked, dead, discarded, read by others
/// only, or still ahead.
pub async fn receipts_cover_exactly_what_was_handled(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let names = ["orders.placed", "orders.placed", "orders.paid", "orders.placed", "orders.placed"];
    let messages: Vec<_> = (0..20).map(|index| event(names[index % 5], &index.to_string())).collect();
    append(store.as_ref(), &messages).await;
    let foreign = everything(store.as_ref(), &["orders.paid"]).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;

    let first = take_exactly(&mut consumer, store.as_ref(), 6).await;
    let parked = [&first[1], &first[2], &first[3]];
    let park = Op::Park(consumer.lease.clone(), parked.iter().map(|m| retrying(m, at(10))).collect());
    let covered = Receipt { count: 3, ..receipt_of(&first, 1).expect("a batch") };
    run(store.as_ref(), [park, consumer.advance(Some(covered))]).await.expect("a batch commits");
    let second = take_exactly(&mut consumer, store.as_ref(), 5).await;
    run(store.as_ref(), [consumer.advance(receipt_of(&second, 2))]).await.expect("a batch commits");
    let ahead = take_exactly(&mut consumer, store.as_ref(), 5).await;

    for (index, message) in first.iter().enumerate() {
        let found = receipt(store.as_ref(), message).await;
        let expected = (!(1..=3).contains(&index)).then(|| at(1));
        assert_eq!(
            found.map(|receipt| receipt.at),
            expected,
            "receipts cover exactly the handled: first batch, {index}"
        );
    }
    for message in &second {
        let found = receipt(store.as_ref(), message).await.map(|receipt| receipt.at);
        assert_eq!(found, Some(at(2)), "receipts cover exactly the handled: second batch");
    }
    for message in ahead.iter().chain(&foreign) {
        let found = receipt(store.as_ref(), message).await;
        assert_eq!(found, None, "receipts cover exactly the handled: not what is ahead, or another's");
    }
    assert_eq!(consumer.status(store.as_ref()).await.handled, 8, "eight messages are counted as handled");

    consumer.settle(store.as_ref(), &first[1], handled(20)).await;
    let dead = Settled::Dead { attempts: 6, error: "used up".to_owned(), releases_key: false };
    consumer.settle(store.as_ref(), &first[2], dead).await;
    let dead = Settled::Dead { attempts: 6, error: "used up".to_owned(), releases_key: false };
    consumer.settle(store.as_ref(), &first[3], dead).await;
    consumer
        .settle(store.as_ref(), &first[3], Settled::Discarded { at: at(21), reason: "by hand".to_owned() })
        .await;
    let settled = receipt(store.as_ref(), &first[1]).await.expect("a settled message has a receipt");
    assert_eq!(
        (settled.first, settled.last, settled.count, settled.at),
        (first[1].position, first[1].position, 1, at(20))
    );
    assert_eq!(
        receipt(store.as_ref(), &first[2]).await,
        None,
        "receipts cover exactly the handled: not the dead"
    );
    assert_eq!(
        receipt(store.as_ref(), &first[3]).await,
        None,
        "receipts cover exactly the handled: not the discarded"
    );
    assert_eq!(consumer.status(store.as_ref()).await.handled, 9, "nine messages are counted as handled");
}

/// Reads `count` messages and stands right behind the last of them.
async fn take_exactly(consumer: &mut Consumer, store: &dyn Store, count: usize) -> Vec<Recorded> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let batch = store
            .read_after(&consumer.cursor, &consumer.filter, count - messages.len())
            .await
            .expect("a batch is read");
        assert!(!batch.at_end || !batch.messages.is_empty(), "the log holds what the suite appended");
        consumer.cursor = batch.cursors.last().cloned().unwrap_or(batch.next);
        messages.extend(batch.messages);
    }
    messages
}

/// Of a message that was parked out of its batch and handled later, the receipt tells when it was handled, also where the
/// batch began with it.
pub async fn a_settled_message_has_its_own_receipt(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 4)).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let batch = consumer.take(store.as_ref(), 4).await.messages;
    let parked = vec![retrying(&batch[0], at(10)), retrying(&batch[3], at(10))];
    let covered = Receipt { count: 2, ..receipt_of(&batch, 1).expect("a batch") };
    run(store.as_ref(), [Op::Park(consumer.lease.clone(), parked), consumer.advance(Some(covered))])
        .await
        .expect("a batch commits");
    for message in [&batch[0], &batch[3]] {
        consumer.settle(store.as_ref(), message, handled(20)).await;
    }
    for (message, time) in batch.iter().zip([20, 1, 1, 20]) {
        let found = receipt(store.as_ref(), message).await.map(|receipt| receipt.at);
        assert_eq!(found, Some(at(time)), "a receipt tells when its message was handled");
    }
}

/// A receipt is there if and only if its transaction committed, and it survives a crash.
pub async fn receipts_go_with_their_transaction(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 4)).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let batch = consumer.take(store.as_ref(), 10).await.messages;
    run(store.as_ref(), [Op::Park(consumer.lease.clone(), vec![retrying(&batch[3], at(10))])])
        .await
        .expect("parking commits");
    for op in [consumer.advance(receipt_of(&batch, 1)), consumer.settled(&batch[3], handled(1))] {
        assert!(run(store.as_ref(), [op, Op::Fail]).await.is_err());
        for message in &batch {
            assert_eq!(
                receipt(store.as_ref(), message).await,
                None,
                "a failed transaction leaves no receipt"
            );
        }
    }
    let covered = receipt_of(&batch[..3], 1);
    let settled = consumer.settled(&batch[3], handled(2));
    run(store.as_ref(), [consumer.advance(covered), settled]).await.expect("a batch commits");
    let store = database.crash().await;
    for (message, time) in batch.iter().zip([1, 1, 1, 2]) {
        let found = receipt(store.as_ref(), message).await.map(|receipt| receipt.at);
        assert_eq!(found, Some(at(time)), "a committed receipt survives a crash");
    }
}
