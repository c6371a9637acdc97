//! Appending, reading, advancing, parking: the straight way.

use tidings_core::envelope::{Cursor, Position};
use tidings_core::store::{Begun, Inspect, Parked, ParkedState, Receipt, Settled, Store, StoreError};
use tidings_core::trace::TraceContext;

use crate::support::*;

#[tokio::test]
async fn what_is_appended_is_read_back_whole() {
    let temp = open().await;
    let mut sent = keyed("orders.placed", "7");
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    sent.trace = TraceContext::from_headers(Some(traceparent), Some("a=b"), Some("tenant=7"));
    sent.causation_id = Some(tidings_core::ids::MessageId::new());
    sent.reply_to = Some("shop.on-reply".into());
    sent.data = r#"{"text":"é\u0000"}"#.to_owned();
    let appended = sent.clone();
    let run = work("append", move |tx| {
        let messages = [appended.clone(), event("orders.paid")];
        Box::pin(async move { tx.append(&messages).await })
    });
    temp.run(run).await.unwrap();
    let read = temp.log("orders.placed").await;
    assert_eq!(read.iter().map(|read| &read.envelope).collect::<Vec<_>>(), [&sent]);
    assert_eq!(temp.store.message(sent.id).await.unwrap().as_ref(), read.first());
    assert_eq!(temp.store.flow(sent.correlation_id).await.unwrap(), read);
}

#[tokio::test]
async fn a_batch_tells_where_to_go_on() {
    let temp = open().await;
    for name in ["a", "b", "a", "a", "b"] {
        temp.run(append_work(name)).await.unwrap();
    }
    let from = Cursor("0".to_owned());
    let batch = temp.store.read_after(&from, &filter("a"), 2).await.unwrap();
    assert_eq!(batch.messages.iter().map(|read| read.position.0).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(batch.cursors, [Cursor("1".to_owned()), Cursor("3".to_owned())]);
    assert!(!batch.at_end);
    let batch = temp.store.read_after(&batch.next, &filter("a"), 2).await.unwrap();
    assert_eq!(batch.messages.len(), 1);
    assert_eq!((batch.next, batch.at_end), (Cursor("5".to_owned()), true));
}

#[tokio::test]
async fn a_consumer_advances_under_its_lease_only() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "a"), NOW).await.unwrap();
    temp.run(append_work("a")).await.unwrap();
    let old = hold(&temp.store, "shop.l").await.unwrap().lease;
    let new = hold(&temp.store, "shop.l").await.unwrap();
    assert_eq!(new.cursor, Cursor("0".to_owned()));
    let advance = |lease: tidings_core::store::Lease| {
        work("advance", move |tx| {
            let lease = lease.clone();
            let receipt = Receipt { first: Position(1), last: Position(1), count: 1, at: NOW };
            Box::pin(async move { tx.advance(&lease, &Cursor("1".to_owned()), Some(&receipt)).await })
        })
    };
    assert!(matches!(temp.run(advance(old)).await, Err(StoreError::Fenced { .. })));
    assert!(temp.store.receipt("shop.l", Position(1)).await.unwrap().is_none());
    temp.run(advance(new.lease)).await.unwrap();
    assert!(temp.store.receipt("shop.l", Position(1)).await.unwrap().is_some());
    let status = &temp.store.consumers().await.unwrap()[0];
    assert_eq!((status.lag, status.handled), (0, 1));
}

#[tokio::test]
async fn marks_of_a_careful_consumer_survive_a_new_holder() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "a"), NOW).await.unwrap();
    let lease = hold(&temp.store, "shop.l").await.unwrap().lease;
    let begun = Begun { first: Position(4), count: 8, tries: 2 };
    let mark = begun.clone();
    let run = work("mark", move |tx| {
        let (lease, mark) = (lease.clone(), mark.clone());
        Box::pin(async move { tx.begin_batch(&lease, &mark).await })
    });
    temp.run(run).await.unwrap();
    assert_eq!(hold(&temp.store, "shop.l").await.unwrap().begun, Some(begun));
}

#[tokio::test]
async fn a_parked_message_comes_due_and_is_handled() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "a"), NOW).await.unwrap();
    temp.run(append_work("a")).await.unwrap();
    let lease = hold(&temp.store, "shop.l").await.unwrap().lease;
    let parked = Parked {
        position: Position(1),
        key: None,
        state: ParkedState::Retrying,
        attempts: 1,
        due: Some(NOW),
        error: "no".to_owned(),
        at: NOW,
        releases_key: false,
    };
    let its = lease.clone();
    let park = work("park", move |tx| {
        let (lease, parked) = (its.clone(), parked.clone());
        Box::pin(async move { tx.park(&lease, &[parked]).await })
    });
    temp.run(park).await.unwrap();
    let due = temp.store.due("shop.l", 0, NOW, 10).await.unwrap();
    assert_eq!((due.len(), due[0].attempts), (1, 1));
    let settle = work("settle", move |tx| {
        let lease = lease.clone();
        let how = Settled::Handled { at: NOW, attempts: 2 };
        Box::pin(async move { tx.settle(&lease, Position(1), &how).await })
    });
    temp.run(settle).await.unwrap();
    assert!(temp.store.due("shop.l", 0, NOW, 10).await.unwrap().is_empty());
    assert!(temp.store.receipt("shop.l", Position(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_watch_wakes_after_the_commit() {
    let temp = open().await;
    let mut watch = temp.store.watch(&filter("a"));
    temp.run(append_work("a")).await.unwrap();
    let started = std::time::Instant::now();
    watch.changed().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(4), "only the fallback woke it");
}
