//! An order and a message.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tidings_peers_contract::{INSERT_ORDER, Job, Result, Stop, now_us};
use tokio::sync::Notify;

use crate::BATCH;
use crate::shards::SHARDS;

const CHANNEL: &str = "messages";
/// For a worker that does not listen.
const POLL_EVERY: Duration = Duration::from_millis(5);

const INSERT: &str = "INSERT INTO messages (shard, name, payload) VALUES ($1, 'work', $2)";
const INSERT_BOTH: &str = "WITH new_order AS (
        INSERT INTO orders (customer_id, total_cents, placed_at) VALUES ('5eed0000-0000-4000-8000-000000000001', $3, now()))
    INSERT INTO messages (shard, name, payload) VALUES ($1, 'work', $2)";
const INSERT_MANY: &str = "INSERT INTO messages (shard, name, payload)
    SELECT shard, 'work', payload FROM unnest($1::smallint[], $2::text[]) AS new (shard, payload)";

pub(crate) async fn in_a_transaction(pool: &PgPool, number: u32) -> Result<u64> {
    let (shard, payload) = message(number)?;
    let mut transaction = pool.begin().await?;
    sqlx::query(INSERT_ORDER).bind(i32::try_from(number)?).execute(&mut *transaction).await?;
    sqlx::query(INSERT).bind(shard).bind(payload).execute(&mut *transaction).await?;
    let sent = now_us();
    transaction.commit().await?;
    Ok(sent)
}

pub(crate) async fn in_one_statement(pool: &PgPool, number: u32) -> Result<u64> {
    let (shard, payload) = message(number)?;
    let sent = now_us();
    sqlx::query(INSERT_BOTH).bind(shard).bind(payload).bind(i32::try_from(number)?).execute(pool).await?;
    Ok(sent)
}

pub(crate) async fn many(pool: &PgPool, jobs: u32) -> Result<()> {
    let messages = (0..jobs).map(message).collect::<Result<Vec<_>>>()?;
    for some in messages.chunks(usize::try_from(BATCH)?) {
        let (shards, payloads): (Vec<i16>, Vec<&str>) =
            some.iter().map(|(shard, text)| (*shard, text.as_str())).unzip();
        sqlx::query(INSERT_MANY).bind(shards).bind(payloads).execute(pool).await?;
    }
    Ok(())
}

/// In a transaction that writes, NOTIFY takes a lock of the whole server until after the commit, and no two can commit at once.
pub(crate) async fn tell(pool: PgPool, committed: Arc<Notify>) -> Result<()> {
    loop {
        committed.notified().await;
        sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&pool).await?;
    }
}

pub(crate) async fn listener(pool: &PgPool) -> Result<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Returns when there is something new, or it is time to look again, or to stop.
pub(crate) async fn news(listener: &mut Option<PgListener>, stop: &mut Stop) -> Result<()> {
    let Some(listener) = listener else {
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(POLL_EVERY) => {}
        }
        return Ok(());
    };
    tokio::select! {
        () = stop.stopped() => {}
        heard = listener.recv() => drop(heard?),
    }
    Ok(())
}

fn message(number: u32) -> Result<(i16, String)> {
    Ok((i16::try_from(number % SHARDS)?, serde_json::to_string(&Job::new(number))?))
}
