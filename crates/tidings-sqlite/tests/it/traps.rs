//! What a work can do to the transaction it shares, and that only the guilty one pays.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings_core::error::chain;
use tidings_core::store::{Limits, Store, StoreError, Tx, Work};
use tidings_sqlite::SqlxTx;

use crate::support::*;

const STOCK: &str = "CREATE TABLE stock (sku TEXT PRIMARY KEY, left INTEGER) STRICT";
const DRIVERS: [&str; 2] = ["native", "sqlx"];

fn statement(driver: &'static str, name: &str, sql: &'static str) -> Arc<dyn Work> {
    work_on(driver, name, move |tx| Box::pin(async move { tx.execute(SHOP, sql, &[]).await.map(drop) }))
}

fn insert(driver: &'static str, sku: &str) -> Arc<dyn Work> {
    let sku = sku.to_owned();
    work_on(driver, "insert", move |tx| {
        let sku = sku.clone();
        Box::pin(async move {
            tx.execute(SHOP, "INSERT INTO stock VALUES ($1, 1)", &[sku.into()]).await.map(drop)
        })
    })
}

async fn grouping() -> Temp {
    open_with(|config| config.group_elapsed_max = Duration::from_secs(60)).await
}

/// The guilty work stands between two innocent ones; they commit, it fails, and afterwards all goes on.
async fn only_the_guilty_fails(temp: &Temp, driver: &'static str, guilty: Arc<dyn Work>) -> StoreError {
    let before = temp.count("SELECT count(*) FROM stock");
    let works = vec![insert(driver, &format!("{driver}-1")), guilty, insert(driver, &format!("{driver}-2"))];
    let mut results = together(temp, works).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{driver}: {results:?}");
    assert_eq!(temp.count("SELECT count(*) FROM stock") - before, 2, "{driver}");
    temp.run(insert(driver, &format!("{driver}-3"))).await.unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM stock") - before, 3, "{driver}");
    results.remove(1).expect_err("the guilty one")
}

#[tokio::test]
async fn a_deferred_foreign_key_that_fails_at_the_commit() {
    for driver in DRIVERS {
        let temp = grouping().await;
        temp.table(STOCK).await;
        temp.table("CREATE TABLE lines (sku TEXT REFERENCES stock DEFERRABLE INITIALLY DEFERRED)").await;
        let guilty = || statement(driver, "guilty", "INSERT INTO lines VALUES ('no-such-sku')");
        let error = only_the_guilty_fails(&temp, driver, guilty()).await;
        assert!(matches!(&error, StoreError::Sql { context, .. } if context.contains("guilty")), "{error:?}");
        let commits = temp.store.stats();
        assert!(commits.works_rerun >= 3, "the works of the group ran again alone");
        temp.run(guilty()).await.expect_err("alone it fails just so");
        assert_eq!(temp.store.stats().works_rerun, commits.works_rerun, "and is not run twice for it");
    }
}

#[tokio::test]
async fn on_conflict_rollback_ends_the_whole_transaction() {
    for driver in DRIVERS {
        let temp = grouping().await;
        temp.table(STOCK).await;
        temp.run(insert(driver, "taken")).await.unwrap();
        let sql = "INSERT OR ROLLBACK INTO stock VALUES ('taken', 1)";
        let error = only_the_guilty_fails(&temp, driver, statement(driver, "guilty", sql)).await;
        assert!(matches!(error, StoreError::TransactionLost { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn raise_rollback_ends_the_whole_transaction_though_the_work_goes_on() {
    for driver in DRIVERS {
        let temp = grouping().await;
        temp.table(STOCK).await;
        temp.table(
            "CREATE TRIGGER strict BEFORE INSERT ON stock WHEN new.left < 0 BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        )
        .await;
        let guilty = work_on(driver, "guilty", |tx| {
            Box::pin(async move {
                let lost = tx.execute(SHOP, "INSERT INTO stock VALUES ('minus', -1)", &[]).await;
                assert!(matches!(lost, Err(StoreError::TransactionLost { .. })), "{lost:?}");
                // Without a check this would be a transaction, and a commit, of its own.
                let after = tx.execute(SHOP, "INSERT INTO stock VALUES ('orphan', 1)", &[]).await;
                assert!(matches!(after, Err(StoreError::TransactionLost { .. })), "{after:?}");
                assert!(tx.savepoint().await.is_err());
                Ok(())
            })
        });
        let error = only_the_guilty_fails(&temp, driver, guilty).await;
        assert!(matches!(error, StoreError::TransactionLost { .. }), "{error:?}");
        assert_eq!(temp.count("SELECT count(*) FROM stock WHERE sku = 'orphan'"), 0, "{driver}");
    }
}

#[tokio::test]
async fn typed_statements_after_a_lost_transaction_commit_nothing() {
    let temp = grouping().await;
    temp.table(STOCK).await;
    temp.run(insert("sqlx", "taken")).await.unwrap();
    let guilty = work_on("sqlx", "guilty", |tx| {
        Box::pin(async move {
            let connection = tx.as_any_mut().downcast_mut::<SqlxTx>().unwrap().connection().await?;
            let lost = sqlx::query("INSERT OR ROLLBACK INTO stock VALUES ('taken', 1)");
            lost.execute(&mut *connection).await.unwrap_err();
            let orphan =
                sqlx::query("INSERT INTO stock VALUES ('orphan', 1)").execute(&mut *connection).await;
            assert!(orphan.is_err(), "a statement of its own was committed");
            Ok(())
        })
    });
    only_the_guilty_fails(&temp, "sqlx", guilty).await;
    assert_eq!(temp.count("SELECT count(*) FROM stock WHERE sku = 'orphan'"), 0);
}

#[tokio::test]
async fn a_work_cannot_commit_by_itself() {
    let temp = grouping().await;
    temp.table(STOCK).await;
    for driver in DRIVERS {
        let error = only_the_guilty_fails(&temp, driver, statement(driver, "guilty", "COMMIT")).await;
        assert!(error.to_string().contains("may not run BEGIN, COMMIT or ROLLBACK"), "{driver}: {error:?}");
    }
    // The connection itself asks nobody, but its commit is refused.
    let raw = work_on("sqlx", "guilty", |tx| {
        Box::pin(async move {
            let connection = tx.as_any_mut().downcast_mut::<SqlxTx>().unwrap().connection().await?;
            sqlx::query("COMMIT").execute(connection).await.unwrap_err();
            Ok(())
        })
    });
    temp.table("DELETE FROM stock").await;
    let error = only_the_guilty_fails(&temp, "sqlx", raw).await;
    assert!(matches!(error, StoreError::TransactionLost { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_database_fails_the_one_that_filled_it() {
    let temp = small().await;
    let error = only_the_guilty_fails(&temp, "native", statement("native", "guilty", JUNK)).await;
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_eq!(temp.count("SELECT count(*) FROM junk"), 0);
}

const JUNK: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
                    INSERT INTO junk SELECT zeroblob(4000) FROM n";

/// One row, for which SQLite keeps no journal of the statement: where the disk is full, the whole transaction goes.
const PIECE_OF_JUNK: &str = "INSERT INTO junk VALUES (zeroblob(40000))";

/// A database that may not grow much.
async fn small() -> Temp {
    let temp = open_with(|config| {
        config.group_elapsed_max = Duration::from_secs(60);
        config.pages_max = Some(200);
    })
    .await;
    temp.table(STOCK).await;
    temp.table("CREATE TABLE junk (bytes BLOB)").await;
    temp
}

/// The runtime's works end with an error of their own: what it was stays with the one who started them.
#[tokio::test]
async fn a_full_disk_is_told_though_the_work_answers_with_an_error_of_its_own() {
    for driver in DRIVERS {
        let temp = small().await;
        let guilty = work_on(driver, "guilty", |tx| {
            Box::pin(async move {
                tx.execute(SHOP, "INSERT INTO stock VALUES ('a', 1)", &[]).await?;
                while tx.execute(SHOP, PIECE_OF_JUNK, &[]).await.is_ok() {}
                Err(StoreError::Undone)
            })
        });
        let error = temp.run(guilty).await.unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{driver}: {error:?}");
        assert!(chain(&error).contains("is full"), "{driver}: {}", chain(&error));
        assert!(temp.store.is_store_trouble(&error.into()), "{driver}");
        temp.run(insert(driver, "next")).await.unwrap();
    }
}

#[tokio::test]
async fn a_raw_error_of_the_driver_is_known_as_trouble_of_the_store() {
    let temp = small().await;
    let seen = Arc::new(std::sync::Mutex::new(None));
    let its_seen = seen.clone();
    let guilty = work_on("sqlx", "guilty", move |tx| {
        let seen = its_seen.clone();
        Box::pin(async move {
            let typed = tx.as_any_mut().downcast_mut::<SqlxTx>().unwrap();
            loop {
                if let Err(error) = sqlx::query(PIECE_OF_JUNK).execute(typed.connection().await?).await {
                    *seen.lock().unwrap() = Some(error);
                    return Err(StoreError::Undone);
                }
            }
        })
    });
    temp.run(guilty).await.unwrap_err();
    let raw: tidings_core::error::Error = seen.lock().unwrap().take().unwrap().into();
    assert!(temp.store.is_store_trouble(&raw), "{raw:?}");
    assert!(!temp.store.is_transient(&raw));
    let wrong = temp.run(statement("native", "wrong", "INSERT INTO nowhere VALUES (1)")).await.unwrap_err();
    assert!(!temp.store.is_store_trouble(&wrong.into()), "a wrong statement is the work's own");
}

/// A budget without an end must not end the thread that watches over all others.
#[tokio::test]
async fn a_work_without_a_budget_leaves_others_theirs() {
    let temp = grouping().await;
    temp.table(STOCK).await;
    let endless = Limits { budget: Duration::MAX, wait: None };
    let (long, work) = Gate::work("long", Ok(()));
    let store = temp.store.clone();
    let running = tokio::spawn(async move { store.transact(work, endless).await });
    long.reached().await;
    // Long enough for that thread to look at it, which nothing tells.
    tokio::time::sleep(Duration::from_millis(50)).await;
    long.open();
    running.await.unwrap().unwrap();
    let endless = temp.store.transact(statement("native", "endless", ENDLESS), short());
    let error =
        tokio::time::timeout(Duration::from_secs(20), endless).await.expect("nobody watches").unwrap_err();
    assert!(matches!(error, StoreError::Budget { .. }), "{error:?}");
}

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       INSERT INTO stock SELECT 'endless', max(i) FROM n";

fn short() -> Limits {
    Limits { budget: Duration::from_millis(60), wait: None }
}

#[tokio::test]
async fn a_long_statement_is_interrupted_and_named() {
    for driver in DRIVERS {
        let temp = grouping().await;
        temp.table(STOCK).await;
        let gate = Gate::shut(&temp).await;
        let before = spawn(&temp, insert(driver, "before"));
        let store = temp.store.clone();
        let guilty = statement(driver, "listener `shop.endless`", ENDLESS);
        let guilty = tokio::spawn(async move { store.transact(guilty, short()).await });
        tokio::task::yield_now().await;
        let after = spawn(&temp, insert(driver, "after"));
        gate.open();
        let error = guilty.await.unwrap().unwrap_err();
        assert!(
            matches!(&error, StoreError::Budget { work, .. } if work == "listener `shop.endless`"),
            "{error:?}"
        );
        before.await.unwrap().unwrap();
        after.await.unwrap().unwrap();
        assert_eq!(temp.count("SELECT count(*) FROM stock"), 2, "{driver}");
    }
}

#[tokio::test]
async fn a_work_that_awaits_too_long_is_dropped_and_named() {
    for driver in DRIVERS {
        let temp = grouping().await;
        temp.table(STOCK).await;
        let slow = work_on(driver, "slow", |tx| {
            Box::pin(async move {
                tx.execute(SHOP, "INSERT INTO stock VALUES ('slow', 1)", &[]).await?;
                std::future::pending::<()>().await;
                Ok(())
            })
        });
        let started = Instant::now();
        let error = temp.store.transact(slow, short()).await.unwrap_err();
        assert!(matches!(&error, StoreError::Budget { work, .. } if work == "slow"), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(4));
        temp.run(insert(driver, "next")).await.unwrap();
        assert_eq!(temp.count("SELECT count(*) FROM stock"), 1, "{driver}");
    }
}

#[tokio::test]
async fn many_short_statements_over_the_budget_end_too() {
    let temp = grouping().await;
    temp.table(STOCK).await;
    let busy = work("busy", |tx| {
        Box::pin(async move {
            loop {
                tx.execute(SHOP, "UPDATE stock SET left = 1", &[]).await?;
            }
        })
    });
    let error = temp.store.transact(busy, short()).await.unwrap_err();
    assert!(matches!(error, StoreError::Budget { .. }), "{error:?}");
}

#[tokio::test]
async fn a_work_that_cannot_be_stopped_is_named_to_all_who_come() {
    let temp = open_with(|config| config.block_grace = Duration::from_millis(50)).await;
    temp.table(STOCK).await;
    let (go_on, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let reached = Arc::new(tokio::sync::Notify::new());
    let its_reached = reached.clone();
    let blocker = work("blocker", move |_| {
        let (blocked, reached) = (blocked.clone(), its_reached.clone());
        Box::pin(async move {
            reached.notify_one();
            blocked.lock().unwrap().recv().unwrap();
            Ok(())
        })
    });
    let store = temp.store.clone();
    let blocking = tokio::spawn(async move { store.transact(blocker, short()).await });
    reached.notified().await;
    let waiting = async {
        loop {
            let probe = Limits { wait: Some(Duration::from_millis(5)), ..Limits::default() };
            match temp.store.transact(insert("native", "probe"), probe).await {
                Err(StoreError::Blocked { work, held }) => return (work, held),
                Err(StoreError::Timeout { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let (work, held) = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
    assert_eq!(work, "blocker");
    assert!(held > Duration::from_millis(100));
    go_on.send(()).unwrap();
    let error = blocking.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Budget { .. }), "{error:?}");
    temp.run(insert("native", "after")).await.unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 1);
}

#[tokio::test]
async fn a_panic_takes_only_its_own_writes() {
    for driver in DRIVERS {
        let temp = grouping().await;
        temp.table(STOCK).await;
        let panics = work_on(driver, "panics", |tx| {
            Box::pin(async move {
                tx.execute(SHOP, "INSERT INTO stock VALUES ('panic', 1)", &[]).await?;
                panic!("out of {}", "stock");
            })
        });
        let error = only_the_guilty_fails(&temp, driver, panics).await;
        assert!(
            matches!(&error, StoreError::Panicked { work, message } if work == "panics" && message == "out of stock"),
            "{error:?}"
        );
        assert_eq!(temp.count("SELECT count(*) FROM stock WHERE sku = 'panic'"), 0);
        assert_eq!(temp.store.stats().works_rerun, 0, "nobody had to run again");
    }
}

#[tokio::test]
async fn a_caller_that_goes_takes_its_work_along() {
    for driver in DRIVERS {
        let temp = grouping().await;
        temp.table(STOCK).await;
        let gate = Gate::shut(&temp).await;
        let waiting = spawn(&temp, insert(driver, "waiting"));
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        let before = spawn(&temp, insert(driver, "before"));
        let started = Arc::new(tokio::sync::Notify::new());
        let its_started = started.clone();
        let running = spawn(
            &temp,
            work_on(driver, "running", move |tx| {
                let started = its_started.clone();
                Box::pin(async move {
                    tx.execute(SHOP, "INSERT INTO stock VALUES ('running', 1)", &[]).await?;
                    started.notify_one();
                    std::future::pending::<()>().await;
                    Ok(())
                })
            }),
        );
        tokio::task::yield_now().await;
        gate.open();
        started.notified().await;
        running.abort();
        before.await.unwrap().unwrap();
        temp.run(insert(driver, "after")).await.unwrap();
        assert_eq!(temp.count("SELECT count(*) FROM stock"), 2, "{driver}");
        assert_eq!(temp.count("SELECT count(*) FROM stock WHERE sku IN ('before', 'after')"), 2, "{driver}");
    }
}

#[tokio::test]
async fn a_caller_that_waits_too_long_is_told_that_nothing_was_written() {
    let temp = grouping().await;
    temp.table(STOCK).await;
    let gate = Gate::shut(&temp).await;
    let limits = Limits { wait: Some(Duration::from_millis(20)), ..Limits::default() };
    let error = temp.store.transact(insert("native", "late"), limits).await.unwrap_err();
    assert!(matches!(&error, StoreError::Timeout { work, .. } if work == "insert"), "{error:?}");
    gate.open();
    temp.run(insert("native", "after")).await.unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 1);
}

#[tokio::test]
async fn a_transaction_kept_beyond_its_work_writes_nothing() {
    let temp = grouping().await;
    temp.table(STOCK).await;
    let (kept, keeper) = tokio::sync::oneshot::channel::<Box<dyn Tx>>();
    let leak = Arc::new(Leak { kept: std::sync::Mutex::new(Some(kept)) });
    let store = temp.store.clone();
    let leaking = tokio::spawn(async move { store.transact(leak, Limits::default()).await });
    let mut tx = keeper.await.unwrap();
    leaking.abort();
    // The writer has moved on to another work, whose transaction is open.
    let gate = Gate::shut(&temp).await;
    let late = tx.execute(SHOP, "INSERT INTO stock VALUES ('late', 1)", &[]).await;
    assert!(matches!(late, Err(StoreError::TransactionLost { .. })), "{late:?}");
    gate.open();
    temp.run(insert("native", "after")).await.unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 1);
}

/// Gives its transaction to somebody else and waits.
struct Leak {
    kept: std::sync::Mutex<Option<tokio::sync::oneshot::Sender<Box<dyn Tx>>>>,
}

#[async_trait::async_trait]
impl Work for Leak {
    fn name(&self) -> String {
        "leak".to_owned()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let kept = self.kept.lock().unwrap().take().unwrap();
        drop(kept.send(tx));
        std::future::pending().await
    }
}
