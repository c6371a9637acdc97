//! `pgmq`, as SQL without its extension, installed from the crate that embeds it: <https://crates.io/crates/pgmq>.
//!
//! It is a queue of messages, not of jobs: no retry schedule, no record of why something failed. So it has three ways here:
//! finished messages archived (its way to keep them) or deleted by a client, and archived by a loop inside the server, where
//! nothing is handled at all.

use std::time::Duration;

use pgmq::PGMQueueExt;
use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tidings_peers_contract::{
    About, INSERT_ORDER, Job, Peer, Result, Seen, Stop, TABLES, now_us, run, variant,
};

const QUEUE: &str = "work";
const BATCH: i32 = 1_000;
/// Seconds in which nobody else may read what has been read.
const HIDDEN: i32 = 60;

#[derive(Clone)]
struct Pgmq {
    pool: PgPool,
    queue: PGMQueueExt,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Archive,
    Delete,
    Server,
}

fn way() -> Way {
    match variant().as_deref() {
        Some("delete") => Way::Delete,
        Some("server") => Way::Server,
        _ => Way::Archive,
    }
}

fn main() -> Result<()> {
    run::<Pgmq>()
}

impl Peer for Pgmq {
    fn about() -> About {
        let (configuration, can): (_, &[_]) = match way() {
            Way::Archive => (
                "pgmq.read of 1,000 and pgmq.archive of all of them; for latency enable_notify_insert without throttle, and \
                 LISTEN (its docs: \"Realtime Notifications\")",
                &["enqueue", "bulk", "drain", "latency", "produce"],
            ),
            Way::Delete => ("pgmq.read of 1,000 and pgmq.delete of all of them", &["drain"]),
            Way::Server => (
                "one DO block that reads and archives 1,000 and commits, until there are none: no client, no handler",
                &["drain"],
            ),
        };
        About {
            version: "1.11.0 (crate 0.33.0)",
            runtime: "Rust, sqlx 0.8",
            keeps: way() != Way::Delete,
            configuration,
            unfinished: "SELECT count(*) FROM pgmq.q_work",
            can,
        }
    }

    async fn set_up(url: &str) -> Result<()> {
        let peer = Self::open(url, 1).await?;
        peer.queue.install_sql_from_embedded().await?;
        peer.queue.create(QUEUE).await?;
        sqlx::raw_sql(TABLES).execute(&peer.pool).await?;
        Ok(())
    }

    async fn open(url: &str, callers: usize) -> Result<Self> {
        let connections = u32::try_from(callers)?.max(4);
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        let queue = PGMQueueExt::new_with_pool(pool.clone()).await;
        Ok(Self { pool, queue })
    }

    async fn enqueue(&self, number: u32) -> Result<u64> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(INSERT_ORDER).bind(i32::try_from(number)?).execute(&mut *transaction).await?;
        self.queue.send_with_cxn(QUEUE, &Job::new(number), &mut *transaction).await?;
        let sent = now_us();
        transaction.commit().await?;
        Ok(sent)
    }

    /// `pgmq.send_batch`; this version of the crate has no method for it.
    async fn bulk(&self, jobs: u32) -> Result<()> {
        let jobs = (0..jobs).map(|number| serde_json::to_value(Job::new(number)));
        let jobs = jobs.collect::<std::result::Result<Vec<_>, _>>()?;
        for thousand in jobs.chunks(1_000) {
            sqlx::query("SELECT pgmq.send_batch($1, $2)")
                .bind(QUEUE)
                .bind(thousand)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    async fn work(&self, seen: Seen, mut stop: Stop, _processes: u32, latency: bool) -> Result<()> {
        if way() == Way::Server {
            return self.work_in_server(&seen, stop).await;
        }
        let mut listener = None;
        if latency {
            sqlx::query("SELECT pgmq.enable_notify_insert($1, 0)").bind(QUEUE).execute(&self.pool).await?;
            let mut new = PgListener::connect_with(&self.pool).await?;
            new.listen("pgmq.q_work.INSERT").await?;
            listener = Some(new);
        }
        while !stop.is_stopped() {
            if self.turn(&seen).await? {
                continue;
            }
            let wait = async {
                match &mut listener {
                    Some(listener) => listener.recv().await.map(drop),
                    None => Ok(tokio::time::sleep(Duration::from_millis(5)).await),
                }
            };
            tokio::select! {
                () = stop.stopped() => {}
                heard = wait => heard?,
            }
        }
        Ok(())
    }
}

impl Pgmq {
    /// Whether there was anything.
    async fn turn(&self, seen: &Seen) -> Result<bool> {
        let rows: Vec<(i64, sqlx::types::Json<Job>)> =
            sqlx::query_as("SELECT msg_id, message FROM pgmq.read($1, $2, $3)")
                .bind(QUEUE)
                .bind(HIDDEN)
                .bind(BATCH)
                .fetch_all(&self.pool)
                .await?;
        for (_, job) in &rows {
            seen.job(job.number);
        }
        let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return Ok(false);
        }
        match way() {
            Way::Delete => drop(self.queue.delete_batch(QUEUE, &ids).await?),
            _ => drop(self.queue.archive_batch(QUEUE, &ids).await?),
        }
        Ok(true)
    }

    async fn work_in_server(&self, seen: &Seen, mut stop: Stop) -> Result<()> {
        let (jobs,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM pgmq.q_work").fetch_one(&self.pool).await?;
        let all = format!(
            "DO $$ DECLARE ids bigint[]; BEGIN LOOP
                SELECT array_agg(msg_id) INTO ids FROM pgmq.read('{QUEUE}', {HIDDEN}, {BATCH});
                EXIT WHEN ids IS NULL;
                PERFORM pgmq.archive('{QUEUE}', ids);
                COMMIT;
             END LOOP; END $$"
        );
        sqlx::raw_sql(&all).execute(&self.pool).await?;
        for number in 0..u32::try_from(jobs)? {
            seen.job(number);
        }
        stop.stopped().await;
        Ok(())
    }
}
