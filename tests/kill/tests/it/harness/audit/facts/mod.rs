//! What the database holds, read without the store's code.

mod postgres;
mod source;
mod sqlite;

use std::collections::{HashMap, HashSet};

use tidings_kill_tests::plan::{Database, Place};

use super::super::acks::Acks;
use source::{Row, Source, Unreadable};

/// An account, by its index, and a number.
pub(crate) type Item = (usize, i64);

/// An account that nobody asked for.
pub(crate) const NOBODY: usize = usize::MAX;

pub(crate) struct Facts {
    pub(crate) database: Database,
    /// With the amount, and the event as a UUID without hyphens.
    pub(crate) entries: Vec<(Item, i64, String)>,
    /// By table, in the order in which they happened.
    pub(crate) effects: HashMap<&'static str, Vec<(String, Item)>>,
    pub(crate) totals: Vec<(usize, i64)>,
    pub(crate) log: Vec<Message>,
    /// Completed and rejected commands by the caller's key.
    pub(crate) outcomes: HashMap<String, Vec<(String, String)>>,
    /// Ids of all commands with an outcome, without hyphens.
    pub(crate) commands: HashSet<String>,
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
    /// What the database says of itself, if it is asked for that and does not say that all is well.
    pub(crate) corruption: Option<String>,
    /// Marks of workers who are gone, which are to go with them.
    pub(crate) traces_of_workers: Vec<String>,
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
    /// The same for all messages of one key.
    pub(crate) slot: i64,
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
    /// How many parts its messages are in, by slot.
    pub(crate) partitions: i64,
    pub(crate) passed: Passed,
    pub(crate) has_begun: bool,
}

/// What a consumer has read.
pub(crate) enum Passed {
    UpTo(i64),
    AllBut(HashSet<i64>),
}

impl Passed {
    pub(crate) fn holds(&self, position: i64) -> bool {
        match self {
            Self::UpTo(last) => position <= *last,
            Self::AllBut(unread) => !unread.contains(&position),
        }
    }
}

pub(crate) struct Receipt {
    pub(crate) consumer: String,
    pub(crate) partition: i64,
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

/// How one kind of database is asked. What each query selects is said where it is read.
struct Queries {
    log: &'static str,
    consumers: &'static str,
    receipts: &'static str,
    jobs: &'static str,
    outcomes: &'static str,
    commands: &'static str,
    seals: &'static str,
}

const ENTRIES: &str = "SELECT account, seq, amount, replace(event_id, '-', '') FROM entries ORDER BY id";
const TOTALS: &str = "SELECT account, total FROM totals";
const PARKED: &str = "SELECT consumer, position, state, error FROM tidings_parked";
const ATTEMPTS: &str =
    "SELECT job, attempt, ending, started_at, ended_at FROM tidings_attempts ORDER BY job, attempt";
const ORDERS: &str =
    "SELECT account, seq, amount, replace(job_id, '-', ''), paid, refused FROM orders ORDER BY id";
const CHARGES: &str = "SELECT account, seq, replace(job_id, '-', ''), receipt, replace(event_id, '-', '')
    FROM charges ORDER BY id";

impl Facts {
    pub(crate) fn read(place: &Place, acks: &Acks) -> Result<Self, Unreadable> {
        let mut source: Box<dyn Source> = match place {
            Place::Sqlite { file, .. } => Box::new(sqlite::Sqlite::open(file)?),
            Place::Postgres { url } => Box::new(postgres::Postgres::open(url)?),
        };
        let source = source.as_mut();
        let queries = match place.database() {
            Database::Sqlite => sqlite::QUERIES,
            Database::Postgres => postgres::QUERIES,
        };
        let item = |row: &Row, at: usize| -> Item {
            let index = row.maybe_text(at).and_then(|account| acks.index(&account)).unwrap_or(NOBODY);
            (index, row.maybe_number(at + 1).unwrap_or(0))
        };
        let mut effects = HashMap::new();
        for table in TABLES {
            effects.insert(*table, effects_of(source, table, item)?);
        }
        let mut unread = source.unread()?;
        Ok(Self {
            database: place.database(),
            entries: source.all(ENTRIES, |row| Ok((item(row, 0), row.number(2)?, row.text(3)?)))?,
            effects,
            totals: source
                .all(TOTALS, |row| Ok((acks.index(&row.text(0)?).unwrap_or(NOBODY), row.number(1)?)))?,
            log: source.all(queries.log, |row| message(row, item))?,
            outcomes: outcomes(source, queries.outcomes)?,
            commands: source.all(queries.commands, |row| row.text(0))?.into_iter().collect(),
            consumers: source.all(queries.consumers, |row| consumer(row, &mut unread))?,
            receipts: source.all(queries.receipts, |row| {
                Ok(Receipt {
                    consumer: row.text(0)?,
                    partition: row.number(1)?,
                    first: row.number(2)?,
                    last: row.number(3)?,
                    count: row.number(4)?,
                })
            })?,
            parked: source.all(PARKED, |row| {
                Ok(Parked {
                    consumer: row.text(0)?,
                    position: row.number(1)?,
                    state: row.text(2)?,
                    error: row.text(3)?,
                })
            })?,
            jobs: source.all(queries.jobs, |row| job(row, item))?,
            attempts: attempts(source)?,
            orders: source.all(ORDERS, |row| {
                Ok(Order {
                    item: item(row, 0),
                    amount: row.number(2)?,
                    job: row.text(3)?,
                    paid: row.number(4)?,
                    refused: row.number(5)?,
                })
            })?,
            finished: HashMap::from([
                ("charges", source.all(CHARGES, |row| finished(row, item))?),
                ("seals", source.all(queries.seals, |row| finished(row, item))?),
            ]),
            corruption: source.corruption()?,
            traces_of_workers: source.traces_of_workers()?,
        })
    }
}

/// A module that was left out has no table.
fn effects_of(
    source: &mut dyn Source,
    table: &str,
    item: impl Fn(&Row, usize) -> Item,
) -> Result<Vec<(String, Item)>, Unreadable> {
    if !source.has_table(table)? {
        return Ok(Vec::new());
    }
    source.all(&format!("SELECT event, account, seq FROM {table} ORDER BY id"), |row| {
        Ok((row.text(0)?, item(row, 1)))
    })
}

/// Position, slot, id, kind, name, account, number, correlation, cause.
fn message(row: &Row, item: impl Fn(&Row, usize) -> Item) -> Result<Message, Unreadable> {
    Ok(Message {
        position: row.number(0)?,
        slot: row.number(1)?,
        id: row.text(2)?,
        kind: row.text(3)?,
        name: row.text(4)?,
        item: item(row, 5),
        correlation: row.text(7)?,
        cause: row.maybe_text(8).filter(|cause| !cause.is_empty()),
    })
}

/// Key, status, id.
fn outcomes(
    source: &mut dyn Source,
    sql: &str,
) -> Result<HashMap<String, Vec<(String, String)>>, Unreadable> {
    let mut outcomes: HashMap<String, Vec<(String, String)>> = HashMap::new();
    for (key, status, id) in source.all(sql, |row| Ok((row.text(0)?, row.text(1)?, row.text(2)?)))? {
        outcomes.entry(key).or_default().push((status, id));
    }
    Ok(outcomes)
}

/// Name, kind, what it reads as JSON, in how many parts, whether a batch is marked as begun, and the position up to which
/// it has read where it is one.
fn consumer(row: &Row, unread: &mut HashMap<String, HashSet<i64>>) -> Result<Consumer, Unreadable> {
    let (name, reads) = (row.text(0)?, row.text(2)?);
    let passed = match row.maybe_number(5) {
        Some(cursor) => Passed::UpTo(cursor),
        None => Passed::AllBut(unread.remove(&name).unwrap_or_default()),
    };
    Ok(Consumer {
        name,
        kind: row.text(1)?,
        reads: serde_json::from_str(&reads).unwrap_or_default(),
        partitions: row.number(3)?,
        has_begun: row.number(4)? != 0,
        passed,
    })
}

/// Place, id, name, queue, state, key, account, number, attempts, failures, losses, whether somebody is at it, start, death,
/// error, correlation, cause.
fn job(row: &Row, item: impl Fn(&Row, usize) -> Item) -> Result<Job, Unreadable> {
    Ok(Job {
        place: row.number(0)?,
        id: row.text(1)?,
        name: row.text(2)?,
        queue: row.text(3)?,
        state: row.text(4)?,
        key: row.maybe_text(5),
        item: item(row, 6),
        attempts: row.number(8)?,
        failures: row.number(9)?,
        losses: row.number(10)?,
        has_worker: row.number(11)? != 0,
        started_at: row.maybe_number(12),
        death: row.maybe_text(13),
        error: row.maybe_text(14),
        correlation: row.text(15)?,
        cause: row.maybe_text(16).filter(|cause| !cause.is_empty()),
    })
}

fn attempts(source: &mut dyn Source) -> Result<HashMap<i64, Vec<Attempt>>, Unreadable> {
    let mut attempts: HashMap<i64, Vec<Attempt>> = HashMap::new();
    let rows = source.all(ATTEMPTS, |row| {
        let attempt = Attempt {
            number: row.number(1)?,
            ending: row.text(2)?,
            started_at: row.number(3)?,
            ended_at: row.number(4)?,
        };
        Ok((row.number(0)?, attempt))
    })?;
    for (place, attempt) in rows {
        attempts.entry(place).or_default().push(attempt);
    }
    Ok(attempts)
}

/// Account, number, job, receipt, event.
fn finished(row: &Row, item: impl Fn(&Row, usize) -> Item) -> Result<Finished, Unreadable> {
    Ok(Finished { item: item(row, 0), job: row.text(2)?, receipt: row.text(3)?, event: row.maybe_text(4) })
}
