//! Looking at a file from outside: beside a store that has it open, without one, and at what is no such file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidings_core::envelope::{Cursor, Envelope, Position};
use tidings_core::error::chain;
use tidings_core::flow::{FlowId, HandlingState, find};
use tidings_core::store::{Inspect, Lease, Limits, Receipt, Store, StoreError, Tx};
use tidings_sqlite::{SqliteInspector, SqliteStore};

use crate::support::*;

fn path(temp: &Temp) -> std::path::PathBuf {
    temp.folder.path().join("shop.db")
}

async fn refusal(path: impl AsRef<Path>) -> StoreError {
    match SqliteInspector::open(path.as_ref()).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn it_answers_as_the_store_does() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "a"), NOW).await.unwrap();
    let root = event("a");
    let effect = Envelope { causation_id: Some(root.id), correlation_id: root.id, ..event("b") };
    let (first, second) = (root.clone(), effect.clone());
    temp.run(work("append", move |tx| {
        let messages = [first.clone(), second.clone()];
        Box::pin(async move { tx.append(&messages).await })
    }))
    .await
    .unwrap();
    let inspector = SqliteInspector::open(path(&temp)).await.unwrap();
    for store in [&temp.store as &(dyn Inspect + Sync), &inspector] {
        assert_eq!(store.message(effect.id).await.unwrap().unwrap().envelope, effect);
        assert_eq!(store.flow(root.id).await.unwrap().len(), 2);
        let consumers = store.consumers().await.unwrap();
        assert_eq!((&*consumers[0].name, consumers[0].lag), ("shop.l", 1));
        assert!(store.queues().await.unwrap().is_empty());
        let flow = find(store, FlowId::Message(effect.id)).await.unwrap().unwrap();
        assert_eq!(flow.nodes.len(), 2);
        assert_eq!(flow.nodes[0].what.handlings()[0].state, HandlingState::Unread);
    }
    let [by_store, by_inspector] =
        [temp.store.flow_facts(root.id).await.unwrap(), inspector.flow_facts(root.id).await.unwrap()];
    assert_eq!(by_store, by_inspector);
}

/// Each look sees all of some commits and nothing of the next one, while they go on.
#[tokio::test(flavor = "multi_thread")]
async fn it_reads_while_a_store_writes_in_a_loop() {
    let temp = open().await;
    temp.store.register(&listener("shop.l", "a"), NOW).await.unwrap();
    let lease = hold(&temp.store, "shop.l").await.unwrap().lease;
    let root = event("a");
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, stop, root) = (temp.store.clone(), stop.clone(), root.clone());
        tokio::spawn(async move {
            let mut written: i64 = 0;
            while !stop.load(Ordering::SeqCst) {
                let (lease, root) = (lease.clone(), root.clone());
                let place = usize::try_from(written).unwrap() + 1;
                let step = work("step", move |tx| {
                    let message = if place == 1 {
                        root.clone()
                    } else {
                        Envelope { correlation_id: root.id, causation_id: Some(root.id), ..event("a") }
                    };
                    let lease = lease.clone();
                    Box::pin(async move {
                        tx.append(&[message]).await?;
                        handle(tx, &lease, place, place).await
                    })
                });
                store.transact(step, Limits::default()).await.unwrap();
                written += 1;
            }
            written
        })
    };
    until("something is written", || temp.store.stats().works_committed > 10).await;
    let inspector = SqliteInspector::open(path(&temp)).await.unwrap();
    let mut seen = 0;
    for _ in 0..100 {
        let facts = inspector.flow_facts(root.id).await.unwrap();
        assert!(facts.messages.len() >= seen, "time does not go backwards");
        seen = facts.messages.len();
        for message in &facts.messages {
            let state = &message.handlings[0].state;
            assert!(matches!(state, HandlingState::Handled { .. }), "half of a commit was seen: {state:?}");
        }
    }
    stop.store(true, Ordering::SeqCst);
    let written = writing.await.unwrap();
    let facts = inspector.flow_facts(root.id).await.unwrap();
    assert_eq!(
        i64::try_from(facts.messages.len()).unwrap(),
        written,
        "nothing that was committed is missing"
    );
}

/// What a reader that stays would hold back for ever.
#[tokio::test]
async fn it_holds_no_checkpoint_back() {
    let temp = open().await;
    temp.run(append_work("a")).await.unwrap();
    let inspector = SqliteInspector::open(path(&temp)).await.unwrap();
    assert_eq!(inspector.counts().await.unwrap()[0].count, 1);
    temp.run(append_work("a")).await.unwrap();
    let emptied =
        temp.outside().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(emptied, 0, "the checkpoint was busy");
    assert_eq!(fs::metadata(temp.folder.path().join("shop.db-wal")).unwrap().len(), 0);
    assert_eq!(inspector.counts().await.unwrap()[0].count, 2);
}

#[tokio::test]
async fn a_closed_database_is_read_without_a_trace() {
    let temp = open().await;
    temp.run(append_work("a")).await.unwrap();
    temp.store.close().await.unwrap();
    let before = files(temp.folder.path());
    assert!(!before.contains("shop.db-wal"), "the store has cleaned up: {before:?}");
    let bytes = fs::read(path(&temp)).unwrap();
    let inspector = SqliteInspector::open(path(&temp)).await.unwrap();
    assert_eq!(inspector.counts().await.unwrap()[0].count, 1);
    assert_eq!(files(temp.folder.path()), before, "a look leaves no file behind");
    assert!(fs::read(path(&temp)).unwrap() == bytes, "and changes nothing");

    // An application that starts is not in its way, nor it in the application's.
    let store = SqliteStore::open(config(&temp.folder)).await.unwrap();
    store.transact(append_work("a"), Limits::default()).await.unwrap();
    assert_eq!(inspector.counts().await.unwrap()[0].count, 2);
    store.close().await.unwrap();
    assert_eq!(inspector.counts().await.unwrap()[0].count, 2);
}

/// Each start and each end takes the ground from under one of the two ways to read. None of it is seen outside.
#[tokio::test(flavor = "multi_thread")]
async fn applications_may_come_and_go_meanwhile() {
    const ROUNDS: u64 = 40;
    let temp = open().await;
    temp.run(append_work("a")).await.unwrap();
    temp.store.close().await.unwrap();
    let inspector = SqliteInspector::open(path(&temp)).await.unwrap();
    let config = config(&temp.folder);
    let coming_and_going = tokio::spawn(async move {
        for _ in 0..ROUNDS {
            let store = SqliteStore::open(config.clone()).await.unwrap();
            store.transact(append_work("a"), Limits::default()).await.unwrap();
            store.close().await.unwrap();
        }
    });
    let mut seen = 1;
    while seen <= ROUNDS {
        let ended = coming_and_going.is_finished();
        let count = inspector.counts().await.unwrap()[0].count;
        assert!(count >= seen, "what was committed was seen before: {count} after {seen}");
        seen = count;
        assert!(!ended || seen == ROUNDS + 1, "the last commit is not seen");
    }
    coming_and_going.await.unwrap();
}

/// What a killed process leaves behind: commits that are in the write-ahead log only.
#[tokio::test]
async fn what_a_killed_process_left_is_read_whole() {
    let temp = open().await;
    temp.run(append_work("a")).await.unwrap();
    let killed = tempfile::tempdir().unwrap();
    for name in ["shop.db", "shop.db-wal"] {
        fs::copy(temp.folder.path().join(name), killed.path().join(name)).unwrap();
    }
    let inspector = SqliteInspector::open(killed.path().join("shop.db")).await.unwrap();
    assert_eq!(inspector.counts().await.unwrap()[0].count, 1);
}

#[tokio::test]
async fn odd_names_are_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b?c#d%41é.db");
    let store = SqliteStore::open(tidings_sqlite::SqliteConfig::new(&path)).await.unwrap();
    let beside = SqliteInspector::open(&path).await.unwrap();
    store.close().await.unwrap();
    assert!(beside.counts().await.unwrap().is_empty());
    assert!(SqliteInspector::open(&path).await.is_ok());
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE stock (sku TEXT)").unwrap();
    fs::write(folder.path().join("empty.db"), "").unwrap();
    fs::write(folder.path().join("garbage.db"), [7; 8_192]).unwrap();
    fs::create_dir(folder.path().join("folder.db")).unwrap();
    let before = files(folder.path());
    let cases = [
        ("missing.db", "there is no such file"),
        ("no/such/shop.db", "there is no such file"),
        ("foreign.db", "it is no database of Tidings"),
        ("empty.db", "it is no database of Tidings"),
        ("garbage.db", "corrupt or not a database"),
        ("folder.db", "it is a folder"),
    ];
    for (name, expected) in cases {
        let text = chain(&refusal(folder.path().join(name)).await);
        assert!(text.contains(name) && text.contains(expected), "{name}: {text}");
    }
    assert_eq!(files(folder.path()), before, "nothing was made");
}

#[tokio::test]
async fn another_schema_is_told_and_left_alone() {
    let temp = open().await;
    let inspector = SqliteInspector::open(path(&temp)).await.unwrap();
    let sql = "DELETE FROM tidings_migrations WHERE module = 'tidings' AND version > 1";
    temp.outside().execute(sql, []).unwrap();
    let error = refusal(path(&temp)).await;
    assert!(matches!(error, StoreError::OlderSchema { found: 1, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("shop.db"), "{error}");
    temp.outside()
        .execute("INSERT INTO tidings_migrations VALUES ('tidings', 99, 'future', x'00', 0)", [])
        .unwrap();
    // Also when it became another one since.
    for error in [refusal(path(&temp)).await, inspector.counts().await.unwrap_err()] {
        assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 2 }), "{error:?}");
    }
}

/// Only an index finds a flow among many fast enough to be asked for while it runs.
#[tokio::test]
async fn a_flow_is_found_by_indexes() {
    let temp = open().await;
    for (name, sql) in [
        ("flow_correlation", include_str!("../../queries/flow_correlation.sql")),
        ("flow_messages", include_str!("../../queries/flow_messages.sql")),
        ("flow_outcomes", include_str!("../../queries/flow_outcomes.sql")),
        ("flow_parked", include_str!("../../queries/flow_parked.sql")),
        ("flow_receipt", include_str!("../../queries/flow_receipt.sql")),
        ("flow_jobs", include_str!("../../queries/flow_jobs.sql")),
        ("flow_attempts", include_str!("../../queries/flow_attempts.sql")),
    ] {
        let connection = temp.outside();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![0_i64; plan.parameter_count()];
        let steps =
            plan.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(steps.iter().any(|step| step.contains("SEARCH")), "{name}: {steps:?}");
        // The rows of a subquery are few, since it has its own step.
        let is_of_a_table = |step: &&String| step.contains("SCAN") && !step.contains("SCAN (subquery");
        assert_eq!(steps.iter().find(is_of_a_table), None, "{name}: {steps:?}");
    }
}

/// A look at a flow that is an incident does not become one itself, whether its messages were handled in batches or alone.
#[tokio::test]
async fn a_huge_flow_is_read_in_time() {
    const MESSAGES: usize = 100_000;
    const TOGETHER: usize = 1_000;
    let temp = open_with(|config| config.synchronous = tidings_sqlite::Synchronous::Off).await;
    for consumer in ["shop.batches", "shop.singles", "shop.unread"] {
        temp.store.register(&listener(consumer, "a"), NOW).await.unwrap();
    }
    let batches = hold(&temp.store, "shop.batches").await.unwrap().lease;
    let singles = hold(&temp.store, "shop.singles").await.unwrap().lease;
    let flow = event("a").id;
    for chunk in 0..MESSAGES / TOGETHER {
        let (batches, singles) = (batches.clone(), singles.clone());
        let append = work("append", move |tx| {
            let messages: Vec<_> = (0..TOGETHER)
                .map(|_| Envelope { correlation_id: flow, causation_id: Some(flow), ..event("a") })
                .collect();
            let places = chunk * TOGETHER + 1..=(chunk + 1) * TOGETHER;
            let (batches, singles) = (batches.clone(), singles.clone());
            Box::pin(async move {
                tx.append(&messages).await?;
                handle(tx, &batches, *places.start(), *places.end()).await?;
                for place in places {
                    handle(tx, &singles, place, place).await?;
                }
                Ok(())
            })
        });
        temp.run(append).await.unwrap();
    }
    let inspector = SqliteInspector::open(path(&temp)).await.unwrap();
    let begun = Instant::now();
    let found = find(&inspector, FlowId::Message(flow)).await.unwrap().unwrap();
    let took = begun.elapsed();
    assert_eq!((found.fan_out.messages, found.open.unread), (100_000, 100_000));
    assert!(took < Duration::from_secs(20), "it took {took:?}");
}

/// Moves a consumer's cursor, and writes the receipt of what it handled.
async fn handle(tx: &mut dyn Tx, lease: &Lease, first: usize, last: usize) -> Result<(), StoreError> {
    let [first, last] = [first, last].map(|place| Position(i64::try_from(place).unwrap()));
    let count = u32::try_from(last.0 - first.0 + 1).unwrap();
    tx.advance(lease, &Cursor(last.0.to_string()), Some(&Receipt { first, last, count, at: NOW })).await
}
