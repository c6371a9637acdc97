//! Modules keep to their own tables.

use std::sync::Arc;

use tidings_core::store::{Limits, Migration, Store, StoreError, TableScope, Work};

use crate::support::*;

async fn two_modules() -> Temp {
    let temp = open().await;
    let shop = [Migration {
        version: 1,
        name: "tables",
        sql: "CREATE TABLE stock (sku TEXT, left INTEGER); CREATE TABLE notes (text TEXT); \
              CREATE VIRTUAL TABLE papers USING fts5(body)",
    }];
    let billing = [Migration { version: 1, name: "tables", sql: "CREATE TABLE invoices (id TEXT)" }];
    temp.store.migrate("shop", &shop, NOW).await.unwrap();
    temp.store.migrate("billing", &billing, NOW).await.unwrap();
    let own = |module: &str, tables: &[&str]| {
        (module.to_owned(), tables.iter().map(|table| (*table).to_owned()).collect())
    };
    temp.store.own_tables(&[own("shop", &["Stock", "papers"]), own("billing", &["invoices"])]);
    temp
}

fn as_module(driver: &'static str, module: &'static str, sql: &'static str) -> Arc<dyn Work> {
    work_on(driver, "statement", move |tx| {
        Box::pin(async move { tx.fetch(TableScope { module }, sql, &[]).await.map(drop) })
    })
}

fn refused(result: Result<(), StoreError>) -> (String, String) {
    match result {
        Err(StoreError::ForeignTable { table, remedy, .. }) => (table, remedy),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_module_uses_its_own_tables() {
    let temp = two_modules().await;
    for driver in ["native", "sqlx"] {
        for sql in [
            "INSERT INTO stock VALUES ('a', 1)",
            "SELECT s.sku FROM STOCK AS s, json_each('[1]') WHERE s.left = value",
            "WITH c AS (SELECT 1) SELECT count(*) FROM c, stock",
            "INSERT INTO papers VALUES ('hello world')",
            "SELECT * FROM papers WHERE papers MATCH 'hello'",
            "SELECT name FROM sqlite_schema",
            "SELECT 1",
        ] {
            let done = temp.run(as_module(driver, "shop", sql)).await;
            assert!(done.is_ok(), "{driver}: {sql}: {done:?}");
        }
    }
}

#[tokio::test]
async fn other_tables_are_refused_with_the_owner_and_a_remedy() {
    let temp = two_modules().await;
    for driver in ["native", "sqlx"] {
        for sql in [
            "SELECT * FROM stock",
            "SELECT count(*) FROM stock",
            "DELETE FROM Stock",
            "INSERT INTO invoices SELECT sku FROM stock",
            "DROP TABLE stock",
            "SELECT (SELECT left FROM stock)",
        ] {
            let (table, remedy) = refused(temp.run(as_module(driver, "billing", sql)).await);
            assert_eq!(table, "stock", "{driver}: {sql}");
            assert!(remedy.contains("module `shop`"), "{remedy}");
        }
        let (table, remedy) = refused(temp.run(as_module(driver, "shop", "SELECT text FROM notes")).await);
        assert_eq!(table, "notes");
        assert!(remedy.contains(".tables([...])"), "{remedy}");
        let (_, remedy) = refused(temp.run(as_module(driver, "shop", "DELETE FROM tidings_log")).await);
        assert!(remedy.contains("Tidings itself"), "{remedy}");
    }
}

#[tokio::test]
async fn a_statement_prepared_for_one_module_is_not_used_for_another() {
    let temp = two_modules().await;
    let sql = "SELECT left FROM stock";
    temp.run(as_module("native", "shop", sql)).await.unwrap();
    refused(temp.run(as_module("native", "billing", sql)).await);
    // A new declaration counts at once, and so does a changed schema, which prepares the statement anew.
    temp.run(as_module("native", "shop", "ALTER TABLE stock ADD COLUMN more TEXT")).await.unwrap();
    temp.run(as_module("native", "shop", sql)).await.unwrap();
    temp.store.own_tables(&[("billing".to_owned(), vec!["stock".to_owned()])]);
    refused(temp.run(as_module("native", "shop", sql)).await);
    temp.run(as_module("native", "billing", sql)).await.unwrap();
}

#[tokio::test]
async fn readers_are_guarded_too() {
    let temp = two_modules().await;
    for driver in ["native", "sqlx"] {
        let read = |module, sql| temp.store.read(as_module(driver, module, sql), Limits::default());
        read("shop", "SELECT * FROM stock").await.unwrap();
        refused(read("billing", "SELECT * FROM stock").await);
    }
}

#[tokio::test]
async fn typed_statements_can_be_checked_before_they_run() {
    let temp = two_modules().await;
    for _ in 0..2 {
        temp.store.check_tables("shop", "UPDATE stock SET left = ?").unwrap();
        refused(temp.store.check_tables("billing", "UPDATE stock SET left = ?"));
    }
    temp.store.check_tables("shop", "SELECT nonsense FROM nowhere").unwrap();
}

#[tokio::test]
async fn the_transaction_is_not_a_modules_to_control() {
    let temp = two_modules().await;
    for sql in ["COMMIT", "ROLLBACK", "SAVEPOINT a", "ATTACH ':memory:' AS other", "PRAGMA synchronous = OFF"]
    {
        for driver in ["native", "sqlx"] {
            let error = temp.run(as_module(driver, "shop", sql)).await.unwrap_err();
            assert!(error.to_string().contains("module `shop` may not run"), "{driver}: {sql}: {error}");
        }
    }
}

#[tokio::test]
async fn nothing_is_guarded_when_that_is_switched_off() {
    let temp = open_with(|config| config.guard_tables = false).await;
    temp.table("CREATE TABLE stock (sku TEXT)").await;
    temp.store.own_tables(&[("shop".to_owned(), vec!["stock".to_owned()])]);
    temp.run(as_module("native", "billing", "SELECT * FROM stock")).await.unwrap();
}
