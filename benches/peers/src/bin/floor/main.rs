//! The floor: the bare SQL that does the least possible with the same guarantee. It has two ways:
//!
//! - As anyone would write it: BEGIN, two inserts, COMMIT; one statement that completes the previous batch and claims the
//!   next; a listener that writes a row for each event.
//! - With `PEER_VARIANT=least`, as little as was thought of: both inserts in one statement; shards that are leased with an epoch,
//!   so that a claim writes nothing and a completion is fenced by the epoch; a listener that writes a batch at once.
//!
//! Neither counts attempts, retries, or knows what failed: that is what makes it a floor.

mod delivery;
mod drain;
mod enqueue;
mod shards;

use std::sync::Arc;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tidings_peers_contract::{About, Peer, Result, Seen, Stop, TABLES, run, variant};
use tokio::sync::Notify;

/// How many are read, claimed and completed at once.
const BATCH: i64 = 1_000;

/// Rows of which the state is kept, whatever becomes of them.
const MESSAGES: &str = "
    CREATE TABLE messages (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shard smallint NOT NULL, name text NOT NULL, payload text NOT NULL,
        state smallint NOT NULL DEFAULT 0, attempts smallint NOT NULL DEFAULT 0, worker bigint,
        enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp(), started_at timestamptz, ended_at timestamptz);";

#[derive(Clone)]
struct Floor {
    pool: PgPool,
    /// Something was committed: whoever listens elsewhere has to be woken up, outside of the transaction.
    committed: Arc<Notify>,
}

fn is_least() -> bool {
    variant().as_deref() == Some("least")
}

fn main() -> Result<()> {
    run::<Floor>()
}

impl Peer for Floor {
    fn about() -> About {
        About {
            version: env!("CARGO_PKG_VERSION"),
            runtime: "Rust, sqlx 0.9",
            keeps: true,
            configuration: if is_least() {
                "both inserts in one statement; shards leased with an epoch, 1,000 read and the previous 1,000 completed by one \
                 statement, no write at the claim; a batch of 1,000 events written by one statement; NOTIFY outside of the \
                 transaction"
            } else {
                "BEGIN, two inserts, COMMIT; 1,000 claimed and the previous 1,000 completed by one statement, in two loops; a row \
                 written for each event, 1,000 in a transaction; NOTIFY outside of the transaction"
            },
            unfinished: "SELECT count(*) FROM messages WHERE state < 2",
            can: &["enqueue", "bulk", "drain", "latency", "produce", "deliver"],
        }
    }

    async fn set_up(url: &str) -> Result<()> {
        let peer = Self::open(url, 1).await?;
        let tables =
            [TABLES, MESSAGES, if is_least() { shards::TABLES } else { drain::INDEX }, delivery::TABLES];
        for sql in tables {
            sqlx::raw_sql(sql).execute(&peer.pool).await?;
        }
        Ok(())
    }

    async fn open(url: &str, callers: usize) -> Result<Self> {
        let connections = u32::try_from(callers)? + 8;
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        Ok(Self { pool, committed: Arc::default() })
    }

    async fn enqueue(&self, number: u32) -> Result<u64> {
        let sent = if is_least() {
            enqueue::in_one_statement(&self.pool, number).await?
        } else {
            enqueue::in_a_transaction(&self.pool, number).await?
        };
        self.committed.notify_one();
        Ok(sent)
    }

    async fn bulk(&self, jobs: u32) -> Result<()> {
        enqueue::many(&self.pool, jobs).await
    }

    async fn work(&self, seen: Seen, stop: Stop, processes: u32, latency: bool) -> Result<()> {
        if is_least() {
            return shards::work(&self.pool, seen, stop, processes, latency).await;
        }
        drain::work(&self.pool, seen, stop, latency).await
    }

    /// A producer also tells those that listen.
    fn beside_producing(&self) -> Option<impl Future<Output = Result<()>> + Send + 'static> {
        Some(enqueue::tell(self.pool.clone(), Arc::clone(&self.committed)))
    }

    async fn deliver(&self, events: u32, listeners: u32) -> Result<f64> {
        delivery::run(&self.pool, events, listeners).await
    }
}
