//! The facts in a SQLite file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::Queries;
use super::source::{Cell, Row, Source, Unreadable};

pub(super) const QUERIES: Queries = Queries {
    log: "SELECT position, 0, lower(hex(id)), kind, name,
        coalesce(json_extract(data, '$.account'), json_extract(data, '$.payload.account')),
        coalesce(json_extract(data, '$.seq'), json_extract(data, '$.payload.seq')), lower(hex(correlation_id)),
        lower(hex(causation_id)) FROM tidings_log ORDER BY position",
    consumers: "SELECT name, kind, reads, 1, begun_first IS NOT NULL, cursor FROM tidings_consumers",
    receipts: "SELECT consumer, 0, first, last, count FROM tidings_receipts ORDER BY 1, 3, 4",
    jobs: "SELECT j.place, lower(hex(id)), name, queue, iif(c.place IS NULL, state, 'running'), key,
        json_extract(data, '$.account'), json_extract(data, '$.seq'), coalesce(c.attempt, attempts), failures, losses,
        c.place IS NOT NULL, coalesce(c.started_at, j.started_at), death, error, lower(hex(correlation_id)),
        lower(hex(causation_id))
        FROM tidings_jobs AS j LEFT JOIN tidings_claims AS c ON c.place = j.place ORDER BY j.place",
    outcomes: "SELECT key, status, lower(hex(id)) FROM tidings_outcomes WHERE key IS NOT NULL",
    commands: "SELECT lower(hex(id)) FROM tidings_outcomes",
    seals: "SELECT account, seq, replace(job_id, '-', ''), receipt, NULL FROM seals ORDER BY rowid",
};

pub(super) struct Sqlite(Connection);

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

impl Sqlite {
    pub(super) fn open(file: &Path) -> Result<Self, Unreadable> {
        Ok(Self(Connection::open(file)?))
    }
}

impl Source for Sqlite {
    fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Unreadable> {
        let mut statement = self.0.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|at| {
                Ok(match row.get(at)? {
                    Value::Integer(number) => Cell::Number(number),
                    Value::Text(text) => Cell::Text(text),
                    _ => Cell::Null,
                })
            });
            cells.collect::<Result<_, _>>().map(Row)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn has_table(&mut self, table: &str) -> Result<bool, Unreadable> {
        Ok(self.0.table_exists(None, table)?)
    }

    fn unread(&mut self) -> Result<HashMap<String, HashSet<i64>>, Unreadable> {
        Ok(HashMap::new())
    }

    fn corruption(&mut self) -> Result<Option<String>, Unreadable> {
        let integrity: String = self.0.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        Ok((integrity != "ok").then(|| format!("PRAGMA integrity_check: {integrity}")))
    }

    /// The worker's entry stays with the file; that it is nobody's any more is seen by the jobs.
    fn traces_of_workers(&mut self) -> Result<Vec<String>, Unreadable> {
        Ok(Vec::new())
    }
}
