//! The floor's job queue: a batch is claimed under a durable lease, its handlers are called, and the transaction that
//! completes it, row by row, claims the next. The table has the indexes of Tidings' that a queue cannot do without: what is
//! ready, whose lease has lapsed, what has ended and may be deleted.

use rusqlite::{Connection, params};

use super::Message;
use super::log::control;

/// As many jobs in one claim as Tidings' side has places to run them.
pub(crate) const BATCH: usize = 500;

pub(super) const TABLE: &str = "
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, uid BLOB NOT NULL UNIQUE, queue TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,
        due INTEGER NOT NULL, attempts INTEGER NOT NULL, worker INTEGER, lease_until INTEGER, ended_at INTEGER,
        correlation_id BLOB NOT NULL, data TEXT NOT NULL) STRICT;
    CREATE INDEX jobs_ready ON jobs (queue, priority, due) WHERE state = 'ready';
    CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
    CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
    CREATE INDEX jobs_flow ON jobs (correlation_id);";

const ENQUEUE: &str = "
    INSERT INTO jobs (uid, queue, state, priority, due, attempts, correlation_id, data)
    VALUES (?1, 'work', 'ready', 0, ?2, 0, ?1, ?3)";
const CLAIM: &str = "
    UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = 1, lease_until = ?1 + 30000000
    WHERE id IN (SELECT id FROM jobs WHERE queue = 'work' AND state = 'ready' AND due <= ?1
                 ORDER BY priority, due LIMIT ?2)
    RETURNING id, data";
const COMPLETE: &str = "
    UPDATE jobs SET state = 'completed', ended_at = ?2, worker = NULL WHERE id = ?1 AND worker = 1 AND state = 'running'";

pub(crate) fn enqueue(connection: &Connection, job: &Message) -> rusqlite::Result<()> {
    let Message { id, time, data, .. } = job;
    connection.prepare_cached(ENQUEUE)?.execute(params![id.as_bytes(), time, data])?;
    Ok(())
}

/// Enqueues all of them in one transaction.
pub(crate) fn enqueue_all(connection: &Connection, jobs: &[Message]) -> rusqlite::Result<()> {
    control(connection, "BEGIN IMMEDIATE")?;
    jobs.iter().try_for_each(|job| enqueue(connection, job))?;
    control(connection, "COMMIT")
}

/// Completes what was claimed before and claims the next, in one transaction.
pub(crate) fn turn(
    connection: &Connection,
    done: &[(i64, String)],
    limit: usize,
) -> rusqlite::Result<Vec<(i64, String)>> {
    let now = jiff::Timestamp::now().as_microsecond();
    control(connection, "BEGIN IMMEDIATE")?;
    let mut complete = connection.prepare_cached(COMPLETE)?;
    for (id, _) in done {
        complete.execute(params![id, now])?;
    }
    let mut claim = connection.prepare_cached(CLAIM)?;
    let rows = claim.query_map(params![now, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let claimed = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    control(connection, "COMMIT")?;
    Ok(claimed)
}

/// Works until there is nothing to do; answers with the number of jobs handled.
pub(crate) fn work_off(
    connection: &Connection,
    handle: impl Fn(&str) -> tidings::Result<()>,
) -> tidings::Result<usize> {
    let (mut claimed, mut handled) = (Vec::new(), 0);
    loop {
        claimed = turn(connection, &claimed, BATCH)?;
        if claimed.is_empty() {
            return Ok(handled);
        }
        for (_, data) in &claimed {
            handle(data)?;
            handled += 1;
        }
    }
}
