//! `apalis` on SQLite.
//!
//! Its own set-up turns `synchronous` off, so that step is left out: the migrations alone are run, on connections with
//! SQLite's default, which is FULL. Bulk and transactional enqueueing go through its own statement in a transaction of the
//! caller's, and the worker listens to its hook instead of polling, which is the fastest of its ways.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BoxDynError, TaskBuilder, WorkerBuilder, WorkerContext};
use apalis_sqlite::callback::HookCallbackListener;
use apalis_sqlite::{Config, SqlitePool, SqliteStorage};

use crate::floor::jobs::BATCH;
use crate::orders::{INSERT_ORDER, Place, TABLES};
use crate::work::Work;

const QUEUE: &str = "work";

pub(crate) struct Apalis {
    pool: SqlitePool,
    listener: Option<HookCallbackListener>,
}

impl Apalis {
    pub(crate) async fn open(folder: &Path) -> tidings::Result<Self> {
        let url = format!("sqlite://{}?mode=rwc", folder.join("apalis.db").display());
        let (pool, listener) = SqliteStorage::connect_with_callback(&url)?;
        sqlx::query("PRAGMA journal_mode = WAL").execute(&pool).await?;
        SqliteStorage::migrations().run(&pool).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(Self { pool, listener: Some(listener) })
    }

    pub(crate) fn caller(&self) -> ApalisCaller {
        ApalisCaller(self.pool.clone())
    }

    /// Works until so many jobs have been begun, and answers with when each was: its number and the time.
    pub(crate) async fn work(&mut self, jobs: usize) -> tidings::Result<Vec<(u32, Instant)>> {
        LEFT.store(jobs, Ordering::SeqCst);
        let config = Config { batch_size: BATCH, ..Config::default().queue(QUEUE) };
        let storage = SqliteStorage::<Work>::new(&self.pool).with_config(config);
        match self.listener.take() {
            Some(listener) => {
                let worker = WorkerBuilder::new("bench").backend(storage.with_callback(listener));
                worker.concurrency(BATCH).build(note).run().await?;
            }
            None => WorkerBuilder::new("bench").backend(storage).concurrency(BATCH).build(note).run().await?,
        }
        Ok(STARTED.lock().map(|mut started| std::mem::take(&mut *started)).unwrap_or_default())
    }

    pub(crate) async fn close(self) {
        self.pool.close().await;
    }
}

#[derive(Clone)]
pub(crate) struct ApalisCaller(SqlitePool);

impl ApalisCaller {
    /// Enqueues in one transaction, with a row beside it if there is one.
    pub(crate) async fn enqueue(&self, order: Option<&Place>, jobs: &[Work]) -> tidings::Result<()> {
        let tasks = jobs.iter().map(|job| Ok(TaskBuilder::new(serde_json::to_vec(job)?).build()));
        let tasks = tasks.collect::<Result<Vec<_>, serde_json::Error>>()?;
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(order) = order {
            sqlx::query(INSERT_ORDER)
                .bind(order.order_id.to_string())
                .bind(order.customer_id.to_string())
                .bind(order.total_cents)
                .bind(order.placed_at.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        apalis_sqlite::queries::push_tasks(&mut transaction, QUEUE, &tasks).await?;
        Ok(transaction.commit().await?)
    }
}

static LEFT: AtomicUsize = AtomicUsize::new(0);
static STARTED: Mutex<Vec<(u32, Instant)>> = Mutex::new(Vec::new());

async fn note(job: Work, worker: WorkerContext) -> Result<(), BoxDynError> {
    let now = Instant::now();
    if let Ok(mut started) = STARTED.lock() {
        started.push((job.number, now));
    }
    if LEFT.fetch_sub(1, Ordering::SeqCst) == 1 {
        worker.stop()?;
    }
    Ok(())
}
