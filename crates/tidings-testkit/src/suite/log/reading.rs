//! Reading the log: order, windows, filters, and whole envelopes.

use tidings_core::envelope::{Envelope, MessageKind};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{Filter, Start};
use tidings_core::trace::{TraceContext, TraceParent};

use crate::factory::StoreFactory;
use crate::script::{Op, run};
use crate::suite::support::*;

/// Messages appended one after the other are read in that order, within one transaction and across several.
pub async fn messages_come_in_the_order_of_their_appending(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut expected = Vec::new();
    for size in [1, 50, 3, 0, 200, 1] {
        let messages = events("orders.placed", size);
        let (early, late) = messages.split_at(size / 2);
        run(store.as_ref(), [Op::Append(early.to_vec()), Op::Append(late.to_vec())])
            .await
            .expect("appends commit");
        expected.extend(ids_of(&messages));
    }
    let read = everything(store.as_ref(), &["orders.placed"]).await;
    assert_eq!(ids(&read), expected, "messages are read in the order of their appending");
    let mut positions: Vec<_> = read.iter().map(|message| message.position).collect();
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), expected.len(), "a position belongs to one message");
}

/// Every window size sees every message once, and the cursor behind any message leads to the one after it, also after
/// the store was closed and opened again.
pub async fn a_reader_may_go_on_from_every_cursor(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let names = ["orders.placed"];
    let start = Consumer::enter(store.as_ref(), "suite.reader", &names, Start::Beginning).await;
    let mixed: Vec<_> = (0..20)
        .map(|index| event(if index % 3 == 0 { "orders.paid" } else { "orders.placed" }, &index.to_string()))
        .collect();
    for pair in mixed.chunks(7) {
        append(store.as_ref(), pair).await;
    }
    let expected: Vec<_> =
        mixed.iter().filter(|message| &*message.name == "orders.placed").map(|message| message.id).collect();
    for limit in [1, 2, 3, 7, 13, 100] {
        let (read, _) = read_to_end(store.as_ref(), &start.cursor, &start.filter, limit).await;
        assert_eq!(ids(&read), expected, "a window of {limit} sees every message once");
    }

    let mut reader = Consumer::hold(store.as_ref(), "suite.reader", &names).await;
    let store = database.reopen().await;
    let mut seen = 0;
    loop {
        let batch = reader.take(store.as_ref(), 4).await;
        for cursor in &batch.cursors {
            seen += 1;
            let (rest, _) = read_to_end(store.as_ref(), cursor, &reader.filter, 5).await;
            assert_eq!(
                ids(&rest),
                expected[seen..],
                "the cursor behind message {seen} leads to the next one"
            );
        }
        if batch.at_end {
            break;
        }
    }
    assert_eq!(seen, expected.len());
}

/// A filter takes messages of its kind with one of its names, and no others.
pub async fn a_filter_takes_its_kind_and_names_only(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let start = Consumer::enter(store.as_ref(), "suite.reader", &["a.b"], Start::Beginning).await;
    let kinds = [MessageKind::Event, MessageKind::Command, MessageKind::Reply];
    let names = ["a.b", "a.B", "a.bc", "a", "a_b", "a%b", "é.b"];
    let mut messages = Vec::new();
    for kind in kinds {
        messages.extend(names.map(|name| Envelope { kind, ..event(name, "1") }));
    }
    append(store.as_ref(), &messages).await;
    for kind in kinds {
        for wanted in [&["a.b"][..], &["a.B", "a"], &["a_b", "é.b", "a%b"], &["nobody.publishes.this"]] {
            let filter = Filter { kind, ..filter(wanted) };
            let (read, _) = read_to_end(store.as_ref(), &start.cursor, &filter, 10).await;
            let matching = |message: &&Envelope| message.kind == kind && wanted.contains(&&*message.name);
            let expected: Vec<_> = messages.iter().filter(matching).map(|message| message.id).collect();
            assert_eq!(ids(&read), expected, "a filter for {wanted:?} of kind {kind:?}");
        }
    }
}

/// `at_end` is told when there is nothing more for now; the same cursor finds what comes later.
pub async fn the_end_is_told_and_is_not_final(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut consumer = Consumer::enter(store.as_ref(), "suite.reader", &["orders.placed"], Start::Now).await;
    for round in 0..3 {
        let batch = consumer.take(store.as_ref(), 10).await;
        assert!(batch.at_end && batch.messages.is_empty(), "an end is told in round {round}");
        append(store.as_ref(), &events("orders.paid", 5)).await;
        let messages = events("orders.placed", 10);
        append(store.as_ref(), &messages).await;
        let (read, cursor) = read_to_end(store.as_ref(), &consumer.cursor, &consumer.filter, 10).await;
        assert_eq!(ids(&read), ids_of(&messages), "what was appended after an end is found");
        consumer.cursor = cursor;
    }
}

/// What was appended is read with every field as it was, whatever characters it holds.
pub async fn every_field_of_an_envelope_comes_back(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let messages = odd_envelopes();
    append(store.as_ref(), &messages).await;
    for message in &messages {
        let found = store.message(message.id).await.expect("a message is looked up");
        let found = found.expect("an appended message is found by its id");
        assert_eq!(&found.envelope, message, "an envelope comes back as it was appended");
    }
    let read = everything(store.as_ref(), &["orders.placed"]).await;
    let read: Vec<_> = read.into_iter().map(|recorded| recorded.envelope).collect();
    let events: Vec<_> = messages.into_iter().filter(|message| message.kind == MessageKind::Event).collect();
    assert_eq!(read, events, "an envelope is read as it was appended");
}

fn odd_envelopes() -> Vec<Envelope> {
    let full = Envelope {
        version: u32::try_from(i32::MAX).unwrap_or_default(),
        source: "ordérs".into(),
        // Microseconds are what the portable layer promises to keep.
        time: "2026-01-31T09:30:00.123456Z".parse().expect("a timestamp"),
        correlation_id: MessageId::new(),
        causation_id: Some(MessageId::new()),
        trace: TraceContext {
            parent: Some(TraceParent { trace_id: u128::MAX - 1, span_id: u64::MAX, flags: 0xff }),
            tracestate: Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".to_owned()),
            baggage: Some("tenant=7,läng=ü%20x".to_owned()),
        },
        reply_to: Some("orders.on-reserved".into()),
        data: r#"{"text":"\u0000 ' \" \\ 😀","n":1e400,"deep":[[[[]]]]}"#.to_owned(),
        ..event("orders.placed", "full")
    };
    let keys = [
        "",
        " ",
        ":",
        "::",
        "a:b",
        "'",
        "\"",
        "\\",
        "%",
        "_",
        "$1",
        "?",
        "ß",
        "e\u{301}",
        "é",
        "😀",
        "\u{202e}",
        "\n",
        "\t",
        "--",
        "null",
        "NULL",
        "{}",
        "\u{1}",
        "\u{feff}",
        "\u{10ffff}",
    ];
    let mut all: Vec<_> = keys.iter().map(|key| event("orders.placed", key)).collect();
    all.push(event("orders.placed", &"k".repeat(1_000)));
    all.push(Envelope { data: format!("\"{}\"", "x".repeat(1_000_000)), ..full.clone() });
    all.push(Envelope {
        time: "1970-01-01T00:00:00Z".parse().expect("a timestamp"),
        ..keyless("orders.placed")
    });
    all.push(Envelope { key: Some(Key::from_stored("no colon".to_owned())), ..full.clone() });
    for kind in [MessageKind::Event, MessageKind::Command, MessageKind::Reply] {
        all.push(Envelope { kind, ..full.clone() });
    }
    for message in &mut all {
        message.id = MessageId::new();
    }
    all
}

/// A waiter returns after an append that matches, also after one that came before it began to wait.
pub async fn a_waiter_hears_of_every_append(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut watch = store.watch(&filter(&["orders.placed"]));
    for round in 0..3 {
        append(store.as_ref(), &events("orders.placed", 1)).await;
        let heard = tokio::time::timeout(PATIENCE, watch.changed()).await;
        assert!(heard.is_ok(), "a waiter hears of an append before it waits, in round {round}");
    }
    for round in 0..3 {
        let waiting = tokio::spawn(async move {
            watch.changed().await;
            watch
        });
        append(store.as_ref(), &events("orders.placed", 1)).await;
        let heard = tokio::time::timeout(PATIENCE, waiting).await;
        watch = heard
            .unwrap_or_else(|_| panic!("a waiter hears of an append while it waits, in round {round}"))
            .expect("the waiter ends");
    }
}
