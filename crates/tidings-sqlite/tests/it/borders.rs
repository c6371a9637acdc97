//! Modules keep to their own tables.

use std::sync::Arc;

use tidings_core::error::chain;
use tidings_core::store::{Limits, Migration, Store, StoreError, TableScope, Work};

use crate::support::*;

const BILLING: Migration = Migration { version: 1, name: "tables", sql: "CREATE TABLE invoices (id TEXT)" };

async fn two_modules() -> Temp {
    let temp = open().await;
    let shop = [Migration {
        version: 1,
        name: "tables",
        sql: "CREATE TABLE stock (sku TEXT, left INTEGER); CREATE TABLE notes (text TEXT); \
              CREATE VIRTUAL TABLE papers USING fts5(body)",
    }];
    temp.store.migrate("shop", &shop, NOW).await.unwrap();
    temp.store.migrate("billing", &[BILLING], NOW).await.unwrap();
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
    refuses_control(&temp).await;
}

#[tokio::test]
async fn nor_is_it_when_no_tables_are_guarded() {
    refuses_control(&open_with(|config| config.guard_tables = false).await).await;
    refuses_control(&open().await).await;
}

async fn refuses_control(temp: &Temp) {
    for sql in [
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT a",
        "ATTACH ':memory:' AS other",
        "PRAGMA synchronous = OFF",
        "PRAGMA query_only = ON",
        "PRAGMA defer_foreign_keys = ON",
        "CREATE TEMP TABLE t (x)",
        "CREATE TABLE temp.t (x)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "CREATE VIRTUAL TABLE temp.t USING fts5(x)",
    ] {
        for driver in ["native", "sqlx"] {
            let done = temp.run(as_module(driver, "shop", sql)).await;
            let refused = done.as_ref().is_err_and(|error| error.to_string().contains("`shop` may not run"));
            assert!(refused, "{driver}: {sql}: {done:?}");
        }
        assert!(temp.store.check_tables("shop", sql).is_err(), "{sql}");
    }
    for sql in ["DELETE FROM tidings_log", "UPDATE tidings_consumers SET cursor = 0"] {
        for driver in ["native", "sqlx"] {
            let (_, remedy) = refused(temp.run(as_module(driver, "shop", sql)).await);
            assert!(remedy.contains("belongs to Tidings"), "{driver}: {sql}: {remedy}");
        }
    }
    temp.run(append_work("x")).await.unwrap();
}

/// What is refused on the checker's connection can hide nothing on the typed one: neither behind a view that only that
/// one has, nor behind a statement before it.
#[tokio::test]
async fn typed_statements_cannot_hide_another_modules_table() {
    let temp = two_modules().await;
    let view = "CREATE TEMP VIEW mine AS SELECT * FROM stock";
    assert!(temp.store.check_tables("billing", view).is_err());
    let error = temp.run(as_module("sqlx", "billing", view)).await.unwrap_err();
    assert!(error.to_string().contains("anything temporary"), "{error}");
    refused(temp.store.check_tables("billing", "SELECT 1; DELETE FROM stock"));
    refused(
        temp.run(as_module("sqlx", "billing", "INSERT INTO invoices VALUES ('a'); DELETE FROM stock")).await,
    );
}

/// Code that takes the connection itself is not checked, but breaks it for nobody else.
#[tokio::test]
async fn a_pragma_on_the_connection_itself_does_not_outlive_its_work() {
    let temp = two_modules().await;
    let raw = || {
        work_on("sqlx", "raw", |tx| {
            Box::pin(async move {
                let typed = tx.as_any_mut().downcast_mut::<tidings_sqlite::SqlxTx>().unwrap();
                sqlx::query("PRAGMA query_only = ON").execute(typed.connection().await?).await.unwrap();
                Ok(())
            })
        })
    };
    let insert = || as_module("sqlx", "shop", "INSERT INTO stock VALUES ('a', 1)");
    temp.run(raw()).await.unwrap();
    temp.run(insert()).await.unwrap();
    let results = together(&temp, vec![raw(), insert(), raw(), insert()]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 3);
}

#[tokio::test]
async fn a_migration_touches_no_other_modules_tables() {
    let temp = two_modules().await;
    let migration = |sql| Migration { version: 2, name: "greedy", sql };
    for (sql, says) in [
        ("UPDATE stock SET left = 0", "module `shop`"),
        ("DROP TABLE stock", "module `shop`"),
        ("CREATE TABLE copied AS SELECT * FROM stock", "module `shop`"),
        ("DELETE FROM tidings_log", "Tidings itself"),
        ("INSERT INTO invoices VALUES ('a'); UPDATE tidings_consumers SET cursor = 0", "Tidings itself"),
        ("COMMIT", "may not run"),
        ("PRAGMA foreign_keys = OFF", "may not run"),
        ("CREATE TEMP TABLE t (x)", "may not run"),
    ] {
        let error = temp.store.migrate("billing", &[BILLING, migration(sql)], NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Migration { version: 2, .. }), "{sql}: {error:?}");
        assert!(chain(&error).contains(says), "{sql}: {}", chain(&error));
    }
    assert_eq!(temp.count("SELECT count(*) FROM invoices"), 0);
    // The usual way to change a table needs a helper that nobody declares.
    let rebuild = "PRAGMA defer_foreign_keys = ON; \
                   CREATE TABLE invoices_new (id TEXT PRIMARY KEY, cents INTEGER); \
                   INSERT INTO invoices_new (id) SELECT id FROM invoices; DROP TABLE invoices; \
                   ALTER TABLE invoices_new RENAME TO invoices; CREATE INDEX by_cents ON invoices (cents); \
                   CREATE VIRTUAL TABLE letters USING fts5(body)";
    temp.store.migrate("billing", &[BILLING, migration(rebuild)], NOW).await.unwrap();
}

#[tokio::test]
async fn a_migration_before_any_declaration_leaves_tidings_own_tables_alone() {
    let temp = open().await;
    let greedy = Migration { version: 1, name: "greedy", sql: "DELETE FROM tidings_consumers" };
    let error = temp.store.migrate("shop", &[greedy], NOW).await.unwrap_err();
    assert!(chain(&error).contains("Tidings itself"), "{}", chain(&error));
}

#[tokio::test]
async fn nothing_is_guarded_when_that_is_switched_off() {
    let temp = open_with(|config| config.guard_tables = false).await;
    temp.table("CREATE TABLE stock (sku TEXT)").await;
    temp.store.own_tables(&[("shop".to_owned(), vec!["stock".to_owned()])]);
    temp.run(as_module("native", "billing", "SELECT * FROM stock")).await.unwrap();
}
