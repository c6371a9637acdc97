//! Parked messages: heads, followers, promotion.

use jiff::{SignedDuration, Timestamp};
use tidings_core::envelope::Position;
use tidings_core::key::Key;
use tidings_core::store::{
    ConsumerSpec, Inspect, Lease, Parked, ParkedState, Settled, Start, Store, StoreError,
};

use crate::support::*;

fn at(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

/// A consumer and six messages: 1 to 4 of key `a`, 5 of key `b`, 6 without a key.
async fn six() -> (Temp, Lease) {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    let run = work("append", |tx| {
        let mut messages: Vec<_> = ["a", "a", "a", "a", "b"].map(|key| keyed("x", key)).into();
        messages.push(event("x"));
        Box::pin(async move { tx.append(&messages).await })
    });
    temp.run(run).await.unwrap();
    let lease = hold(&temp.store, "shop.l").await.unwrap().lease;
    (temp, lease)
}

fn parked(position: i64, key: &str, state: ParkedState) -> Parked {
    Parked {
        position: Position(position),
        key: (!key.is_empty()).then(|| Key::new("order_id", key)),
        state,
        attempts: u32::from(state != ParkedState::Behind),
        due: (state == ParkedState::Retrying).then(|| at(10)),
        error: "no".to_owned(),
        at: NOW,
        releases_key: false,
    }
}

async fn park(temp: &Temp, lease: &Lease, rows: Vec<Parked>) -> Result<(), StoreError> {
    let lease = lease.clone();
    let run = work("park", move |tx| {
        let (lease, rows) = (lease.clone(), rows.clone());
        Box::pin(async move { tx.park(&lease, &rows).await })
    });
    temp.run(run).await
}

async fn settle(temp: &Temp, lease: &Lease, position: i64, how: Settled) -> Result<(), StoreError> {
    let lease = lease.clone();
    let run = work_on(if position % 2 == 0 { "native" } else { "sqlx" }, "settle", move |tx| {
        let (lease, how) = (lease.clone(), how.clone());
        Box::pin(async move { tx.settle(&lease, Position(position), &how).await })
    });
    temp.run(run).await
}

async fn due(temp: &Temp, now: Timestamp, limit: usize) -> Vec<i64> {
    let due = temp.store.due("shop.l", 0, now, limit).await.unwrap();
    due.into_iter().map(|parked| parked.message.position.0).collect()
}

async fn park_key_a(temp: &Temp, lease: &Lease) {
    use ParkedState::{Behind, Retrying};
    let rows = vec![parked(1, "a", Retrying), parked(2, "a", Behind), parked(3, "a", Behind)];
    park(temp, lease, rows).await.unwrap();
}

fn handled() -> Settled {
    Settled::Handled { at: at(20), attempts: 2 }
}

fn dead(releases_key: bool) -> Settled {
    Settled::Dead { attempts: 6, error: "never".to_owned(), releases_key }
}

#[tokio::test]
async fn a_due_head_brings_its_followers_in_order() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    let others = vec![parked(5, "b", ParkedState::Retrying), parked(6, "", ParkedState::Retrying)];
    park(&temp, &lease, others).await.unwrap();
    assert!(due(&temp, at(9), 10).await.is_empty());
    assert_eq!(due(&temp, at(10), 10).await, [1, 2, 3, 5, 6]);
    assert_eq!(due(&temp, at(10), 2).await, [1, 2]);
    let holding = hold(&temp.store, "shop.l").await.unwrap();
    assert_eq!(holding.parked.keys, [(Key::new("order_id", "a"), 3), (Key::new("order_id", "b"), 1)]);
    assert_eq!(holding.parked.next_due, Some(at(10)));
}

#[tokio::test]
async fn a_handled_head_promotes_the_next() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    settle(&temp, &lease, 1, handled()).await.unwrap();
    assert!(due(&temp, at(19), 10).await.is_empty(), "the next is due when the head was handled");
    assert_eq!(due(&temp, at(20), 10).await, [2, 3]);
    settle(&temp, &lease, 2, handled()).await.unwrap();
    settle(&temp, &lease, 3, handled()).await.unwrap();
    assert!(due(&temp, at(100), 10).await.is_empty());
    for position in 1..=3 {
        assert!(temp.store.receipt("shop.l", Position(position)).await.unwrap().is_some());
    }
    assert!(temp.store.receipt("shop.l", Position(4)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_head_that_fails_again_keeps_its_key() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    let again = Settled::Retry { due: at(60), attempts: 2, error: "still".to_owned() };
    settle(&temp, &lease, 1, again).await.unwrap();
    assert!(due(&temp, at(59), 10).await.is_empty());
    assert_eq!(due(&temp, at(60), 10).await, [1, 2, 3]);
    let row = &temp.store.parked(Some("shop.l"), Some(ParkedState::Retrying), 10).await.unwrap()[0];
    assert_eq!((row.attempts, row.error.as_str(), row.due), (2, "still", Some(at(60))));
}

#[tokio::test]
async fn behind_a_dead_head_nothing_is_due_until_a_person_acts() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    settle(&temp, &lease, 1, dead(false)).await.unwrap();
    assert!(due(&temp, at(1_000), 10).await.is_empty());
    settle(&temp, &lease, 1, Settled::Revive { due: at(30) }).await.unwrap();
    assert_eq!(due(&temp, at(30), 10).await, [1, 2, 3]);
    assert_eq!(temp.store.due("shop.l", 0, at(30), 1).await.unwrap()[0].attempts, 0);
    settle(&temp, &lease, 1, dead(false)).await.unwrap();
    let discard = Settled::Discarded { at: at(40), reason: "a duplicate".to_owned() };
    settle(&temp, &lease, 1, discard.clone()).await.unwrap();
    assert_eq!(due(&temp, at(40), 10).await, [2, 3]);
    assert!(temp.store.receipt("shop.l", Position(1)).await.unwrap().is_none(), "discarded is not handled");
    let reason = "SELECT count(*) FROM tidings_parked WHERE state = 'discarded' AND reason = 'a duplicate'";
    assert_eq!(temp.count(reason), 1);
    let twice = settle(&temp, &lease, 1, discard).await;
    assert!(matches!(twice, Err(StoreError::NotFound { .. })), "{twice:?}");
}

#[tokio::test]
async fn a_dead_head_may_let_go_of_its_key() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    settle(&temp, &lease, 1, dead(true)).await.unwrap();
    assert_eq!(due(&temp, at(10), 10).await, [2, 3]);
    let dead = temp.store.parked(None, Some(ParkedState::Dead), 10).await.unwrap();
    assert_eq!((dead.len(), &dead[0].key), (1, &None));
}

#[tokio::test]
async fn dead_at_once_with_and_without_its_key() {
    let (temp, lease) = six().await;
    let released = Parked { releases_key: true, ..parked(1, "a", ParkedState::Dead) };
    park(&temp, &lease, vec![released, parked(5, "b", ParkedState::Dead)]).await.unwrap();
    let holding = hold(&temp.store, "shop.l").await.unwrap();
    assert_eq!(holding.parked.keys, [(Key::new("order_id", "b"), 1)]);
    assert_eq!(holding.parked.next_due, None);
}

#[tokio::test]
async fn settling_clears_the_mark_and_needs_the_lease_and_a_row() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    let its = lease.clone();
    let mark = work("mark", move |tx| {
        let lease = its.clone();
        let begun = tidings_core::store::Begun { first: Position(1), count: 1, tries: 1 };
        Box::pin(async move { tx.begin_batch(&lease, &begun).await })
    });
    temp.run(mark).await.unwrap();
    let missing = settle(&temp, &lease, 4, handled()).await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
    settle(&temp, &lease, 1, handled()).await.unwrap();
    let holding = hold(&temp.store, "shop.l").await.unwrap();
    assert_eq!(holding.begun, None);
    for (position, result) in
        [(2, settle(&temp, &lease, 2, handled()).await), (3, park(&temp, &lease, vec![]).await)]
    {
        assert!(matches!(result, Err(StoreError::Fenced { .. })), "{position}: {result:?}");
    }
}

#[tokio::test]
async fn an_alias_brings_everything_along_and_voids_the_old_lease() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    settle(&temp, &lease, 1, handled()).await.unwrap();
    let renamed = ConsumerSpec { aliases: vec!["shop.l".into()], ..listener("shop.better", "x") };
    temp.store.register(&renamed, at(50)).await.unwrap();
    temp.store.register(&renamed, at(51)).await.unwrap();
    let consumers = temp.store.consumers().await.unwrap();
    assert_eq!(consumers.len(), 1);
    let new = &consumers[0];
    assert_eq!((&*new.name, new.retrying, new.behind, new.handled), ("shop.better", 1, 1, 1));
    assert_eq!(new.last_seen, at(51));
    assert!(temp.store.receipt("shop.better", Position(1)).await.unwrap().is_some());
    assert!(matches!(settle(&temp, &lease, 2, handled()).await, Err(StoreError::Fenced { .. })));
    assert!(matches!(hold(&temp.store, "shop.l").await, Err(StoreError::NotFound { .. })));
    let lease = hold(&temp.store, "shop.better").await.unwrap().lease;
    settle(&temp, &lease, 2, handled()).await.unwrap();
}

#[tokio::test]
async fn a_retired_consumer_gives_up_its_work_and_comes_back_as_new() {
    let (temp, lease) = six().await;
    park_key_a(&temp, &lease).await;
    temp.store.retire("shop.l", "replaced", NOW).await.unwrap();
    let consumers = temp.store.consumers().await.unwrap();
    assert_eq!(consumers[0].retired.as_deref(), Some("replaced"));
    assert_eq!((consumers[0].retrying, consumers[0].behind), (0, 0));
    assert!(matches!(settle(&temp, &lease, 1, handled()).await, Err(StoreError::Fenced { .. })));
    assert!(matches!(hold(&temp.store, "shop.l").await, Err(StoreError::NotFound { .. })));
    temp.store.retire("shop.none", "", NOW).await.unwrap();
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    let holding = hold(&temp.store, "shop.l").await.unwrap();
    assert_eq!(holding.cursor.0, "6");
    assert!(holding.lease.fence > lease.fence);
}

#[tokio::test]
async fn new_consumers_start_where_they_say() {
    let (temp, _) = six().await;
    let from_start = ConsumerSpec { start: Start::Beginning, ..listener("shop.early", "x") };
    temp.store.register(&from_start, NOW).await.unwrap();
    temp.store.register(&listener("shop.late", "x"), NOW).await.unwrap();
    assert_eq!(hold(&temp.store, "shop.early").await.unwrap().cursor.0, "0");
    assert_eq!(hold(&temp.store, "shop.late").await.unwrap().cursor.0, "6");
    let lags: Vec<_> = temp.store.consumers().await.unwrap().iter().map(|status| status.lag).collect();
    assert_eq!(lags, [6, 6, 0]);
}
