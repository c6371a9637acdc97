//! A server that ends under load and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidings_core::store::{Limits, Store as _, StoreError};
use tidings_postgres::{PostgresConfig, PostgresStore};
use tidings_testkit::script::{Op, query};

use crate::server::Server;
use crate::support::*;

const WORKERS: i64 = 6;

/// What a worker knows of its works, kept outside of the database: of each number whether it was told that it committed,
/// that it did not, or neither.
#[derive(Default)]
struct Account {
    committed: Vec<i64>,
    unknown: Vec<i64>,
    refused: u64,
}

async fn work(store: Arc<PostgresStore>, worker: i64, ends: Arc<AtomicBool>) -> Account {
    let mut account = Account::default();
    for turn in 0.. {
        if ends.load(Relaxed) {
            break;
        }
        let number = turn * WORKERS + worker;
        let insert = "INSERT INTO done (number) VALUES ($1)";
        let ops = vec![
            Op::Execute(insert, vec![number.into()]),
            execute("UPDATE counter SET n = n + 1 WHERE id = 1"),
            Op::Append(vec![event(&number.to_string())]),
        ];
        match run_for(&store, ops, Limits::default()).await {
            Ok(()) => account.committed.push(number),
            Err(StoreError::Unknown { .. }) => account.unknown.push(number),
            Err(error) if error.is_transient() => {
                account.refused += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(other) => panic!("a server that ends is nobody's fault: {}", told(&other)),
        }
    }
    account
}

/// Whatever was told as committed is there once, whatever was refused is not, and whatever is unknown is there wholly or
/// not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_when_the_server_ends() {
    if url().is_none() {
        return;
    }
    let Some(server) = Server::start() else { return };
    let config = PostgresConfig { connections_max: 8, ..fresh(&server.url()) };
    let store = open(&config).await;
    make_counter(&store).await;
    let table = tidings_core::store::Migration {
        version: 1,
        name: "done",
        sql: "CREATE TABLE done (number BIGINT PRIMARY KEY)",
    };
    store.migrate("done", &[table], at(0)).await.expect("a migration is applied");
    store.register(&spec("slow"), at(0)).await.expect("a consumer is registered");

    let ends = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> =
        (0..WORKERS).map(|worker| tokio::spawn(work(store.clone(), worker, ends.clone()))).collect();
    let server = Arc::new(server);
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let server = server.clone();
        let restart = tokio::task::spawn_blocking(move || match round % 2 {
            0 => server.restart_at_once(),
            _ => server.restart_fast(),
        });
        restart.await.expect("the server restarts");
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    ends.store(true, Relaxed);
    let mut account = Account::default();
    for worker in workers {
        let one = worker.await.expect("a worker ends");
        account.committed.extend(one.committed);
        account.unknown.extend(one.unknown);
        account.refused += one.refused;
    }

    // Another store, as after a restart of the application.
    let seen = open(&config).await;
    let rows =
        query(seen.as_ref(), "SELECT number FROM done ORDER BY number").await.expect("a table is read");
    let done: Vec<i64> = rows.iter().map(|row| row.get("number").expect("a number")).collect();
    let mut published = BTreeMap::<i64, u32>::new();
    for key in keys(&seen).await {
        *published.entry(key.trim_start_matches("order:").parse().expect("a number")).or_default() += 1;
    }
    assert!(published.values().all(|count| *count == 1), "nothing is published twice");
    assert_eq!(published.keys().copied().collect::<Vec<_>>(), done, "a row and its event go together");
    assert_eq!(counter(&seen).await, done.len() as i64, "each is counted once");
    for number in &account.committed {
        assert!(published.contains_key(number), "{number} was acknowledged, and is lost");
    }
    let surplus = done.iter().filter(|number| !account.committed.contains(number));
    for number in surplus {
        assert!(account.unknown.contains(number), "{number} was refused, and is there");
    }
    assert!(account.committed.len() > 50, "the workers have worked: {}", account.committed.len());
    // The very same store goes on.
    run_for(&store, [Op::Append(vec![event("-1")])], Limits::default()).await.expect("the store goes on");
    seen.close().await.expect("a store closes");
}
