//! Group commit: who shares a commit, and who pays for whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings_core::store::{Limits, Store, StoreError, Work};
use tokio::sync::Notify;

use crate::support::*;

const STOCK: &str = "CREATE TABLE stock (sku TEXT PRIMARY KEY, left INTEGER) STRICT";

fn insert(sku: &'static str) -> Arc<dyn Work> {
    insert_on("native", sku)
}

fn insert_on(driver: &'static str, sku: &'static str) -> Arc<dyn Work> {
    work_on(driver, sku, move |tx| {
        Box::pin(async move {
            tx.execute(SHOP, "INSERT INTO stock VALUES ($1, 1)", &[sku.into()]).await.map(drop)
        })
    })
}

/// Runs works that are all waiting when the writer comes to them, so that they share a group.
pub(crate) async fn together(temp: &Temp, works: Vec<Arc<dyn Work>>) -> Vec<Result<(), StoreError>> {
    let (running, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let (its_running, its_gate) = (running.clone(), gate.clone());
    let first = work("gate", move |_| {
        let (running, gate) = (its_running.clone(), its_gate.clone());
        Box::pin(async move {
            running.store(true, Ordering::SeqCst);
            gate.notified().await;
            Err(StoreError::Undone)
        })
    });
    let mut waiting = vec![spawn(temp, first)];
    until("the gate runs", || running.load(Ordering::SeqCst)).await;
    for work in works {
        waiting.push(spawn(temp, work));
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    let mut results = Vec::new();
    for waiting in waiting {
        results.push(waiting.await.unwrap());
    }
    results.remove(0).unwrap_err();
    results
}

fn spawn(temp: &Temp, work: Arc<dyn Work>) -> tokio::task::JoinHandle<Result<(), StoreError>> {
    let store = temp.store.clone();
    tokio::spawn(async move { store.transact(work, Limits::default()).await })
}

#[tokio::test]
async fn works_that_wait_together_share_one_commit() {
    let temp = open_with(|config| config.group_elapsed_max = Duration::from_secs(60)).await;
    temp.table(STOCK).await;
    let before = temp.store.stats();
    let results = together(&temp, vec![insert("a"), insert("b"), append_work("x"), insert("c")]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let after = temp.store.stats();
    assert_eq!(after.commits - before.commits, 1);
    assert_eq!(after.works_committed - before.works_committed, 4);
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 3);
}

#[tokio::test]
async fn a_group_ends_where_the_driver_changes_and_at_its_bounds() {
    let temp = open_with(|config| {
        config.group_elapsed_max = Duration::from_secs(60);
        config.group_members_max = 3;
    })
    .await;
    temp.table(STOCK).await;
    let before = temp.store.stats();
    let works = vec![insert_on("sqlx", "a"), insert_on("sqlx", "b"), insert("c"), insert("d"), insert_on("sqlx", "e")];
    let results = together(&temp, works).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let after = temp.store.stats();
    assert_eq!(after.commits - before.commits, 3, "two of sqlx, two native, one of sqlx");
    let works = (0..7).map(|i| insert(["f", "g", "h", "i", "j", "k", "l"][i])).collect();
    together(&temp, works).await;
    assert_eq!(temp.store.stats().group_members_max, 3);
}

#[tokio::test]
async fn one_that_fails_leaves_its_neighbours_alone() {
    let temp = open_with(|config| config.group_elapsed_max = Duration::from_secs(60)).await;
    for driver in ["native", "sqlx"] {
        temp.table(STOCK).await;
        let before = temp.store.stats();
        let works = vec![insert_on(driver, "a"), insert_on(driver, "a"), insert_on(driver, "b")];
        let results = together(&temp, works).await;
        assert!(results[0].is_ok() && results[2].is_ok(), "{driver}: {results:?}");
        assert!(matches!(results[1], Err(StoreError::Sql { .. })), "{driver}: {results:?}");
        assert_eq!(temp.store.stats().commits - before.commits, 1, "{driver}");
        assert_eq!(temp.count("SELECT count(*) FROM stock"), 2, "{driver}");
        temp.table("DROP TABLE stock").await;
    }
}

#[tokio::test]
async fn nothing_is_answered_before_the_commit() {
    let temp = open_with(|config| config.group_elapsed_max = Duration::from_secs(60)).await;
    temp.table(STOCK).await;
    let (running, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let (its_running, its_gate) = (running.clone(), gate.clone());
    let last = work("last", move |_| {
        let (running, gate) = (its_running.clone(), its_gate.clone());
        Box::pin(async move {
            running.store(true, Ordering::SeqCst);
            gate.notified().await;
            Ok(())
        })
    });
    let answered = Arc::new(AtomicBool::new(false));
    let store = temp.store.clone();
    let its_answered = answered.clone();
    let mut watch = store.watch(&filter("x"));
    let group = async {
        together(&temp, vec![insert("a"), append_work("x"), insert("a"), last]).await
    };
    let opener = async {
        until("the last work runs", || running.load(Ordering::SeqCst)).await;
        assert!(tokio::time::timeout(Duration::from_millis(30), watch.changed()).await.is_err(), "woken early");
        assert!(!its_answered.load(Ordering::SeqCst));
        assert_eq!(temp.count("SELECT count(*) FROM stock"), 0, "visible early");
        gate.notify_one();
    };
    let (results, ()) = tokio::join!(group, opener);
    assert!(results[2].is_err());
    watch.changed().await;
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 1);
}

#[tokio::test]
async fn the_queue_is_bounded() {
    let temp = open_with(|config| config.queue_max = 2).await;
    temp.table(STOCK).await;
    let results = together(&temp, vec![insert("a"), insert("b"), insert("c")]).await;
    assert!(matches!(results[2], Err(StoreError::Overloaded { waiting: 2 })), "{results:?}");
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 2);
}

#[tokio::test]
async fn undo_gives_back_a_clean_transaction_on_both_drivers() {
    let temp = open().await;
    temp.table(STOCK).await;
    for driver in ["native", "sqlx"] {
        let undoing = |sku: &'static str, kept: &'static str| {
            work_on(driver, "undoing", move |tx| {
                Box::pin(async move {
                    let sql = "INSERT INTO stock VALUES ($1, 1)";
                    tx.execute(SHOP, sql, &[sku.into()]).await?;
                    tx.undo().await?;
                    tx.execute(SHOP, sql, &[kept.into()]).await?;
                    let inner = tx.savepoint().await?;
                    tx.execute(SHOP, sql, &["never".into()]).await?;
                    tx.rollback_to(inner).await?;
                    let inner = tx.savepoint().await?;
                    tx.execute(SHOP, "UPDATE stock SET left = 7", &[]).await?;
                    tx.release(inner).await
                })
            })
        };
        let results = together(&temp, vec![undoing("a", "b"), insert_on(driver, "x"), undoing("c", "d")]).await;
        assert!(results.iter().all(Result::is_ok), "{driver}: {results:?}");
        assert_eq!(temp.count("SELECT count(*) FROM stock WHERE sku IN ('b', 'd', 'x')"), 3, "{driver}");
        assert_eq!(temp.count("SELECT count(*) FROM stock"), 3, "{driver}");
        temp.table("DELETE FROM stock").await;
    }
}
