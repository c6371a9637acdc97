//! The store's own tables: versioned, and only ever moved forward.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tidings_core::store::StoreError;

use crate::open::explain;

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

/// Why the schema could not be brought up to date.
pub(crate) enum Problem {
    Newer { found: i64 },
    Driver(rusqlite::Error),
}

impl Problem {
    pub(crate) fn named(self, path: &Path) -> StoreError {
        match self {
            Self::Newer { found } => StoreError::NewerSchema { found, known: STEPS[STEPS.len() - 1].version },
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
    if found > STEPS[STEPS.len() - 1].version {
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

/// The newest step applied; 0 in a database without our tables.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = include_str!("../queries/schema_exists.sql");
    if connection.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let sql = include_str!("../queries/schema_version.sql");
    connection.query_row(sql, [OWN_MODULE], |row| row.get(0))
}
