//! Bounded tables: what goes, what must stay, and what is said about it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidings_core::envelope::{Cursor, Position};
use tidings_core::ids::MessageId;
use tidings_core::store::{
    ConsumerSpec, IdempotencyScope, Inspect, OutcomeRecord, OutcomeStatus, Parked, ParkedState, Receipt,
    Retention, Settled, Start, Store, StoreError,
};

use crate::support::*;

fn at(seconds: i64) -> Timestamp {
    NOW + SignedDuration::from_secs(seconds)
}

/// Appends `count` events, one a second from the epoch on.
async fn append(temp: &Temp, count: i64) {
    let run = work("append", move |tx| {
        let messages: Vec<_> = (0..count)
            .map(|second| tidings_core::envelope::Envelope { time: at(second), ..event("x") })
            .collect();
        Box::pin(async move { tx.append(&messages).await })
    });
    temp.run(run).await.unwrap();
}

async fn advance(temp: &Temp, consumer: &str, to: i64, handled: Option<Receipt>) {
    let lease = hold(&temp.store, consumer).await.unwrap().lease;
    let run = work("advance", move |tx| {
        let (lease, handled) = (lease.clone(), handled.clone());
        Box::pin(async move { tx.advance(&lease, &Cursor(to.to_string()), handled.as_ref()).await })
    });
    temp.run(run).await.unwrap();
}

fn keep(messages_max: u64) -> Retention {
    Retention { age_max: Duration::from_secs(1_000_000), messages_max, ..Retention::default() }
}

async fn positions(temp: &Temp) -> Vec<i64> {
    temp.log("x").await.iter().map(|read| read.position.0).collect()
}

#[tokio::test]
async fn messages_go_by_age_and_by_count_but_never_the_newest() {
    let temp = open().await;
    append(&temp, 10).await;
    let by_age = Retention { age_max: Duration::from_secs(100), ..Retention::default() };
    let done = temp.store.maintain(&by_age, at(103)).await.unwrap();
    assert_eq!((done.messages_deleted, done.messages, done.held_by), (3, 7, None));
    let done = temp.store.maintain(&keep(5), at(0)).await.unwrap();
    assert_eq!((done.messages_deleted, done.messages), (2, 5));
    assert_eq!(positions(&temp).await, [6, 7, 8, 9, 10]);
    let done = temp.store.maintain(&by_age, at(10_000)).await.unwrap();
    assert_eq!(done.messages, 1);
    append(&temp, 1).await;
    assert_eq!(positions(&temp).await, [10, 11], "a position was used twice");
}

#[tokio::test]
async fn more_than_a_chunk_goes_in_several_transactions() {
    let temp = open().await;
    append(&temp, 2_500).await;
    let before = temp.store.stats().commits;
    let done = temp.store.maintain(&keep(10), NOW).await.unwrap();
    assert_eq!((done.messages_deleted, done.messages), (2_490, 10));
    assert!(temp.store.stats().commits - before >= 3);
}

#[tokio::test]
async fn a_lagging_consumer_holds_what_it_has_not_read() {
    let temp = open().await;
    temp.store.register(&listener("shop.slow", "x"), NOW).await.unwrap();
    append(&temp, 10).await;
    advance(&temp, "shop.slow", 4, None).await;
    let done = temp.store.maintain(&keep(2), NOW).await.unwrap();
    assert_eq!((done.messages_deleted, done.messages), (4, 6));
    assert!(done.held_by.as_deref().is_some_and(|holder| holder.contains("`shop.slow`")), "{done:?}");
    temp.store.retire("shop.slow", "gone", NOW).await.unwrap();
    let done = temp.store.maintain(&keep(2), NOW).await.unwrap();
    assert_eq!((done.messages, done.held_by), (2, None));
}

#[tokio::test]
async fn parked_and_dead_messages_stay_and_others_around_them_go() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    append(&temp, 10).await;
    let lease = hold(&temp.store, "shop.l").await.unwrap().lease;
    let run = work("park", move |tx| {
        let lease = lease.clone();
        let parked = |position, state| Parked {
            position: Position(position),
            key: None,
            state,
            attempts: 1,
            due: Some(NOW),
            error: String::new(),
            at: NOW,
            releases_key: false,
        };
        let rows = [parked(2, ParkedState::Dead), parked(5, ParkedState::Retrying)];
        Box::pin(async move {
            tx.park(&lease, &rows).await?;
            tx.advance(&lease, &Cursor("10".to_owned()), None).await
        })
    });
    temp.run(run).await.unwrap();
    let done = temp.store.maintain(&keep(1), NOW).await.unwrap();
    assert_eq!(positions(&temp).await, [2, 5, 10]);
    assert!(done.held_by.as_deref().is_some_and(|holder| holder.contains("2 parked or dead")), "{done:?}");
}

#[tokio::test]
async fn at_the_hard_limit_publishing_is_refused_until_it_moves() {
    let temp = open().await;
    temp.store.register(&listener("shop.slow", "x"), NOW).await.unwrap();
    append(&temp, 10).await;
    let hard = Retention { messages_hard_max: 10, ..keep(2) };
    temp.store.maintain(&hard, NOW).await.unwrap();
    let refused = temp.run(append_work("x")).await;
    let Err(StoreError::LogFull { messages: 10, limit: 10, holder }) = &refused else {
        panic!("{refused:?}")
    };
    assert!(holder.contains("shop.slow"), "{holder}");
    assert!(matches!(
        temp.store.begin().await.unwrap().append(&[event("x")]).await,
        Err(StoreError::LogFull { .. })
    ));
    // Once the consumer has moved there is room, though the messages are still there.
    advance(&temp, "shop.slow", 10, None).await;
    temp.run(append_work("x")).await.unwrap();
    // Whoever is entered at the beginning holds them all again, and counts at once.
    let from_start = ConsumerSpec { start: Start::Beginning, ..listener("shop.late", "x") };
    temp.store.register(&from_start, NOW).await.unwrap();
    let refused = temp.run(append_work("x")).await;
    assert!(matches!(refused, Err(StoreError::LogFull { messages: 11, .. })), "{refused:?}");
    advance(&temp, "shop.late", 11, None).await;
    temp.store.maintain(&hard, NOW).await.unwrap();
    temp.run(append_work("x")).await.unwrap();
}

#[tokio::test]
async fn at_the_hard_limit_the_typed_driver_measures_too() {
    let temp = open().await;
    temp.store.register(&listener("shop.slow", "x"), NOW).await.unwrap();
    temp.store.maintain(&Retention { messages_hard_max: 3, ..keep(2) }, NOW).await.unwrap();
    let append = || work_on("sqlx", "append", |tx| Box::pin(async move { tx.append(&[event("x")]).await }));
    for _ in 0..3 {
        temp.run(append()).await.unwrap();
    }
    let refused = temp.run(append()).await;
    assert!(matches!(refused, Err(StoreError::LogFull { messages: 3, .. })), "{refused:?}");
    let mut lent = temp.store.begin().await.unwrap();
    assert!(matches!(lent.append(&[event("x")]).await, Err(StoreError::LogFull { .. })));
}

#[tokio::test]
async fn the_number_of_messages_is_kept_and_corrected_when_the_log_seems_full() {
    let temp = open().await;
    append(&temp, 10).await;
    temp.store.maintain(&keep(6), NOW).await.unwrap();
    assert_eq!(temp.store.maintain(&keep(6), NOW).await.unwrap().messages, 6);
    temp.outside().execute("DELETE FROM tidings_log WHERE position < 8", []).unwrap();
    let hard = Retention { messages_hard_max: 6, ..keep(6) };
    temp.store.maintain(&hard, NOW).await.unwrap();
    assert_eq!(temp.store.maintain(&hard, NOW).await.unwrap().messages, 3, "counted again");
}

#[tokio::test]
async fn old_receipts_are_merged_and_still_answer() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    append(&temp, 40).await;
    for batch in 0..20 {
        let (first, last) = (Position(batch * 2 + 1), Position(batch * 2 + 2));
        advance(&temp, "shop.l", last.0, Some(Receipt { first, last, count: 2, at: at(batch) })).await;
    }
    let done = temp.store.maintain(&Retention { receipts_max: 5, ..keep(100) }, NOW).await.unwrap();
    assert_eq!(done.receipts_merged, 15);
    assert_eq!(temp.count("SELECT count(*) FROM tidings_receipts"), 5);
    let merged = temp.store.receipt("shop.l", Position(7)).await.unwrap().unwrap();
    assert_eq!((merged.first, merged.last, merged.count, merged.at), (Position(1), Position(32), 32, at(15)));
    assert_eq!(temp.store.receipt("shop.l", Position(40)).await.unwrap().unwrap().count, 2);
    assert_eq!(temp.store.consumers().await.unwrap()[0].handled, 40);
}

#[tokio::test]
async fn a_range_does_not_claim_what_is_parked_inside_it() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    append(&temp, 5).await;
    temp.run(append_work("other")).await.unwrap();
    append(&temp, 1).await;
    let lease = hold(&temp.store, "shop.l").await.unwrap().lease;
    let run = work("batch", move |tx| {
        let lease = lease.clone();
        let dead = Parked {
            position: Position(3),
            key: None,
            state: ParkedState::Dead,
            attempts: 1,
            due: None,
            error: String::new(),
            at: NOW,
            releases_key: false,
        };
        let receipt = Receipt { first: Position(1), last: Position(7), count: 5, at: NOW };
        Box::pin(async move {
            tx.park(&lease, &[dead]).await?;
            tx.advance(&lease, &Cursor("7".to_owned()), Some(&receipt)).await
        })
    });
    temp.run(run).await.unwrap();
    for (position, handled) in [(1, true), (3, false), (5, true), (6, false), (7, true), (8, false)] {
        let receipt = temp.store.receipt("shop.l", Position(position)).await.unwrap();
        assert_eq!(receipt.is_some(), handled, "{position}");
    }
}

fn outcome(key: &str, at_seconds: i64, expires_seconds: i64) -> OutcomeRecord {
    let scope =
        IdempotencyScope { caller: "web".to_owned(), command: "shop.place".into(), key: key.to_owned() };
    OutcomeRecord {
        id: MessageId::new(),
        command: "shop.place".into(),
        correlation_id: MessageId::new(),
        causation_id: None,
        idempotency: (!key.is_empty()).then_some((scope, [7; 32])),
        status: OutcomeStatus::Rejected,
        body: "{}".to_owned(),
        at: at(at_seconds),
        expires: at(expires_seconds),
        unhandled: key.is_empty(),
    }
}

async fn record(temp: &Temp, driver: &'static str, outcome: &OutcomeRecord) -> Result<(), StoreError> {
    let outcome = outcome.clone();
    let run = work_on(driver, "record", move |tx| {
        let outcome = outcome.clone();
        Box::pin(async move { tx.record_outcome(&outcome).await })
    });
    temp.run(run).await
}

#[tokio::test]
async fn a_key_is_used_once_until_its_outcome_expires() {
    for driver in ["native", "sqlx"] {
        let temp = open().await;
        let first = outcome("k", 0, 100);
        let scope = first.idempotency.clone().unwrap().0;
        record(&temp, driver, &first).await.unwrap();
        assert_eq!(temp.store.outcome(&scope, at(99)).await.unwrap().as_ref(), Some(&first));
        assert_eq!(temp.store.outcome_of(first.id).await.unwrap().as_ref(), Some(&first));
        let used = record(&temp, driver, &outcome("k", 99, 200)).await;
        assert!(matches!(used, Err(StoreError::IdempotencyKeyUsed)), "{driver}: {used:?}");
        record(&temp, driver, &outcome("other", 99, 200)).await.unwrap();
        assert_eq!(temp.store.outcome(&scope, at(100)).await.unwrap(), None);
        let second = outcome("k", 100, 200);
        record(&temp, driver, &second).await.unwrap();
        assert_eq!(temp.store.outcome(&scope, at(100)).await.unwrap().as_ref(), Some(&second));
        let unhandled = outcome("", 0, 1);
        record(&temp, driver, &unhandled).await.unwrap();
        let done = temp.store.maintain(&Retention::default(), at(200)).await.unwrap();
        assert_eq!(done.outcomes_deleted, 2, "an unhandled rejection stays");
        assert_eq!(temp.store.unhandled_rejections(10).await.unwrap(), [unhandled]);
    }
}

#[tokio::test]
async fn discarded_rows_go_unless_a_receipt_lies_around_them() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "x"), NOW).await.unwrap();
    append(&temp, 10).await;
    let lease = hold(&temp.store, "shop.l").await.unwrap().lease;
    let run = work("discard", move |tx| {
        let lease = lease.clone();
        let dead = |position| Parked {
            position: Position(position),
            key: None,
            state: ParkedState::Dead,
            attempts: 1,
            due: None,
            error: "a long story".to_owned(),
            at: NOW,
            releases_key: false,
        };
        let rows = [dead(1), dead(3)];
        Box::pin(async move {
            tx.park(&lease, &rows).await?;
            let handled = Receipt { first: Position(2), last: Position(10), count: 8, at: NOW };
            tx.advance(&lease, &Cursor("10".to_owned()), Some(&handled)).await?;
            let empty = Settled::Discarded { at: at(5), reason: " ".to_owned() };
            let refused = tx.settle(&lease, Position(3), &empty).await;
            assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
            for position in [1, 3] {
                let discard = Settled::Discarded { at: at(5), reason: "a duplicate".to_owned() };
                tx.settle(&lease, Position(position), &discard).await?;
            }
            Ok(())
        })
    });
    temp.run(run).await.unwrap();
    let discarded = "SELECT count(*) FROM tidings_parked WHERE state = 'discarded'";
    temp.store.maintain(&Retention::default(), at(10)).await.unwrap();
    assert_eq!(temp.count(discarded), 2, "they are young, and their messages are there");
    let by_age = Retention { age_max: Duration::from_secs(100), ..Retention::default() };
    temp.store.maintain(&by_age, at(1_000)).await.unwrap();
    assert_eq!(temp.count(discarded), 1);
    assert_eq!(temp.count(&format!("{discarded} AND position = 3 AND error = '' AND reason IS NULL")), 1);
}

#[tokio::test]
async fn an_acknowledged_rejection_goes_when_it_expires() {
    let temp = open().await;
    let rejection = outcome("", 0, 1);
    record(&temp, "native", &rejection).await.unwrap();
    temp.store.maintain(&Retention::default(), at(200)).await.unwrap();
    assert_eq!(temp.store.unhandled_rejections(10).await.unwrap().len(), 1);
    temp.store.acknowledge_rejection(rejection.id).await.unwrap();
    let done = temp.store.maintain(&Retention::default(), at(200)).await.unwrap();
    assert_eq!(done.outcomes_deleted, 1);
}

#[tokio::test]
async fn a_large_write_ahead_log_is_emptied_once_no_reader_needs_it() {
    let temp = open_with(|config| config.wal_bytes_max = 100_000).await;
    let wal = temp.folder.path().join("shop.db-wal");
    let bytes = || std::fs::metadata(&wal).unwrap().len();
    let reader = temp.outside();
    reader.execute_batch("BEGIN; SELECT count(*) FROM tidings_log").unwrap();
    append(&temp, 5_000).await;
    assert!(bytes() > 100_000);
    temp.store.maintain(&Retention::default(), NOW).await.unwrap();
    assert!(bytes() > 100_000, "a reader still needs it");
    temp.run(append_work("x")).await.unwrap();
    reader.execute_batch("COMMIT").unwrap();
    temp.store.maintain(&Retention::default(), NOW).await.unwrap();
    assert!(bytes() <= 100_000, "{}", bytes());
    temp.run(append_work("x")).await.unwrap();
}
