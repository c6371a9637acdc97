//! Publishing with another driver than sqlx: the row and the statement are public.

use tidings::Event;
use tidings_postgres::foreign::{INSERT_SQL, LogRow};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Transaction};

use crate::app::{audit, bumped, counters};
use crate::support::{Harness, url};

/// What a user of tokio-postgres writes once: publishes inside a transaction of their own.
async fn publish<E: Event>(
    outbox: &tidings::Outbox,
    tx: &Transaction<'_>,
    event: &E,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let row = LogRow::of(&outbox.envelope(event)?);
    let parameters: [&(dyn ToSql + Sync); 15] = [
        &row.id,
        &row.kind,
        &row.name,
        &row.version,
        &row.source,
        &row.key,
        &row.time,
        &row.correlation_id,
        &row.causation_id,
        &row.traceparent,
        &row.tracestate,
        &row.baggage,
        &row.reply_to,
        &row.data,
        &row.slot,
    ];
    tx.execute(INSERT_SQL, &parameters).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn an_event_published_by_another_driver_is_handled_once() {
    let harness = Harness::with([counters(), audit()]).await;
    let outbox = harness.app.outbox("counters").unwrap();
    let (mut client, connection) = tokio_postgres::connect(&url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path TO {}", harness.schema)).await.unwrap();

    let tx = client.transaction().await.unwrap();
    tx.execute("INSERT INTO counters VALUES ('tokio', 1)", &[]).await.unwrap();
    publish(&outbox, &tx, &bumped("tokio", 1)).await.unwrap();
    tx.commit().await.unwrap();
    outbox.wake();

    let tx = client.transaction().await.unwrap();
    publish(&outbox, &tx, &bumped("tokio", 2)).await.unwrap();
    tx.rollback().await.unwrap();

    let tx = client.transaction().await.unwrap();
    publish(&outbox, &tx, &bumped("tokio", 3)).await.unwrap();
    tx.commit().await.unwrap();

    harness.until_noted("tokio", &["bumped to 1", "bumped to 3"]).await;
    drop(client);
    connection.await.unwrap().unwrap();
    harness.end().await;
}
