//! The job that is measured: it does nothing but say that it has begun.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tidings::{App, Command, Config, Ctx, Job, JobCtx, Migration, Module, Outcome, Queue, Result, sql};

use crate::orders::{INSERT_ORDER, Place, TABLES};

pub(crate) const QUEUE: &str = "work";
/// How many run at once: twice as many as are claimed in one transaction, so that some run while others are claimed.
const RUNNING: usize = 1_024;

#[derive(Clone, Job, Serialize, Deserialize)]
#[job("orders.work")]
pub(crate) struct Work {
    pub(crate) number: u32,
    /// So that it has a size like that of real ones.
    pub(crate) note: String,
}

impl Work {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            number,
            note: "a job that says what to do, and to which of the things that it knows".to_owned(),
        }
    }

    pub(crate) fn many(count: usize) -> Vec<Self> {
        (0..count).map(|number| Self::new(u32::try_from(number).unwrap_or(u32::MAX))).collect()
    }
}

/// Writes an order and enqueues a job beside it.
#[derive(Clone, Command, Serialize, Deserialize)]
#[command("orders.place-with-work")]
pub(crate) struct PlaceWithWork(pub(crate) Place);

async fn place_with_work(ctx: &mut Ctx, PlaceWithWork(order): PlaceWithWork) -> Outcome<()> {
    sql(INSERT_ORDER)
        .bind(order.order_id)
        .bind(order.customer_id)
        .bind(order.total_cents)
        .bind(order.placed_at)
        .execute(ctx.tx())
        .await?;
    ctx.enqueue(Work::new(order.total_cents)).await?;
    Ok(())
}

/// How many jobs have begun.
pub(crate) static BEGUN: AtomicUsize = AtomicUsize::new(0);
/// When each job started, by its number; only if asked for.
pub(crate) static STARTED: Mutex<Vec<(u32, Instant)>> = Mutex::new(Vec::new());
pub(crate) static NOTE_STARTS: AtomicBool = AtomicBool::new(false);

async fn work(_ctx: &mut JobCtx, job: Work) -> Result<()> {
    if NOTE_STARTS.load(Ordering::Relaxed) {
        let now = Instant::now();
        STARTED.lock().map_err(|_| tidings::Error::failed("poisoned"))?.push((job.number, now));
    }
    BEGUN.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Starts the application on a database in this folder.
pub(crate) async fn start(folder: &Path) -> Result<App> {
    let module = Module::new("orders")
        .tables(["orders", "copies"])
        .migrations(&[Migration { version: 1, name: "tables", sql: TABLES }])
        .command(place_with_work)
        .job(Queue::named(QUEUE).concurrency(RUNNING), work);
    let mut config = Config::default();
    config.store.path = folder.join("ours.db");
    // What has ended stays: that it costs nothing is one of the things to be shown.
    config.retention.jobs_max = 10_000_000;
    Ok(App::builder().module(module).config(config).build().await?)
}

/// Enqueues so many, a thousand in each call.
pub(crate) async fn enqueue(app: &App, count: usize) -> Result<()> {
    let outbox = app.outbox("orders")?;
    let mut left = Work::many(count);
    while !left.is_empty() {
        let rest = left.split_off(left.len().min(1_000));
        outbox.enqueue_many(left).await?;
        left = rest;
    }
    Ok(())
}

/// Waits until so many have ended since a time, as the database says.
pub(crate) async fn until_completed(connection: &Connection, count: usize, since: Timestamp) -> Result<()> {
    let waiting = Instant::now();
    while completed(connection, since)? < count {
        if waiting.elapsed() > Duration::from_secs(60) {
            return Err(tidings::Error::failed("the jobs do not get done"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

fn completed(connection: &Connection, since: Timestamp) -> Result<usize> {
    let sql = "SELECT count(*) FROM tidings_jobs WHERE ended_at >= ?1";
    let count: i64 = connection.query_row(sql, [since.as_microsecond()], |row| row.get(0))?;
    Ok(usize::try_from(count)?)
}
