//! `graphile_worker`, the rewrite of graphile-worker in Rust: <https://crates.io/crates/graphile_worker>.

use std::sync::Arc;
use std::time::Duration;

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tidings_peers_contract::{About, INSERT_ORDER, Job, Peer, Result, Seen, Stop, TABLES, now_us, run};

const SCHEMA: &str = "graphile_worker";

#[derive(Clone)]
struct Graphile {
    pool: PgPool,
    utils: WorkerUtils,
}

fn main() -> Result<()> {
    run::<Graphile>()
}

#[derive(Clone, Serialize, Deserialize)]
struct Work(Job);

#[derive(Clone, Debug)]
struct Told(Seen);

impl TaskHandler for Work {
    const IDENTIFIER: &'static str = "work";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(Told(seen)) = context.get_ext::<Told>() {
            seen.job(self.0.number);
        }
        Ok::<(), String>(())
    }
}

impl Peer for Graphile {
    fn about() -> About {
        About {
            version: "0.14.1",
            runtime: "Rust, sqlx 0.9",
            keeps: false,
            configuration: "its own benchmark's (benches/perf_test.rs in the crate): concurrency 500, local queue of 5,000, poll \
                            and completion batches of 5 ms; for latency without the local queue, which its docs say costs \
                            latency",
            unfinished: "SELECT count(*) FROM graphile_worker._private_jobs",
            can: &["enqueue", "bulk", "drain", "latency", "produce"],
        }
    }

    async fn set_up(url: &str) -> Result<()> {
        let peer = Self::open(url, 1).await?;
        peer.utils.migrate().await?;
        sqlx::raw_sql(TABLES).execute(&peer.pool).await?;
        Ok(())
    }

    async fn open(url: &str, callers: usize) -> Result<Self> {
        let connections = u32::try_from(callers)?.max(20);
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        let utils = WorkerUtils::new(pool.clone(), SCHEMA);
        Ok(Self { pool, utils })
    }

    async fn enqueue(&self, number: u32) -> Result<u64> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(INSERT_ORDER).bind(i32::try_from(number)?).execute(&mut *transaction).await?;
        {
            let mut utils = self.utils.clone().with_executor(&mut transaction);
            utils.add_job(Work(Job::new(number)), JobSpec::default()).await?;
        }
        let sent = now_us();
        transaction.commit().await?;
        Ok(sent)
    }

    async fn bulk(&self, jobs: u32) -> Result<()> {
        let numbers: Vec<u32> = (0..jobs).collect();
        let spec = JobSpec::default();
        for thousand in numbers.chunks(1_000) {
            let jobs: Vec<_> = thousand.iter().map(|number| (Work(Job::new(*number)), &spec)).collect();
            self.utils.add_jobs(&jobs).await?;
        }
        Ok(())
    }

    async fn work(&self, seen: Seen, mut stop: Stop, _processes: u32, latency: bool) -> Result<()> {
        let mut options = WorkerOptions::default()
            .database(self.pool.clone())
            .schema(SCHEMA)
            .poll_interval(Duration::from_millis(5))
            .complete_job_batch_delay(Duration::from_millis(5))
            .fail_job_batch_delay(Duration::from_millis(5))
            .add_extension(Told(seen))
            .define_job::<Work>();
        options = if latency {
            options.concurrency(10)
        } else {
            options.concurrency(500).local_queue(LocalQueueConfig::default().with_size(5_000))
        };
        let worker = Arc::new(options.init().await?);
        let running = tokio::spawn({
            let worker = Arc::clone(&worker);
            async move { worker.run().await }
        });
        stop.stopped().await;
        worker.request_shutdown();
        // Everything is done by then; what its shutdown waits for besides is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(2), running).await;
        Ok(())
    }
}
