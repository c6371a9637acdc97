//! `underway`: <https://crates.io/crates/underway>.

use std::sync::Arc;

use jiff::ToSpan as _;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres, Transaction};
use tidings_peers_contract::{About, INSERT_ORDER, Job, Peer, Result, Seen, Stop, TABLES, now_us, run};
use tokio::runtime::Handle;
use underway::task::Result as TaskResult;
use underway::{Queue, Task, Worker};

/// How many tasks run at once in a process; its default is the number of processors.
const CONCURRENCY: usize = 32;

#[derive(Clone)]
struct Underway {
    pool: PgPool,
    queue: Arc<Queue<Work>>,
}

fn main() -> Result<()> {
    run::<Underway>()
}

#[derive(Clone, Default)]
struct Work(Seen);

impl Task for Work {
    type Input = Job;
    type Output = ();

    async fn execute(&self, _transaction: Transaction<'_, Postgres>, job: Job) -> TaskResult<()> {
        self.0.job(job.number);
        Ok(())
    }
}

impl Underway {
    /// The future of `enqueue_multi` is not `Send` for every lifetime, so it is polled where it stands.
    fn add(&self, jobs: &[Job]) -> Result<usize> {
        let work = Work::default();
        let adding = self.queue.enqueue_multi(&self.pool, &work, jobs);
        Ok(Handle::current().block_on(adding)?)
    }
}

impl Peer for Underway {
    fn about() -> About {
        About {
            version: "0.2.0",
            runtime: "Rust, sqlx 0.8",
            keeps: true,
            configuration: "set_concurrency_limit(32), run_every(10 ms): each tick and each NOTIFY starts one loop more, up to the \
                            limit (src/worker.rs; with its default of one minute a backlog is worked off by a single loop)",
            unfinished: "SELECT count(*) FROM underway.task WHERE state IN ('pending', 'in_progress')",
            can: &["enqueue", "bulk", "drain", "latency", "produce"],
        }
    }

    async fn set_up(url: &str) -> Result<()> {
        let pool = PgPool::connect(url).await?;
        // Its future is not `Send` for every lifetime either.
        tokio::task::block_in_place(|| Handle::current().block_on(underway::run_migrations(&pool)))?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Queue::<Work>::builder().name("work").pool(pool).build().await?;
        Ok(())
    }

    async fn open(url: &str, callers: usize) -> Result<Self> {
        // Each task that runs has a transaction of its own, and it takes two listeners besides.
        let connections = u32::try_from(callers.max(CONCURRENCY) + 8)?;
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        let queue = Queue::builder().name("work").pool(pool.clone()).build().await?;
        Ok(Self { pool, queue: Arc::new(queue) })
    }

    async fn enqueue(&self, number: u32) -> Result<u64> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(INSERT_ORDER).bind(i32::try_from(number)?).execute(&mut *transaction).await?;
        self.queue.enqueue(&mut *transaction, &Work::default(), &Job::new(number)).await?;
        let sent = now_us();
        transaction.commit().await?;
        Ok(sent)
    }

    async fn bulk(&self, jobs: u32) -> Result<()> {
        let jobs: Vec<Job> = (0..jobs).map(Job::new).collect();
        for thousand in jobs.chunks(1_000) {
            tokio::task::block_in_place(|| self.add(thousand))?;
        }
        Ok(())
    }

    async fn work(&self, seen: Seen, mut stop: Stop, _processes: u32, _latency: bool) -> Result<()> {
        let mut worker = Worker::new(Arc::clone(&self.queue), Work(seen));
        worker.set_concurrency_limit(CONCURRENCY);
        tokio::select! {
            ended = worker.run_every(10.milliseconds()) => Ok(ended?),
            () = stop.stopped() => Ok(()),
        }
    }
}
