//! A cursor per listener, moved in the transaction of its batch.

use std::time::Instant;

use sqlx::PgPool;
use tidings_peers_contract::{INSERT_COPY, Job, Result};
use tokio::task::JoinSet;

use crate::{BATCH, is_least};

pub(crate) const TABLES: &str = "
    CREATE TABLE events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        name text NOT NULL, payload text NOT NULL);
    CREATE INDEX events_in_order ON events (xid, id);
    CREATE TABLE cursors (listener smallint PRIMARY KEY, xid xid8 NOT NULL, id bigint NOT NULL);";

const APPEND: &str =
    "INSERT INTO events (name, payload) SELECT 'placed', payload FROM unnest($1::text[]) AS new (payload)";

/// Only what is below every open transaction: what commits late is not skipped.
const READ: &str = "SELECT id, xid::text, payload FROM events
    WHERE (xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id LIMIT $3";

const COPY_MANY: &str =
    "INSERT INTO copies (listener, number) SELECT $1, number FROM unnest($2::integer[]) AS new (number)";

const ADVANCE: &str = "INSERT INTO cursors (listener, xid, id) VALUES ($1, $2::text::xid8, $3)
    ON CONFLICT (listener) DO UPDATE SET xid = excluded.xid, id = excluded.id";

pub(crate) async fn run(pool: &PgPool, events: u32, listeners: u32) -> Result<f64> {
    let payloads = (0..events).map(|number| serde_json::to_string(&Job::new(number)));
    let payloads = payloads.collect::<std::result::Result<Vec<_>, _>>()?;
    let mut transaction = pool.begin().await?;
    for some in payloads.chunks(usize::try_from(BATCH)?) {
        sqlx::query(APPEND).bind(some).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for listener in 1..=i16::try_from(listeners)? {
        tasks.spawn(listen(pool.clone(), listener, events as usize));
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(started.elapsed().as_secs_f64())
}

async fn listen(pool: PgPool, listener: i16, mut left: usize) -> Result<()> {
    let (mut xid, mut id) = ("0".to_owned(), 0_i64);
    while left > 0 {
        let mut transaction = pool.begin().await?;
        let query = sqlx::query_as(READ).bind(&xid).bind(id).bind(BATCH);
        let read: Vec<(i64, String, String)> = query.fetch_all(&mut *transaction).await?;
        let Some((last, last_xid, _)) = read.last() else { continue };
        (id, xid) = (*last, last_xid.clone());
        let numbers = read
            .iter()
            .map(|(_, _, payload)| Ok(i32::try_from(serde_json::from_str::<Job>(payload)?.number)?));
        let numbers = numbers.collect::<Result<Vec<i32>>>()?;
        left -= numbers.len();
        if is_least() {
            sqlx::query(COPY_MANY).bind(listener).bind(numbers).execute(&mut *transaction).await?;
        } else {
            for number in numbers {
                sqlx::query(INSERT_COPY).bind(listener).bind(number).execute(&mut *transaction).await?;
            }
        }
        sqlx::query(ADVANCE).bind(listener).bind(&xid).bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(())
}
