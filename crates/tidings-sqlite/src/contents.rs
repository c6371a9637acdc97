//! Everything that a database holds, to be compared with what it held before.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use tidings_core::store::StoreError;

use crate::error::from_native;
use crate::open::explain;

/// How long a question waits for a writer that recovers the write-ahead log.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The rows of every table, those of the modules and those of Tidings, each row as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    tables: BTreeMap<String, Vec<String>>,
}

/// What is different in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The table.
    pub table: String,
    /// Rows that are there no more.
    pub removed: Vec<String>,
    /// Rows that were not there.
    pub added: Vec<String>,
}

impl Contents {
    /// What is different in `later`, table by table. A row that was changed is one that was removed and one that was added.
    #[must_use]
    pub fn changed(&self, later: &Self) -> Vec<Changed> {
        let none = Vec::new();
        let tables =
            self.tables.keys().chain(later.tables.keys().filter(|name| !self.tables.contains_key(*name)));
        let compare = |table: &String| {
            let (before, after) =
                (self.tables.get(table).unwrap_or(&none), later.tables.get(table).unwrap_or(&none));
            let (removed, added) = (without(before, after), without(after, before));
            let changed = Changed { table: table.clone(), removed, added };
            (!changed.removed.is_empty() || !changed.added.is_empty()).then_some(changed)
        };
        tables.filter_map(compare).collect()
    }
}

/// The rows of the one that are not in the other; as often as they are there more often.
fn without(rows: &[String], others: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for other in others {
        *counts.entry(other).or_default() += 1;
    }
    let mut is_new = |row: &&String| match counts.get_mut(row.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    rows.iter().filter(|row| is_new(row)).cloned().collect()
}

/// Looks again and again at a database that others write to. It holds a connection that cannot write, and blocks while it
/// reads: it is for tests.
pub struct ContentsReader {
    connection: Connection,
    database: String,
    version: i64,
}

impl ContentsReader {
    /// Opens a database for looking at it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            let version = data_version(&connection)?;
            Ok((connection, version))
        };
        let (connection, version) = open().map_err(|source| explain(path, source))?;
        Ok(Self { connection, version, database: path.display().to_string() })
    }

    /// Whether anything was committed since this was asked the last time, or since the opening. It costs next to nothing.
    ///
    /// # Errors
    /// The database's.
    pub fn has_changed(&mut self) -> Result<bool, StoreError> {
        let version = data_version(&self.connection)
            .map_err(|source| from_native(&self.database, "looking for changes", source))?;
        Ok(std::mem::replace(&mut self.version, version) != version)
    }

    /// Everything there is, as one snapshot shows it; tables that `skip` names are left out.
    ///
    /// # Errors
    /// The database's.
    pub fn read(&mut self, skip: &[&str]) -> Result<Contents, StoreError> {
        contents(&mut self.connection, skip)
            .map_err(|source| from_native(&self.database, "reading everything", source))
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}

fn contents(connection: &mut Connection, skip: &[&str]) -> rusqlite::Result<Contents> {
    let snapshot = connection.transaction()?;
    let mut names = snapshot.prepare(include_str!("../queries/contents_tables.sql"))?;
    let names = names.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut tables = BTreeMap::new();
    for name in names.into_iter().filter(|name| !skip.contains(&name.as_str())) {
        let rows = rows(&snapshot, &name)?;
        tables.insert(name, rows);
    }
    Ok(Contents { tables })
}

fn rows(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let quoted = table.replace('"', "\"\"");
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{quoted}\""))?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        let mut text = String::new();
        for (index, column) in columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            text.push_str(&format!("{comma}{column}: {}", shown(row.get_ref(index)?)));
        }
        texts.push(text);
    }
    // A table may give its rows in any order.
    texts.sort_unstable();
    Ok(texts)
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(tables: &[(&str, &[&str])]) -> Contents {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect();
        Contents { tables: tables.iter().map(|(name, of)| ((*name).to_owned(), rows(of))).collect() }
    }

    #[test]
    fn rows_that_came_and_went_are_told_as_often_as_they_did() {
        let before = contents(&[("a", &["1", "1", "2"]), ("b", &["x"]), ("gone", &["y"])]);
        let after = contents(&[("a", &["1", "2", "2", "2"]), ("b", &["x"]), ("new", &["z"])]);
        let changed = |table: &str, removed: &[&str], added: &[&str]| Changed {
            table: table.to_owned(),
            removed: removed.iter().map(|row| (*row).to_owned()).collect(),
            added: added.iter().map(|row| (*row).to_owned()).collect(),
        };
        assert_eq!(
            before.changed(&after),
            [changed("a", &["1"], &["2", "2"]), changed("gone", &["y"], &[]), changed("new", &[], &["z"])]
        );
        assert!(before.changed(&before).is_empty());
    }
}
