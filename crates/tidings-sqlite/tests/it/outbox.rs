//! Publishing from transactions that are no works: lent by the store, or begun on a pool of the user's own.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqlitePool};
use tidings_core::store::{Limits, Store, StoreError};

use crate::support::*;

const INSERT: &str = "INSERT INTO stock VALUES ('a')";

async fn with_table() -> Temp {
    let temp = open().await;
    temp.table("CREATE TABLE stock (sku TEXT)").await;
    temp
}

async fn pool(temp: &Temp) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(temp.folder.path().join("shop.db"))
        .busy_timeout(Duration::from_secs(5));
    SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap()
}

#[tokio::test]
async fn a_lent_transaction_commits_rows_and_events_together_and_wakes() {
    let temp = with_table().await;
    let mut watch = temp.store.watch(&filter("x"));
    let mut tx = temp.store.begin().await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx.connection().await.unwrap()).await.unwrap();
    tx.append(&[event("x"), event("x")]).await.unwrap();
    assert_eq!(temp.log("x").await.len(), 0, "visible before the commit");
    tx.commit().await.unwrap();
    let started = Instant::now();
    watch.changed().await;
    assert!(started.elapsed() < Duration::from_secs(4), "only the fallback woke it");
    assert_eq!((temp.log("x").await.len(), temp.count("SELECT count(*) FROM stock")), (2, 1));
}

#[tokio::test]
async fn a_lent_transaction_that_is_dropped_or_rolled_back_leaves_nothing() {
    let temp = with_table().await;
    let mut tx = temp.store.begin().await.unwrap();
    tx.append(&[event("x")]).await.unwrap();
    drop(tx);
    let mut tx = temp.store.begin().await.unwrap();
    {
        let mut connection = tx.connection().await.unwrap();
        // A transaction inside becomes a savepoint; left open it goes with the rest.
        let mut inner = connection.begin().await.unwrap();
        sqlx::query(INSERT).execute(&mut *inner).await.unwrap();
        inner.commit().await.unwrap();
    }
    tx.rollback().await.unwrap();
    temp.run(append_work("y")).await.unwrap();
    assert_eq!((temp.log("x").await.len(), temp.count("SELECT count(*) FROM stock")), (0, 0));
}

#[tokio::test]
async fn a_lent_transaction_over_its_budget_is_taken_back() {
    let temp = with_table().await;
    let budget = Limits { budget: Duration::from_millis(50), wait: None };
    let mut tx = temp.store.begin_within(budget).await.unwrap();
    tx.append(&[event("x")]).await.unwrap();
    // The holder awaits something else; the writer goes on without it.
    temp.run(append_work("y")).await.unwrap();
    let late = tx.append(&[event("x")]).await;
    assert!(matches!(late, Err(StoreError::Budget { .. })), "{late:?}");
    assert!(matches!(tx.connection().await.err(), Some(StoreError::Budget { .. })));
    assert!(matches!(tx.commit().await, Err(StoreError::Budget { .. })));
    assert_eq!((temp.log("x").await.len(), temp.log("y").await.len()), (0, 1));
}

#[tokio::test]
async fn a_lent_transaction_takes_its_turn_in_the_queue() {
    let temp = with_table().await;
    let gate = Gate::shut(&temp).await;
    let store = temp.store.clone();
    let lent = tokio::spawn(async move { store.begin().await });
    tokio::task::yield_now().await;
    let behind = spawn(&temp, append_work("x"));
    tokio::task::yield_now().await;
    assert!(!lent.is_finished());
    gate.open();
    let tx = lent.await.unwrap().unwrap();
    assert!(!behind.is_finished());
    tx.commit().await.unwrap();
    behind.await.unwrap().unwrap();
}

#[tokio::test]
async fn events_in_a_transaction_of_the_users_own_pool_wake_after_its_commit() {
    let temp = with_table().await;
    let pool = pool(&temp).await;
    let mut watch = temp.store.watch(&filter("x"));
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query(INSERT).execute(&mut *tx).await.unwrap();
    temp.store.append_on(&mut tx, &[event("x")]).await.unwrap();
    assert_eq!(temp.log("x").await.len(), 0);
    tx.commit().await.unwrap();
    let started = Instant::now();
    watch.changed().await;
    assert!(started.elapsed() < Duration::from_secs(4), "only the fallback woke it");
    assert_eq!(temp.log("x").await.len(), 1);
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    temp.store.append_on(&mut tx, &[event("x"), event("x")]).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!((temp.log("x").await.len(), temp.count("SELECT count(*) FROM stock")), (1, 1));
}

#[tokio::test]
async fn a_deferred_begin_that_reads_first_is_busy_at_once_and_a_lent_one_is_not() {
    let temp = with_table().await;
    let pool = pool(&temp).await;
    let mut tx = pool.begin().await.unwrap();
    let _: i64 = sqlx::query_scalar("SELECT count(*) FROM stock").fetch_one(&mut *tx).await.unwrap();
    temp.run(append_work("y")).await.unwrap();
    let started = Instant::now();
    let busy = temp.store.append_on(&mut tx, &[event("x")]).await.unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "no busy timeout helps against a stale snapshot");
    assert!(temp.store.is_transient(&busy.into()));
    tx.rollback().await.unwrap();

    let mut tx = temp.store.begin().await.unwrap();
    let mut connection = tx.connection().await.unwrap();
    let _: i64 = sqlx::query_scalar("SELECT count(*) FROM stock").fetch_one(&mut *connection).await.unwrap();
    drop(connection);
    tx.append(&[event("x")]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn many_messages_over_sqlx_are_read_back_whole() {
    let temp = open().await;
    let mut sent = vec![keyed("x", "1"), event("x"), keyed("x", "é\"\\")];
    sent[0].causation_id = Some(sent[1].id);
    sent[1].reply_to = Some("shop.reply".into());
    sent[2].data = r#"{"a":[1,2.5,null,"\u0007é"]}"#.to_owned();
    sent[2].trace.tracestate = Some("a=b".to_owned());
    let messages = sent.clone();
    let run = work_on("sqlx", "append", move |tx| {
        let messages = messages.clone();
        Box::pin(async move { tx.append(&messages).await })
    });
    temp.run(run).await.unwrap();
    let read: Vec<_> = temp.log("x").await.into_iter().map(|read| read.envelope).collect();
    assert_eq!(read, sent);
}

/// The holder cannot be made to let go, but everybody is told who it is.
#[tokio::test]
async fn a_lent_connection_that_is_kept_too_long_is_named_to_all_who_come() {
    let temp = open_with(|config| config.block_grace = Duration::from_millis(20)).await;
    temp.table("CREATE TABLE stock (sku TEXT)").await;
    let budget = Limits { budget: Duration::from_millis(20), wait: None };
    let mut tx = temp.store.begin_within(budget).await.unwrap();
    let mut kept = tx.connection().await.unwrap();
    sqlx::query(INSERT).execute(&mut *kept).await.unwrap();
    let refused = async {
        loop {
            let probe = Limits { wait: Some(Duration::from_millis(5)), ..Limits::default() };
            match temp.store.transact(append_work("x"), probe).await {
                Err(error @ StoreError::Blocked { .. }) => return error.to_string(),
                Err(StoreError::Timeout { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let text = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    assert!(text.contains("has kept its `LentConnection`"), "{text}");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    sqlx::query(endless).execute(&mut *kept).await.unwrap_err();
    drop(kept);
    assert!(matches!(tx.commit().await, Err(StoreError::Budget { .. })));
    let goes_on = async {
        while temp.run(append_work("y")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), goes_on).await.unwrap();
    assert_eq!((temp.log("x").await.len(), temp.count("SELECT count(*) FROM stock")), (0, 0));
}

#[tokio::test]
async fn one_task_looks_for_all_foreign_commits_and_ends() {
    let temp = with_table().await;
    let pool = pool(&temp).await;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let before = alive();
    let mut watches: Vec<_> = ["x", "y"].map(|name| temp.store.watch(&filter(name))).into();
    for index in 0..100 {
        temp.store.append_on(&mut tx, &[event(["x", "y"][index % 2])]).await.unwrap();
    }
    assert!(alive() <= before + 1, "{} tasks look for 100 publishes", alive() - before);
    tx.commit().await.unwrap();
    let started = Instant::now();
    for watch in &mut watches {
        watch.changed().await;
    }
    assert!(started.elapsed() < Duration::from_secs(4), "only the fallback woke it");
    until("the task ends", || alive() <= before).await;
}

#[tokio::test]
async fn without_a_transaction_nothing_is_appended() {
    let temp = with_table().await;
    let pool = pool(&temp).await;
    let mut connection = pool.acquire().await.unwrap();
    let error = temp.store.append_on(&mut connection, &[event("x")]).await.unwrap_err();
    assert!(tidings_core::error::chain(&error).contains("BEGIN IMMEDIATE"), "{error}");
    assert_eq!(temp.log("x").await.len(), 0);
    // One that was begun without sqlx's knowledge is one all the same.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.unwrap();
    temp.store.append_on(&mut connection, &[event("x")]).await.unwrap();
    sqlx::query("COMMIT").execute(&mut *connection).await.unwrap();
    assert_eq!(temp.log("x").await.len(), 1);
}
