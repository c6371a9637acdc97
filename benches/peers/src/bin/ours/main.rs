//! Tidings on PostgreSQL, by its public interface. It has three ways:
//!
//! - a job beside a row (the default);
//! - with `PEER_VARIANT=events`, an event beside a row, and listeners;
//! - with `PEER_VARIANT=batches`, the same with listeners that take events in batches.
//!
//! All in a transaction of sqlx that the outbox lends.

mod application;
mod deliver;

use std::sync::Arc;

use tidings::App;
use tidings_peers_contract::{About, Peer, Result, Seen, Stop, TABLES, run, variant};
use tokio::sync::OnceCell;

use application::Role;

#[derive(Clone)]
struct Ours {
    url: Arc<str>,
    connections: u32,
    /// Whoever works and enqueues in one process does both with one application.
    app: Arc<OnceCell<App>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Jobs,
    Events,
    Batches,
}

pub(crate) fn way() -> Way {
    match variant().as_deref() {
        Some("events") => Way::Events,
        Some("batches") => Way::Batches,
        _ => Way::Jobs,
    }
}

fn main() -> Result<()> {
    run::<Ours>()
}

impl Peer for Ours {
    fn about() -> About {
        let (configuration, can): (_, &[_]) = match way() {
            Way::Events => (
                "a row and an event in one transaction (`outbox.begin`); listeners that write a row for each event",
                &["enqueue", "latency", "produce", "deliver"],
            ),
            Way::Batches => (
                "listeners of up to 256 events (`batch`), which write the rows of a batch with one statement",
                &["deliver"],
            ),
            Way::Jobs => (
                "a row and a job in one transaction (`outbox.begin`); one queue with 1,024 jobs at once; what has ended is kept",
                &["enqueue", "bulk", "drain", "latency", "produce"],
            ),
        };
        About {
            version: env!("CARGO_PKG_VERSION"),
            runtime: "Rust, sqlx 0.9",
            keeps: true,
            configuration,
            unfinished: "SELECT count(*) FROM tidings_jobs_live WHERE turn IS DISTINCT FROM 100002",
            can,
        }
    }

    async fn set_up(url: &str) -> Result<()> {
        let pool = sqlx::PgPool::connect(url).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        application::start(url, 4, Role::Sends).await?.shutdown().await?;
        Ok(())
    }

    async fn open(url: &str, callers: usize) -> Result<Self> {
        let connections = u32::try_from(callers)? + 8;
        Ok(Self { url: url.into(), connections, app: Arc::default() })
    }

    async fn enqueue(&self, number: u32) -> Result<u64> {
        let app = self.app(Role::Sends).await?;
        application::place(&app.outbox("orders")?, number).await
    }

    async fn bulk(&self, jobs: u32) -> Result<()> {
        let app = self.app(Role::Sends).await?;
        let outbox = app.outbox("orders")?;
        let jobs: Vec<application::Work> = (0..jobs).map(application::Work::new).collect();
        for thousand in jobs.chunks(1_000) {
            outbox.enqueue_many(thousand.to_vec()).await?;
        }
        Ok(())
    }

    /// The application runs, and its queue is paused.
    async fn get_ready(&self) -> Result<()> {
        let app = self.app(Role::Works).await?;
        if way() == Way::Jobs {
            app.queues().pause(application::QUEUE, "until the word").await?;
        }
        Ok(())
    }

    async fn work(&self, seen: Seen, mut stop: Stop, _processes: u32, _latency: bool) -> Result<()> {
        application::tell(seen)?;
        let app = self.app(Role::Works).await?;
        if way() == Way::Jobs {
            app.queues().resume(application::QUEUE).await?;
        }
        stop.stopped().await;
        app.shutdown().await?;
        Ok(())
    }

    async fn deliver(&self, events: u32, listeners: u32) -> Result<f64> {
        deliver::run(&self.url, events, listeners).await
    }
}

impl Ours {
    async fn app(&self, role: Role) -> Result<App> {
        let app = self.app.get_or_try_init(|| application::start(&self.url, self.connections, role)).await?;
        Ok(app.clone())
    }
}
