//! What modules do with the portable layer: values, parameters, migrations, queries.

use std::sync::Arc;

use tidings_core::error::chain;
use tidings_core::store::{Limits, Migration, Store, StoreError};
use tidings_core::value::Value;
use uuid::Uuid;

use crate::support::*;

const DRIVERS: [&str; 2] = ["native", "sqlx"];

async fn statement_error(temp: &Temp, driver: &'static str, sql: &'static str, params: Vec<Value>) -> String {
    let run = work_on(driver, "wrong", move |tx| {
        let params = params.clone();
        Box::pin(async move { tx.execute(SHOP, sql, &params).await.map(drop) })
    });
    chain(&temp.run(run).await.unwrap_err())
}

#[tokio::test]
async fn values_have_the_same_forms_on_both_drivers() {
    let temp = open().await;
    let (id, json) = (Uuid::now_v7(), serde_json::json!({"a": [1, null]}));
    let values: Vec<Value> = vec![
        Value::Null,
        true.into(),
        (-7_i64).into(),
        1.5.into(),
        "é".into(),
        vec![0_u8, 255].into(),
        id.into(),
        NOW.into(),
        json.clone().into(),
    ];
    let stored: Vec<Value> = vec![
        Value::Null,
        Value::Int(1),
        Value::Int(-7),
        Value::Float(1.5),
        "é".into(),
        vec![0_u8, 255].into(),
        id.to_string().into(),
        "1970-01-01T00:00:00.000000Z".into(),
        json.to_string().into(),
    ];
    for driver in DRIVERS {
        let (values, stored) = (values.clone(), stored.clone());
        let run = work_on(driver, "values", move |tx| {
            let (values, stored) = (values.clone(), stored.clone());
            Box::pin(async move {
                let sql = "SELECT $1 a, $2 b, $3 c, $4 d, $5 e, $6 f, $7 g, $8 h, $9 i";
                let rows = tx.fetch(SHOP, sql, &values).await?;
                assert_eq!(rows[0].values(), stored);
                assert_eq!(rows[0].get::<Uuid>("g").unwrap(), id);
                let rows = tx.fetch(SHOP, "SELECT $2 || $1 || $2", &["a".into(), "b".into()]).await?;
                assert_eq!(rows[0].at::<String>(0).unwrap(), "bab");
                Ok(())
            })
        });
        temp.run(run).await.unwrap();
    }
}

#[tokio::test]
async fn changed_rows_are_counted() {
    let temp = open().await;
    for driver in DRIVERS {
        let run = work_on(driver, "count", |tx| {
            Box::pin(async move {
                tx.execute(SHOP, "CREATE TABLE stock (sku TEXT)", &[]).await?;
                let sql = "INSERT INTO stock VALUES ('a'), ('b'), ('c')";
                assert_eq!(tx.execute(SHOP, sql, &[]).await?, 3);
                assert_eq!(tx.execute(SHOP, "DELETE FROM stock WHERE sku = 'z'", &[]).await?, 0);
                assert_eq!(tx.execute(SHOP, "UPDATE stock SET sku = 'x' RETURNING sku", &[]).await?, 3);
                let rows = tx.fetch(SHOP, "DELETE FROM stock RETURNING sku", &[]).await?;
                assert_eq!(rows.len(), 3);
                tx.execute(SHOP, "DROP TABLE stock", &[]).await.map(drop)
            })
        });
        temp.run(run).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_number_of_parameters_is_said_clearly() {
    let temp = open().await;
    for driver in DRIVERS {
        let text = statement_error(&temp, driver, "SELECT $1, $3", vec![Value::Null, Value::Null]).await;
        assert!(text.contains("it has a parameter `$3`, but 2 values were given"), "{driver}: {text}");
        let text = statement_error(&temp, driver, "SELECT $1, $1", vec![Value::Null, Value::Null]).await;
        assert!(text.contains("it has 1 parameters, but 2 values were given"), "{driver}: {text}");
        let text = statement_error(&temp, driver, "SELECT :name", vec![Value::Null]).await;
        assert!(text.contains("`:name` is not a number"), "{driver}: {text}");
    }
}

#[tokio::test]
async fn errors_show_the_statement_and_never_the_values() {
    let temp = open().await;
    temp.table("CREATE TABLE people (email TEXT UNIQUE, age INTEGER) STRICT").await;
    for driver in DRIVERS {
        let sql = "INSERT INTO people VALUES ($1, $2)";
        let text = statement_error(&temp, driver, sql, vec!["ada@example.org".into(), "old".into()]).await;
        assert!(text.contains(sql) && text.contains("module `shop`"), "{driver}: {text}");
        assert!(!text.contains("ada@example.org") && !text.contains("old"), "{driver}: {text}");
    }
}

#[tokio::test]
async fn a_query_sees_one_snapshot_and_cannot_write() {
    let temp = open().await;
    temp.table("CREATE TABLE stock (sku TEXT)").await;
    for driver in DRIVERS {
        let store = temp.store.clone();
        let query = work_on(driver, "query", move |tx| {
            let store = store.clone();
            Box::pin(async move {
                let count = "SELECT count(*) FROM stock";
                let before: i64 = tx.fetch(SHOP, count, &[]).await?[0].at(0).unwrap();
                let insert = sql_work("insert", "INSERT INTO stock VALUES ('a')");
                store.transact(insert, Limits::default()).await?;
                let after: i64 = tx.fetch(SHOP, count, &[]).await?[0].at(0).unwrap();
                assert_eq!(before, after);
                let refused = tx.execute(SHOP, "DELETE FROM stock", &[]).await.unwrap_err();
                assert!(!matches!(refused, StoreError::Full { .. }));
                Ok(())
            })
        });
        temp.store.read(query, Limits::default()).await.unwrap();
    }
    assert_eq!(temp.count("SELECT count(*) FROM stock"), 2);
}

#[tokio::test]
async fn a_query_has_a_budget_and_may_panic() {
    let temp = open().await;
    let limits = Limits { budget: std::time::Duration::from_millis(50), wait: None };
    for driver in DRIVERS {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
        let endless = work_on(driver, "endless", move |tx| {
            Box::pin(async move { tx.fetch(SHOP, sql, &[]).await.map(drop) })
        });
        let error = temp.store.read(endless, limits).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Budget { work, .. } if work == "endless"),
            "{driver}: {error:?}"
        );
        let panics = work_on(driver, "panics", |_| Box::pin(async { panic!("oh") }));
        let error = temp.store.read(panics, limits).await.unwrap_err();
        assert!(matches!(error, StoreError::Panicked { .. }), "{driver}: {error:?}");
    }
    assert_eq!(temp.log("x").await.len(), 0);
}

const FIRST: Migration =
    Migration { version: 1, name: "first", sql: "CREATE TABLE a (x TEXT); CREATE TABLE b (x TEXT)" };

#[tokio::test]
async fn migrations_are_applied_once_and_in_order() {
    let temp = open().await;
    let second = Migration { version: 2, name: "second", sql: "INSERT INTO a VALUES ('once')" };
    temp.store.migrate("shop", &[FIRST], NOW).await.unwrap();
    for _ in 0..2 {
        temp.store.migrate("shop", &[FIRST, second], NOW).await.unwrap();
    }
    assert_eq!(temp.count("SELECT count(*) FROM a"), 1);
}

#[tokio::test]
async fn a_changed_or_broken_migration_is_refused_with_its_name() {
    let temp = open().await;
    temp.store.migrate("shop", &[FIRST], NOW).await.unwrap();
    let changed = Migration { sql: "CREATE TABLE a (y TEXT)", ..FIRST };
    let broken = Migration { version: 2, name: "broken", sql: "CREATE TABLE c (x); CREATE TABLE a (x)" };
    let unordered = [Migration { version: 3, ..FIRST }, Migration { version: 3, ..FIRST }];
    for (module, migrations, says) in [
        ("shop", &[changed][..], "was changed after it had been applied"),
        ("shop", &[FIRST, broken], "table a already exists"),
        ("shop", &unordered, "versions must ascend"),
        ("tidings", &[FIRST], "is reserved"),
    ] {
        let error = temp.store.migrate(module, migrations, NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::Migration { .. }), "{error:?}");
        assert!(chain(&error).contains(says), "{}", chain(&error));
    }
    assert_eq!(
        temp.count("SELECT count(*) FROM sqlite_schema WHERE name = 'c'"),
        0,
        "half of it was applied"
    );
}

#[tokio::test]
async fn an_unknown_driver_is_refused() {
    let temp = open().await;
    let odd: Arc<dyn tidings_core::store::Work> = work_on("odbc", "odd", |_| Box::pin(async { Ok(()) }));
    let error = temp.run(odd).await.unwrap_err();
    assert!(error.to_string().contains("`odbc`"), "{error}");
}

/// A migration takes as long as it takes: one that copies a large table would otherwise never be applied.
#[tokio::test]
async fn a_migration_may_take_longer_than_a_handler() {
    let temp = open().await;
    let budget = Limits::default().budget;
    let counting = |rows: u64| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
             INSERT INTO counted SELECT max(i) FROM n"
        )
    };
    let probe = rusqlite::Connection::open_in_memory().unwrap();
    probe.execute_batch("CREATE TABLE counted (rows INTEGER)").unwrap();
    let started = std::time::Instant::now();
    probe.execute_batch(&counting(1_000_000)).unwrap();
    let rows = 1_300_000 * budget.as_micros() / started.elapsed().as_micros().max(1);
    let sql = format!("CREATE TABLE counted (rows INTEGER); {}", counting(rows.try_into().unwrap()));
    let long = Migration { version: 1, name: "long", sql: Box::leak(sql.into_boxed_str()) };
    temp.store.migrate("shop", &[long], NOW).await.unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM counted"), 1);
}

#[tokio::test]
async fn an_older_program_and_a_late_migration_are_refused_with_both_numbers() {
    let temp = open().await;
    let at = |version, sql| Migration { version, name: "step", sql };
    let third = at(3, "CREATE TABLE c (x TEXT)");
    temp.store.migrate("shop", &[FIRST, third], NOW).await.unwrap();
    let late = at(2, "CREATE TABLE late (x TEXT)");
    for (migrations, says) in [
        (
            &[FIRST][..],
            "migration 3 (`step`) of module `shop`: it is applied, but this program knows migrations up to 1",
        ),
        (&[], "this program knows none"),
        (&[FIRST, late, third], "migration 2 (`step`) of module `shop`: migration 3 is applied already"),
    ] {
        let error = temp.store.migrate("shop", migrations, NOW).await.unwrap_err();
        assert!(chain(&error).contains(says), "{}", chain(&error));
    }
    temp.store.migrate("other", &[], NOW).await.unwrap();
    temp.store.migrate("shop", &[FIRST, third], NOW).await.unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM sqlite_schema WHERE name = 'late'"), 0);
}
