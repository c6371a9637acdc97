//! Messages claimed by a write, and completed with the next claim.

use sqlx::PgPool;
use tidings_peers_contract::{Job, Result, Seen, Stop};

use crate::{BATCH, enqueue};

pub(crate) const INDEX: &str = "CREATE INDEX messages_ready ON messages (id) WHERE state = 0;";

/// `$2` is the worker: who has lost a message to another completes nothing.
const TURN: &str = "WITH done AS (
        UPDATE messages SET state = 2, ended_at = clock_timestamp() WHERE id = ANY($1) AND worker = $2 AND state = 1),
    next AS (SELECT id FROM messages WHERE state = 0 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)
    UPDATE messages SET state = 1, worker = $2, attempts = attempts + 1, started_at = clock_timestamp()
    FROM next WHERE messages.id = next.id RETURNING messages.id, messages.payload";

/// While one waits for its answer the other handles.
const LOOPS: i64 = 2;

pub(crate) async fn work(pool: &PgPool, seen: Seen, stop: Stop, latency: bool) -> Result<()> {
    let loops = if latency { 1 } else { LOOPS };
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..loops {
        let worker = i64::from(std::process::id()) * LOOPS + number;
        tasks.spawn(one_loop(pool.clone(), seen.clone(), stop.clone(), worker, latency));
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

async fn one_loop(pool: PgPool, seen: Seen, mut stop: Stop, worker: i64, latency: bool) -> Result<()> {
    let mut listener = if latency { Some(enqueue::listener(&pool).await?) } else { None };
    let mut done: Vec<i64> = Vec::new();
    while !stop.is_stopped() {
        let query = sqlx::query_as(TURN).bind(&done).bind(worker).bind(BATCH);
        let claimed: Vec<(i64, String)> = query.fetch_all(&pool).await?;
        let is_idle = claimed.is_empty() && done.is_empty();
        done.clear();
        for (id, payload) in claimed {
            let job: Job = serde_json::from_str(&payload)?;
            seen.job(job.number);
            done.push(id);
        }
        if is_idle {
            enqueue::news(&mut listener, &mut stop).await?;
        }
    }
    Ok(())
}
