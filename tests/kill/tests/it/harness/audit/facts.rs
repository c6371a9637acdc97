//! What the database holds, read without the store's code.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, Result, Row};

use super::super::acks::Acks;

/// An account, by its index, and a number.
pub(crate) type Item = (usize, i64);

/// An account that nobody asked for.
pub(crate) const NOBODY: usize = usize::MAX;

pub(crate) struct Facts {
    /// With the amount, and the event as a UUID without hyphens.
    pub(crate) entries: Vec<(Item, i64, String)>,
    /// By table, in the order in which they happened.
    pub(crate) effects: HashMap<&'static str, Vec<(String, Item)>>,
    pub(crate) totals: Vec<(usize, i64)>,
    pub(crate) log: Vec<Message>,
    /// Completed and rejected commands by the caller's key.
    pub(crate) outcomes: HashMap<String, Vec<(String, String)>>,
    /// Ids of all commands with an outcome, without hyphens.
    pub(crate) commands: std::collections::HashSet<String>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) parked: Vec<Parked>,
    /// In the order of their enqueueing.
    pub(crate) jobs: Vec<Job>,
    /// By the place of their job, in order.
    pub(crate) attempts: HashMap<i64, Vec<Attempt>>,
    pub(crate) orders: Vec<Order>,
    /// What jobs wrote as they finished, by table, in the order in which they did.
    pub(crate) finished: HashMap<&'static str, Vec<Finished>>,
    pub(crate) integrity: String,
}

/// Ids are hexadecimal, without hyphens.
pub(crate) struct Job {
    pub(crate) place: i64,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) queue: String,
    pub(crate) state: String,
    pub(crate) key: Option<String>,
    pub(crate) item: Item,
    pub(crate) attempts: i64,
    pub(crate) failures: i64,
    pub(crate) losses: i64,
    pub(crate) has_worker: bool,
    pub(crate) started_at: Option<i64>,
    pub(crate) death: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) correlation: String,
    pub(crate) cause: Option<String>,
}

/// One that did not complete its job.
pub(crate) struct Attempt {
    pub(crate) number: i64,
    pub(crate) ending: String,
    pub(crate) started_at: i64,
    pub(crate) ended_at: i64,
}

/// An order as the application's own table has it.
pub(crate) struct Order {
    pub(crate) item: Item,
    pub(crate) amount: i64,
    pub(crate) job: String,
    pub(crate) paid: i64,
    pub(crate) refused: i64,
}

/// What a job wrote as it finished.
pub(crate) struct Finished {
    pub(crate) item: Item,
    pub(crate) job: String,
    pub(crate) receipt: String,
    /// The event it published, if it did.
    pub(crate) event: Option<String>,
}

pub(crate) struct Message {
    pub(crate) position: i64,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) item: Item,
    pub(crate) correlation: String,
    pub(crate) cause: Option<String>,
}

pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) reads: Vec<String>,
    pub(crate) cursor: i64,
    pub(crate) has_begun: bool,
}

pub(crate) struct Receipt {
    pub(crate) consumer: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: i64,
}

pub(crate) struct Parked {
    pub(crate) consumer: String,
    pub(crate) position: i64,
    pub(crate) state: String,
    pub(crate) error: String,
}

pub(crate) const TABLES: &[&str] = &[
    "ledger_effects",
    "balances_effects",
    "history_effects",
    "archive_effects",
    "mirror_effects",
    "flaky_effects",
    "post_effects",
];

impl Facts {
    pub(crate) fn read(database: &Path, acks: &Acks) -> Result<Self> {
        let db = Connection::open(database)?;
        let item = |row: &Row<'_>, at: usize| -> Result<Item> {
            let account: Option<String> = row.get(at)?;
            let index = account.and_then(|account| acks.index(&account)).unwrap_or(NOBODY);
            Ok((index, row.get::<_, Option<i64>>(at + 1)?.unwrap_or(0)))
        };
        let mut effects = HashMap::new();
        for table in TABLES {
            effects.insert(*table, effects_of(&db, table, item)?);
        }
        Ok(Self {
            entries: all(
                &db,
                "SELECT account, seq, amount, replace(event_id, '-', '') FROM entries ORDER BY id",
                |row| Ok((item(row, 0)?, row.get(2)?, row.get(3)?)),
            )?,
            effects,
            totals: all(&db, "SELECT account, total FROM totals", |row| {
                Ok((acks.index(&row.get::<_, String>(0)?).unwrap_or(NOBODY), row.get(1)?))
            })?,
            log: all(&db, LOG, |row| message(row, item))?,
            outcomes: outcomes(&db)?,
            commands: all(&db, "SELECT lower(hex(id)) FROM tidings_outcomes", |row| row.get(0))?
                .into_iter()
                .collect(),
            consumers: all(&db, CONSUMERS, consumer)?,
            receipts: all(
                &db,
                "SELECT consumer, first, last, count FROM tidings_receipts ORDER BY 1, 2, 3",
                |row| {
                    Ok(Receipt {
                        consumer: row.get(0)?,
                        first: row.get(1)?,
                        last: row.get(2)?,
                        count: row.get(3)?,
                    })
                },
            )?,
            parked: all(&db, "SELECT consumer, position, state, error FROM tidings_parked", |row| {
                Ok(Parked {
                    consumer: row.get(0)?,
                    position: row.get(1)?,
                    state: row.get(2)?,
                    error: row.get(3)?,
                })
            })?,
            jobs: all(&db, JOBS, |row| job(row, item))?,
            attempts: attempts(&db)?,
            orders: all(&db, ORDERS, |row| {
                Ok(Order {
                    item: item(row, 0)?,
                    amount: row.get(2)?,
                    job: row.get(3)?,
                    paid: row.get(4)?,
                    refused: row.get(5)?,
                })
            })?,
            finished: HashMap::from([
                ("charges", all(&db, CHARGES, |row| finished(row, item))?),
                ("seals", all(&db, SEALS, |row| finished(row, item))?),
            ]),
            integrity: db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?,
        })
    }
}

const LOG: &str = "SELECT position, lower(hex(id)), kind, name,
    coalesce(json_extract(data, '$.account'), json_extract(data, '$.payload.account')),
    coalesce(json_extract(data, '$.seq'), json_extract(data, '$.payload.seq')), lower(hex(correlation_id)), lower(hex(causation_id)) FROM tidings_log ORDER BY position";

const CONSUMERS: &str = "SELECT name, kind, reads, cursor, begun_first IS NOT NULL FROM tidings_consumers";

const JOBS: &str = "SELECT j.place, lower(hex(id)), name, queue, iif(c.place IS NULL, state, 'running'), key, json_extract(data, '$.account'),
    json_extract(data, '$.seq'), coalesce(c.attempt, attempts), failures, losses, c.place IS NOT NULL,
    coalesce(c.started_at, j.started_at), death, error, lower(hex(correlation_id)), lower(hex(causation_id))
    FROM tidings_jobs AS j LEFT JOIN tidings_claims AS c ON c.place = j.place ORDER BY j.place";

const ORDERS: &str =
    "SELECT account, seq, amount, replace(job_id, '-', ''), paid, refused FROM orders ORDER BY id";

const CHARGES: &str =
    "SELECT account, seq, replace(job_id, '-', ''), receipt, replace(event_id, '-', '') FROM charges
    ORDER BY id";

const SEALS: &str = "SELECT account, seq, replace(job_id, '-', ''), receipt, NULL FROM seals ORDER BY rowid";

fn all<T>(db: &Connection, sql: &str, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    db.prepare(sql)?.query_map([], read)?.collect()
}

/// A module that was left out has no table.
fn effects_of(
    db: &Connection,
    table: &str,
    item: impl Fn(&Row<'_>, usize) -> Result<Item>,
) -> Result<Vec<(String, Item)>> {
    if !db.table_exists(None, table)? {
        return Ok(Vec::new());
    }
    all(db, &format!("SELECT event, account, seq FROM {table} ORDER BY id"), |row| {
        Ok((row.get(0)?, item(row, 1)?))
    })
}

fn message(row: &Row<'_>, item: impl Fn(&Row<'_>, usize) -> Result<Item>) -> Result<Message> {
    Ok(Message {
        position: row.get(0)?,
        id: row.get(1)?,
        kind: row.get(2)?,
        name: row.get(3)?,
        item: item(row, 4)?,
        correlation: row.get(6)?,
        cause: row.get::<_, Option<String>>(7)?.filter(|cause| !cause.is_empty()),
    })
}

fn outcomes(db: &Connection) -> Result<HashMap<String, Vec<(String, String)>>> {
    let sql = "SELECT key, status, lower(hex(id)) FROM tidings_outcomes WHERE key IS NOT NULL";
    let mut outcomes: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for (key, status, id) in all(db, sql, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))? {
        outcomes.entry(key).or_default().push((status, id));
    }
    Ok(outcomes)
}

fn consumer(row: &Row<'_>) -> Result<Consumer> {
    let reads: String = row.get(2)?;
    Ok(Consumer {
        name: row.get(0)?,
        kind: row.get(1)?,
        reads: serde_json::from_str(&reads).unwrap_or_default(),
        cursor: row.get(3)?,
        has_begun: row.get(4)?,
    })
}

fn job(row: &Row<'_>, item: impl Fn(&Row<'_>, usize) -> Result<Item>) -> Result<Job> {
    Ok(Job {
        place: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        queue: row.get(3)?,
        state: row.get(4)?,
        key: row.get(5)?,
        item: item(row, 6)?,
        attempts: row.get(8)?,
        failures: row.get(9)?,
        losses: row.get(10)?,
        has_worker: row.get(11)?,
        started_at: row.get(12)?,
        death: row.get(13)?,
        error: row.get(14)?,
        correlation: row.get(15)?,
        cause: row.get::<_, Option<String>>(16)?.filter(|cause| !cause.is_empty()),
    })
}

fn attempts(db: &Connection) -> Result<HashMap<i64, Vec<Attempt>>> {
    let sql = "SELECT job, attempt, ending, started_at, ended_at FROM tidings_attempts ORDER BY job, attempt";
    let rows = all(db, sql, |row| {
        let attempt = Attempt {
            number: row.get(1)?,
            ending: row.get(2)?,
            started_at: row.get(3)?,
            ended_at: row.get(4)?,
        };
        Ok((row.get(0)?, attempt))
    })?;
    let mut attempts: HashMap<i64, Vec<Attempt>> = HashMap::new();
    for (place, attempt) in rows {
        attempts.entry(place).or_default().push(attempt);
    }
    Ok(attempts)
}

fn finished(row: &Row<'_>, item: impl Fn(&Row<'_>, usize) -> Result<Item>) -> Result<Finished> {
    Ok(Finished { item: item(row, 0)?, job: row.get(2)?, receipt: row.get(3)?, event: row.get(4)? })
}
