//! The module that is run.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use tidings::{App, Config, Ctx, Error, Job, JobCtx, Module, Outbox, Queue, Reads, RetrySchedule, sql};
use tidings_peers_contract::{NOTE, Result};
use tidings_postgres::{PostgresConfig, PostgresStore};

use crate::times::{Times, What};

mod contracts {
    tidings::contracts!("schemas");
}
use contracts::orders::Placed;

/// Rows that are written again and again, so that it is Tidings' tables that could grow.
const CUSTOMERS: u32 = 10_000;
const TABLES: &str =
    "CREATE TABLE customers (number integer PRIMARY KEY, orders bigint NOT NULL) WITH (fillfactor = 50);
    CREATE TABLE seen (number integer PRIMARY KEY, orders bigint NOT NULL) WITH (fillfactor = 50)";

const KEPT: u64 = 100_000;

#[derive(Job, Serialize, Deserialize)]
#[job("orders.work")]
struct Work {
    number: u32,
    note: String,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "1")]
struct OrderRef {
    number: u32,
}

/// Handlers are plain functions.
static TIMES: OnceLock<Arc<Times>> = OnceLock::new();

fn started(what: What, number: u32) {
    if let Some(times) = TIMES.get() {
        times.started(what, number);
    }
}

/// A row, an event and a job in one transaction.
pub(crate) async fn place(outbox: &Outbox, times: &Times, number: u32) -> Result<()> {
    let mut tx = outbox.begin::<sqlx::Postgres>().await?;
    sqlx::query(
        "INSERT INTO customers (number, orders) VALUES ($1, 1)
         ON CONFLICT (number) DO UPDATE SET orders = customers.orders + 1",
    )
    .bind(i32::try_from(number % CUSTOMERS)?)
    .execute(tx.tx())
    .await?;
    tx.publish(&Placed { number, note: NOTE.to_owned() }).await?;
    tx.enqueue(Work { number, note: NOTE.to_owned() }).await?;
    times.sent(number);
    Ok(tx.commit().await?)
}

async fn work(ctx: &mut JobCtx, job: Work) -> tidings::Result<()> {
    if ctx.attempt() > 1 {
        return Ok(());
    }
    started(What::Job, job.number);
    if job.number % 1_000 == 999 { Err(Error::failed("one in a thousand fails once")) } else { Ok(()) }
}

async fn see(ctx: &mut Ctx, order: OrderRef) -> tidings::Result<()> {
    started(What::Event, order.number);
    sql("INSERT INTO seen (number, orders) VALUES ($1, 1) ON CONFLICT (number) DO UPDATE SET orders = seen.orders + 1")
        .bind(order.number % CUSTOMERS)
        .execute(ctx.tx())
        .await?;
    Ok(())
}

pub(crate) async fn start(url: &str, callers: u16, times: &Arc<Times>) -> Result<App> {
    TIMES.set(times.clone()).map_err(|_| "it runs already")?;
    let mut postgres = PostgresConfig::new(url);
    postgres.connections_max = u32::from(callers) + 10;
    let store = PostgresStore::open(postgres).await?;
    let pool = sqlx::PgPool::connect(url).await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    pool.close().await;
    let module =
        Module::new("orders").owns::<Placed>().tables(["customers", "seen"]).on("see", see).job_with(
            Queue::named("work").concurrency(256),
            work,
            |options| options.retry(RetrySchedule::new([std::time::Duration::from_secs(5)], 10)),
        );
    let mut config = Config::default();
    (config.retention.messages_max, config.retention.jobs_max) = (KEPT, KEPT);
    config.retention.every_seconds = 10;
    Ok(App::builder().module(module).config(config).store(Arc::new(store)).build().await?)
}
