//! The store's own tables: versioned, and only ever moved forward.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tidings_core::store::StoreError;

use crate::open::{explain, named};

/// The name under which the store's own migrations are on record.
pub(crate) const OWN_MODULE: &str = "tidings";

struct Step {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const STEPS: [Step; 2] = [
    Step { version: 1, name: "log", sql: include_str!("../migrations/0001_log.sql") },
    Step { version: 2, name: "jobs", sql: include_str!("../migrations/0002_jobs.sql") },
];

/// The version that this program knows.
pub(crate) const KNOWN: i64 = STEPS[STEPS.len() - 1].version;

/// Why the schema is not, or could not be made, the one that this program knows.
pub(crate) enum Problem {
    Foreign,
    Older { found: i64 },
    Newer { found: i64 },
    Driver(rusqlite::Error),
}

impl Problem {
    pub(crate) fn named(self, path: &Path) -> StoreError {
        match self {
            Self::Foreign => StoreError::Sql {
                context: format!("cannot open the database {}", named(path)),
                source: "it is no database of Tidings: it has none of its tables".into(),
            },
            Self::Older { found } => StoreError::OlderSchema { path: path.to_owned(), found, known: KNOWN },
            Self::Newer { found } => StoreError::NewerSchema { found, known: KNOWN },
            Self::Driver(source) => explain(path, source),
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(source: rusqlite::Error) -> Self {
        Self::Driver(source)
    }
}

/// Applies what is missing, in one transaction.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Problem> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > KNOWN {
        return Err(Problem::Newer { found });
    }
    for step in STEPS.iter().filter(|step| step.version > found) {
        transaction.execute_batch(step.sql)?;
        let checksum = crate::migrate::checksum(step.sql);
        let sql = include_str!("../queries/migration_insert.sql");
        let now = jiff::Timestamp::now().as_microsecond();
        transaction.execute(sql, params![OWN_MODULE, step.version, step.name, checksum, now])?;
    }
    Ok(transaction.commit()?)
}

/// Refuses a database that another version has made, without changing it.
pub(crate) fn check(connection: &Connection) -> Result<(), Problem> {
    match version(connection)? {
        0 => Err(Problem::Foreign),
        found if found < KNOWN => Err(Problem::Older { found }),
        found if found > KNOWN => Err(Problem::Newer { found }),
        _ => Ok(()),
    }
}

/// The steps that this program knows beyond a version, by number and name.
pub(crate) fn steps_after(version: i64) -> impl Iterator<Item = (i64, &'static str)> {
    STEPS.iter().filter(move |step| step.version > version).map(|step| (step.version, step.name))
}

/// The newest step applied; 0 in a database without our tables.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = include_str!("../queries/schema_exists.sql");
    if connection.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let sql = include_str!("../queries/schema_version.sql");
    connection.query_row(sql, [OWN_MODULE], |row| row.get(0))
}
