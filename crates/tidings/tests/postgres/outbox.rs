//! Publishing and enqueueing from code that has a transaction of its own.

use futures_util::StreamExt as _;
use sqlx::{Connection, PgConnection, Postgres, SqliteConnection};

use crate::app::{Count, audit, bumped, counters};
use crate::support::{Harness, url};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn in_a_transaction_of_the_users_own() {
    let harness = Harness::with([counters(), audit()]).await;
    let outbox = harness.app.outbox("counters").unwrap();
    let pool = harness.pool().await;
    let path = async |connection: &mut PgConnection| -> String {
        sqlx::query_scalar("SELECT current_setting('search_path')").fetch_one(connection).await.unwrap()
    };

    let mut tx = pool.begin().await.unwrap();
    let before = path(&mut tx).await;
    outbox.publish(&mut tx, &bumped("own", 1)).await.unwrap();
    assert_eq!(path(&mut tx).await, before, "the user's transaction looks where it looked before");
    tx.commit().await.unwrap();
    outbox.wake();
    harness.until_noted("own", &["bumped to 1"]).await;

    let mut tx = pool.begin().await.unwrap();
    outbox.publish(&mut tx, &bumped("own", 2)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    outbox.publish(&mut *tx, &bumped("own", 3)).await.unwrap();
    tx.commit().await.unwrap();
    // Nobody says so, and it is found all the same.
    harness.until_noted("own", &["bumped to 1", "bumped to 3"]).await;

    // A transaction that sqlx does not know of.
    let mut connection = pool.acquire().await.unwrap();
    sqlx::query("BEGIN").execute(&mut *connection).await.unwrap();
    outbox.publish(&mut connection, &bumped("own", 4)).await.unwrap();
    sqlx::query("COMMIT").execute(&mut *connection).await.unwrap();
    let error = outbox.publish(&mut connection, &bumped("own", 5)).await.unwrap_err();
    assert!(error.chain().contains("no transaction is open"), "{}", error.chain());
    harness.until_noted("own", &["bumped to 1", "bumped to 3", "bumped to 4"]).await;
    harness.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn jobs_in_a_transaction_of_the_users_own() {
    let harness = Harness::with([counters(), audit()]).await;
    let outbox = harness.app.outbox("audit").unwrap();
    let count = |counter: &str| Count { counter: counter.to_owned() };
    let mut own = PgConnection::connect(&url()).await.unwrap();

    let mut tx = own.begin().await.unwrap();
    let one = outbox.enqueue_in(&mut tx, count("one")).unique("one").await.unwrap();
    let again = outbox.enqueue_in(&mut tx, count("one")).unique("one").await.unwrap();
    assert_eq!((again.id, again.is_new), (one.id, false));
    let many = outbox.enqueue_many_in(&mut tx, [count("many"), count("many")]).await.unwrap();
    assert!(harness.app.jobs().get(one.id).await.unwrap().is_none(), "nobody sees it before the commit");
    tx.commit().await.unwrap();
    outbox.wake();
    harness.until_completed(one.id).await;
    for row in many {
        harness.until_completed(row.unwrap().id).await;
    }

    let mut tx = own.begin().await.unwrap();
    let undone = outbox.enqueue_in(&mut tx, count("undone")).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(harness.app.jobs().get(undone.id).await.unwrap().is_none());
    let error = outbox.enqueue_in(&mut own, count("bare")).await.unwrap_err();
    assert!(error.chain().contains("no transaction is open"), "{}", error.chain());
    harness.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn in_a_transaction_that_was_begun_for_the_user() {
    let harness = Harness::with([counters(), audit()]).await;
    let outbox = harness.app.outbox("counters").unwrap();

    let mut tx = outbox.begin::<Postgres>().await.unwrap();
    let insert = "INSERT INTO counters VALUES ('begun', 1)";
    sqlx::query(insert).execute(&mut *tx.connection().await.unwrap()).await.unwrap();
    tx.publish(&bumped("begun", 1)).await.unwrap();
    tx.commit().await.unwrap();
    harness.until_noted("begun", &["bumped to 1"]).await;

    let mut tx = outbox.begin::<Postgres>().await.unwrap();
    tx.publish(&bumped("begun", 2)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = outbox.begin::<Postgres>().await.unwrap();
    tx.publish(&bumped("begun", 3)).await.unwrap();
    drop(tx);

    let mut tx = outbox.begin::<Postgres>().await.unwrap();
    tx.publish(&bumped("begun", 4)).await.unwrap();
    sqlx::query(insert).execute(&mut *tx.connection().await.unwrap()).await.unwrap_err();
    let error = tx.commit().await.unwrap_err();
    assert!(error.chain().contains("failed"), "what failed is not committed in silence: {}", error.chain());

    let mut tx = outbox.begin::<Postgres>().await.unwrap();
    sqlx::query("INSERT INTO counters VALUES ('seen', 1)").execute(tx.tx()).await.unwrap();
    let numbers = "SELECT n FROM generate_series(1, 1000) AS n";
    let all: Vec<i32> = sqlx::query_scalar(numbers).fetch_all(tx.tx()).await.unwrap();
    assert_eq!(all.len(), 1_000);
    let first: Option<i32> = sqlx::query_scalar(numbers).fetch_optional(tx.tx()).await.unwrap();
    assert_eq!(first, Some(1));
    let error = sqlx::query("COMMIT").execute(tx.tx()).await.unwrap_err();
    assert!(format!("{error:?}").contains("is refused"), "{error:?}");
    tx.publish(&bumped("seen", 1)).await.unwrap();
    tx.commit().await.unwrap();
    harness.until_noted("seen", &["bumped to 1"]).await;

    for half_read in [true, false] {
        let mut tx = outbox.begin::<Postgres>().await.unwrap();
        tx.publish(&bumped("seen", 2)).await.unwrap();
        if half_read {
            let mut rows = sqlx::query("SELECT 1 / (2 - n) FROM generate_series(1, 2) AS n").fetch(tx.tx());
            assert!(rows.next().await.is_some());
        } else {
            sqlx::query(insert).execute(tx.tx()).await.unwrap_err();
        }
        let error = tx.commit().await.unwrap_err();
        let told = if half_read { "division by zero" } else { "failed" };
        assert!(error.chain().contains(told), "{}", error.chain());
    }

    let mut tx = harness.app.outbox("audit").unwrap().begin::<Postgres>().await.unwrap();
    let job = tx.enqueue(Count { counter: "begun-job".to_owned() }).await.unwrap();
    tx.commit().await.unwrap();
    harness.until_completed(job.id).await;

    outbox.publish_now(&bumped("begun", 5)).await.unwrap();
    harness.until_noted("begun", &["bumped to 1", "bumped to 5"]).await;
    harness.until_noted("seen", &["bumped to 1"]).await;
    harness.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_transaction_of_another_database_is_refused() {
    let harness = Harness::with([counters(), audit()]).await;
    let outbox = harness.app.outbox("counters").unwrap();
    let mut own = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let mut tx = own.begin().await.unwrap();
    let error = outbox.publish(&mut tx, &bumped("other", 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "a transaction of SQLite was given, and the store is `postgres`");
    let error = outbox.begin::<sqlx::Sqlite>().await.err().unwrap();
    assert!(error.to_string().contains("the store is `postgres`"), "{error}");
    harness.end().await;
}
