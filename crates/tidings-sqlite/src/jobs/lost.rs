//! Attempts whose worker has gone.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tidings_core::store::{ATTEMPTS_KEPT, AttemptEnd, JobState, StoreError, WorkerId};

use super::change_one;
use crate::store::SqliteStore;

const LOST: &str = "its worker was lost: the process ended, or did not renew its lease";

/// An attempt that is under way: place, attempt.
type Attempt = (i64, i64);

pub(super) async fn take_over(
    store: &SqliteStore,
    worker: WorkerId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let env = store.shared.env.clone();
    let run = move |connection: &Connection| {
        // Asked within the transaction: whoever comes while it waits for its turn may have claimed something before it.
        let alive = json(&env.workers.strike_lapsed(worker));
        let lost = attempts(connection, include_str!("../../queries/job_lost.sql"), &alive)?;
        connection.execute(include_str!("../../queries/workers_keep.sql"), [&alive])?;
        let suspend = |attempt: &Attempt| {
            note(connection, attempt, AttemptEnd::Lost, LOST, now)?;
            let sql = include_str!("../../queries/job_suspend.sql");
            change_one(connection, sql, params![attempt.0, LOST, now.as_microsecond()], now)
        };
        let queues = lost.iter().map(suspend).collect::<rusqlite::Result<Vec<_>>>()?;
        end_claims(connection, &lost)?;
        Ok(queues)
    };
    let queues = store.change("taking over from lost workers", run).await?;
    store.wake_queues(queues.iter().map(String::as_str));
    Ok(queues.len() as u64)
}

pub(super) async fn dismiss(store: &SqliteStore, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
    let env = store.shared.env.clone();
    let run = move |connection: &Connection| {
        // Struck off only when it is done: until then what it has is its own, and no takeover calls that lost.
        let alive = json(&env.workers.others(worker));
        let left = attempts(connection, include_str!("../../queries/job_of_worker.sql"), &worker.0)?;
        connection.execute(include_str!("../../queries/workers_keep.sql"), [&alive])?;
        let give_back = |attempt: &Attempt| {
            note(connection, attempt, AttemptEnd::GivenBack, "", now)?;
            let micros = now.as_microsecond();
            let (state, nothing) = (JobState::Ready.as_str(), None::<String>);
            let params = params![attempt.0, state, micros, 0, nothing, micros];
            change_one(connection, include_str!("../../queries/job_again.sql"), params, now)
        };
        let queues = left.iter().map(give_back).collect::<rusqlite::Result<Vec<_>>>()?;
        end_claims(connection, &left)?;
        Ok(queues)
    };
    let workers = &store.shared.env.workers;
    workers.leaves(worker, true);
    let done = store.change("giving back what a worker had claimed", run).await;
    match done {
        Ok(_) => workers.strike(worker),
        Err(_) => workers.leaves(worker, false),
    }
    let queues = done?;
    store.wake_queues(queues.iter().map(String::as_str));
    Ok(())
}

fn attempts(connection: &Connection, sql: &str, of: &dyn rusqlite::ToSql) -> rusqlite::Result<Vec<Attempt>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    connection.prepare_cached(sql)?.query_map([of], read)?.collect()
}

fn note(
    connection: &Connection,
    (place, attempt): &Attempt,
    end: AttemptEnd,
    error: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let params = params![place, now.as_microsecond(), end.as_str(), error];
    connection.prepare_cached(include_str!("../../queries/job_attempt_insert.sql"))?.execute(params)?;
    let forgotten = params![place, attempt - i64::from(ATTEMPTS_KEPT)];
    connection
        .prepare_cached(include_str!("../../queries/job_attempts_forget.sql"))?
        .execute(forgotten)
        .map(drop)
}

fn end_claims(connection: &Connection, attempts: &[Attempt]) -> rusqlite::Result<()> {
    let places = json(&attempts.iter().map(|(place, _)| *place).collect::<Vec<_>>());
    connection.execute(include_str!("../../queries/job_claims_end.sql"), [places]).map(drop)
}

fn json(ids: &[i64]) -> String {
    serde_json::Value::from(ids).to_string()
}
