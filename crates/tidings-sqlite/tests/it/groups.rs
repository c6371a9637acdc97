//! Group commit: who shares a commit, and who pays for whom.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{Store, StoreError, Work};

use crate::support::*;

const STOCK: &str = "CREATE TABLE stock (sku TEXT PRIMARY KEY, left INTEGER) STRICT";

fn insert(sku: &'static str) -> Arc<dyn Work> {
    insert_on("native", sku)
}

pub(crate) fn insert_on(driver: &'static str, sku: &'static str) -> Arc<dyn Work> {
    work_on(driver, sku, move |tx| {
        Box::pin(async move {
            tx.execute(SHOP, "INSERT INTO stock VALUES ($1, 1)", &[sku.into()]).await.map(drop)
        })
    })
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
    let works = vec![
        insert_on("sqlx", "a"),
        insert_on("sqlx", "b"),
        insert("c"),
        insert("d"),
        insert_on("sqlx", "e"),
    ];
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
async fn nothing_leaves_before_the_commit() {
    let temp = open_with(|config| config.group_elapsed_max = Duration::from_secs(60)).await;
    temp.table(STOCK).await;
    let mut watch = temp.store.watch(&filter("x"));
    let first = Gate::shut(&temp).await;
    let done = [spawn(&temp, insert("a")), spawn(&temp, append_work("x"))];
    let failed = spawn(&temp, insert("a"));
    let (last, last_work) = Gate::work("last", Ok(()));
    let last_done = spawn(&temp, last_work);
    tokio::task::yield_now().await;
    first.open();
    last.reached().await;
    let woken = tokio::time::timeout(Duration::from_millis(30), watch.changed()).await.is_ok();
    assert!(!woken, "woken before the commit");
    assert!(done.iter().all(|done| !done.is_finished()), "answered before the commit");
    assert!(
        !failed.is_finished(),
        "a failure was answered before the commit, though it saw a neighbour's row"
    );
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 0, "visible before the commit");
    last.open();
    last_done.await.unwrap().unwrap();
    assert!(failed.await.unwrap().is_err());
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
        let results =
            together(&temp, vec![undoing("a", "b"), insert_on(driver, "x"), undoing("c", "d")]).await;
        assert!(results.iter().all(Result::is_ok), "{driver}: {results:?}");
        assert_eq!(temp.count("SELECT count(*) FROM stock WHERE sku IN ('b', 'd', 'x')"), 3, "{driver}");
        assert_eq!(temp.count("SELECT count(*) FROM stock"), 3, "{driver}");
        temp.table("DELETE FROM stock").await;
    }
}
