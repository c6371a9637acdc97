//! Shards of messages, leased to a worker with an epoch: a claim writes nothing, and a completion is fenced by the epoch.

use sqlx::PgPool;
use tidings_peers_contract::{Job, Result, Seen, Stop};

use crate::{BATCH, enqueue};

pub(crate) const SHARDS: u32 = 4;

pub(crate) const TABLES: &str = "
    CREATE INDEX messages_ready ON messages (shard, id) WHERE state = 0;
    CREATE TABLE shards (shard smallint PRIMARY KEY, worker bigint, epoch bigint NOT NULL DEFAULT 0);
    INSERT INTO shards (shard) SELECT generate_series(0, 3);";

const LEASE: &str = "UPDATE shards SET worker = $1, epoch = epoch + 1 WHERE shard IN (
        SELECT shard FROM shards WHERE worker IS NULL ORDER BY shard LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING shard, epoch";

/// The rows that this very statement completes are still there for its reading part, hence the key to read after.
const TURN: &str = "WITH lease AS (
        SELECT FROM shards WHERE shard = $1 AND worker = $2 AND epoch = $3 FOR SHARE),
    done AS (
        UPDATE messages SET state = 2, attempts = attempts + 1, worker = $2, ended_at = clock_timestamp()
        WHERE id = ANY($4) AND state = 0 AND EXISTS (SELECT FROM lease))
    SELECT id, payload FROM messages WHERE shard = $1 AND state = 0 AND id > $5 ORDER BY id LIMIT $6";

struct Shard {
    shard: i16,
    epoch: i64,
    done: Vec<i64>,
    after: i64,
}

pub(crate) async fn work(pool: &PgPool, seen: Seen, stop: Stop, processes: u32, latency: bool) -> Result<()> {
    let worker = i64::from(std::process::id());
    let share = i64::from(SHARDS.div_ceil(processes));
    let leases: Vec<(i16, i64)> = sqlx::query_as(LEASE).bind(worker).bind(share).fetch_all(pool).await?;
    let shard = |(shard, epoch)| Shard { shard, epoch, done: Vec::new(), after: 0 };
    let mut shards: Vec<Shard> = leases.into_iter().map(shard).collect();
    let mut loops = tokio::task::JoinSet::new();
    // One loop has enough to do for all of them, but a job that comes alone need not wait for three other shards to be read.
    let together = if latency { 1 } else { shards.len().max(1) };
    while !shards.is_empty() {
        let rest = shards.split_off(together.min(shards.len()));
        loops.spawn(one_loop(pool.clone(), worker, shards, seen.clone(), stop.clone(), latency));
        shards = rest;
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    Ok(())
}

async fn one_loop(
    pool: PgPool,
    worker: i64,
    mut shards: Vec<Shard>,
    seen: Seen,
    mut stop: Stop,
    latency: bool,
) -> Result<()> {
    let mut listener = if latency { Some(enqueue::listener(&pool).await?) } else { None };
    while !stop.is_stopped() {
        let mut is_idle = true;
        for shard in &mut shards {
            is_idle &= !turn(&pool, worker, shard, &seen).await?;
        }
        if is_idle {
            enqueue::news(&mut listener, &mut stop).await?;
        }
    }
    Ok(())
}

/// Whether there was anything to complete or to do.
async fn turn(pool: &PgPool, worker: i64, shard: &mut Shard, seen: &Seen) -> Result<bool> {
    let query = sqlx::query_as(TURN).bind(shard.shard).bind(worker).bind(shard.epoch);
    let query = query.bind(&shard.done).bind(shard.after).bind(BATCH);
    let read: Vec<(i64, String)> = query.fetch_all(pool).await?;
    let was_busy = !shard.done.is_empty() || !read.is_empty();
    shard.done.clear();
    // A message that commits late has a smaller id than one that was read before it: so at the end it begins anew.
    shard.after = read.last().map_or(0, |(id, _)| *id);
    for (id, payload) in read {
        let job: Job = serde_json::from_str(&payload)?;
        seen.job(job.number);
        shard.done.push(id);
    }
    Ok(was_busy)
}
