//! `apalis-postgres`: <https://crates.io/crates/apalis-postgres>.
//!
//! Enqueues through its own statement in the caller's transaction (`queries::push_tasks`, as its README shows), and works with
//! its listener to NOTIFY, in batches.

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{BoxDynError, Data, TaskBuilder, WorkerBuilder};
use apalis_postgres::{Config, PgPool, PostgresStorage, queries};
use sqlx::postgres::PgPoolOptions;
use tidings_peers_contract::{About, INSERT_ORDER, Job, Peer, Result, Seen, Stop, TABLES, now_us, run};

const QUEUE: &str = "work";
const BATCH: usize = 500;

#[derive(Clone)]
struct Apalis(PgPool);

fn main() -> Result<()> {
    run::<Apalis>()
}

async fn note(job: Job, seen: Data<Seen>) -> std::result::Result<(), BoxDynError> {
    seen.job(job.number);
    Ok(())
}

fn task(number: u32) -> Result<apalis_postgres::PgTask> {
    Ok(TaskBuilder::new(serde_json::to_vec(&Job::new(number))?).build())
}

impl Peer for Apalis {
    fn about() -> About {
        About {
            version: "1.0.0",
            runtime: "Rust, sqlx 0.9",
            keeps: true,
            configuration: "batch_size(500), concurrency(500), with_pubsub() (README: \"Pubsub listener example\"); the rest as \
                            it comes, so each job is locked and its result kept",
            unfinished: "SELECT count(*) FROM apalis.jobs WHERE status NOT IN ('Done', 'Killed')",
            can: &["enqueue", "bulk", "drain", "latency", "produce"],
        }
    }

    async fn set_up(url: &str) -> Result<()> {
        let pool = PgPool::connect(url).await?;
        PostgresStorage::setup(&pool).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(())
    }

    async fn open(url: &str, callers: usize) -> Result<Self> {
        let connections = u32::try_from(callers)?.max(10);
        Ok(Self(PgPoolOptions::new().max_connections(connections).connect(url).await?))
    }

    async fn enqueue(&self, number: u32) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        sqlx::query(INSERT_ORDER).bind(i32::try_from(number)?).execute(&mut *transaction).await?;
        queries::push_tasks(&mut *transaction, QUEUE, vec![task(number)?]).await?;
        let sent = now_us();
        transaction.commit().await?;
        Ok(sent)
    }

    async fn bulk(&self, jobs: u32) -> Result<()> {
        let mut tasks = (0..jobs).map(task).collect::<Result<Vec<_>>>()?;
        while !tasks.is_empty() {
            let rest = tasks.split_off(tasks.len().min(1_000));
            let mut transaction = self.0.begin().await?;
            queries::push_tasks(&mut *transaction, QUEUE, tasks).await?;
            transaction.commit().await?;
            tasks = rest;
        }
        Ok(())
    }

    async fn work(&self, seen: Seen, mut stop: Stop, _processes: u32, _latency: bool) -> Result<()> {
        let config = Config::default().queue(QUEUE).batch_size(BATCH);
        let storage = PostgresStorage::<Job>::new(&self.0).with_config(config).with_pubsub();
        // Each process is a worker of its own.
        let worker = WorkerBuilder::new(format!("bench-{}", std::process::id()))
            .backend(storage)
            .data(seen)
            .concurrency(BATCH)
            .build(note);
        tokio::select! {
            ended = worker.run() => Ok(ended?),
            () = stop.stopped() => Ok(()),
        }
    }
}
