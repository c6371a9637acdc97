//! Publishing from code that has a transaction of its own.

use sqlx::{Connection, SqliteConnection};

use crate::app::contracts::audit::Noted;
use crate::app::contracts::counters::Bumped;
use crate::app::notes;
use crate::support::Harness;

fn bumped(counter: &str, total: u32) -> Bumped {
    Bumped { counter: counter.to_owned(), total, owner: None }
}

async fn published(harness: &Harness) -> u64 {
    harness.app.store().counts().await.unwrap().iter().map(|count| count.count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_lent_transaction() {
    let harness = Harness::start().await;
    let outbox = harness.app.outbox("counters").unwrap();

    let mut tx = outbox.begin::<sqlx::Sqlite>().await.unwrap();
    sqlx::query("INSERT INTO counters VALUES ('lent', 1)")
        .execute(&mut *tx.connection().await.unwrap())
        .await
        .unwrap();
    tx.publish(&bumped("lent", 1)).await.unwrap();
    tx.commit().await.unwrap();
    harness
        .until("the event arrives", async |harness| !notes(&harness.path(), "lent").await.is_empty())
        .await;

    let mut tx = outbox.begin::<sqlx::Sqlite>().await.unwrap();
    for total in 1..=3 {
        let insert = sqlx::query("INSERT INTO counters VALUES ('seen ' || $1, $1)").bind(total);
        assert_eq!(insert.execute(tx.tx()).await.unwrap().rows_affected(), 1);
    }
    let seen = "SELECT total FROM counters WHERE name LIKE 'seen %' ORDER BY total";
    let totals: Vec<i64> = sqlx::query_scalar(seen).fetch_all(tx.tx()).await.unwrap();
    let first: Option<i64> = sqlx::query_scalar(seen).fetch_optional(tx.tx()).await.unwrap();
    assert_eq!((totals, first), (vec![1, 2, 3], Some(1)));
    let error = sqlx::query("DELETE FROM notes").execute(tx.tx()).await.unwrap_err();
    assert!(format!("{error:?}").contains("notes"), "another module's table: {error:?}");
    tx.rollback().await.unwrap();

    let mut tx = outbox.begin::<sqlx::Sqlite>().await.unwrap();
    tx.publish(&bumped("lent", 2)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = outbox.begin::<sqlx::Sqlite>().await.unwrap();
    tx.publish(&bumped("lent", 3)).await.unwrap();
    drop(tx);
    outbox.publish_now(&bumped("now", 1)).await.unwrap();
    assert_eq!(published(&harness).await, 2, "what was rolled back or dropped is not published");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_transaction_of_the_users_own() {
    let harness = Harness::start().await;
    let outbox = harness.app.outbox("counters").unwrap();
    let mut own = SqliteConnection::connect(&harness.path().display().to_string()).await.unwrap();
    let mut tx = own.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("INSERT INTO counters VALUES ('own', 1)").execute(&mut *tx).await.unwrap();
    outbox.publish(&mut tx, &bumped("own", 1)).await.unwrap();
    tx.commit().await.unwrap();
    harness.until("the event arrives", async |harness| !notes(&harness.path(), "own").await.is_empty()).await;

    let mut tx = own.begin_with("BEGIN IMMEDIATE").await.unwrap();
    outbox.publish(&mut tx, &bumped("own", 2)).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(published(&harness).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_are_the_same() {
    let harness = Harness::start().await;
    assert!(harness.app.outbox("nobody").is_err());
    let outbox = harness.app.outbox("counters").unwrap();
    let foreign = outbox.publish_now(&Noted { text: String::new() }).await.unwrap_err().to_string();
    assert!(
        foreign.contains("module `counters` may not publish `audit.noted` v1: it is owned by module `audit`"),
        "{foreign}"
    );
    let broken = Bumped { owner: Some("nobody@".to_owned()), ..bumped("", 1) };
    let error = outbox.publish_now(&broken).await.unwrap_err().to_string();
    assert!(error.contains("field `/counter`") && error.contains("field `/owner`"), "{error}");
    assert!(!error.contains("nobody@"), "values are masked: {error}");
    assert_eq!(published(&harness).await, 0);
}
