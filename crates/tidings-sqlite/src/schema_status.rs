//! What is applied in a database file, for people and their tools.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use tidings_core::store::{Store, StoreError};

use crate::SqliteConfig;
use crate::inspector::SqliteInspector;
use crate::schema;
use crate::store::SqliteStore;

/// What is applied in a database file, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The database file.
    pub what: String,
    /// The version of Tidings' own tables; 0 where there are none.
    pub version: i64,
    /// The version that this program knows.
    pub known: i64,
    /// Everything that was applied, Tidings' own migrations under the module `tidings` first, then each module's in their
    /// order.
    pub applied: Vec<AppliedMigration>,
    /// Tidings' own migrations that were not applied yet, by number and name. Those of the modules are known to the
    /// application only.
    pub missing: Vec<(i64, &'static str)>,
}

/// A migration on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Whose.
    pub module: String,
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// When, by the clock of the process that applied it.
    pub applied_at: Timestamp,
}

/// Says what is applied, and changes nothing. An application may have the file open.
///
/// # Errors
/// If there is no such file, or it cannot be read. A schema of another version than this program's is no error here.
pub async fn status(path: impl AsRef<Path> + Send) -> Result<SchemaStatus, StoreError> {
    let (version, applied) =
        SqliteInspector::look_at_any(path.as_ref(), "reading the applied migrations", read).await?;
    Ok(SchemaStatus {
        what: path.as_ref().display().to_string(),
        version,
        known: schema::KNOWN,
        applied,
        missing: schema::steps_after(version).collect(),
    })
}

/// Brings Tidings' own tables up to date, as the start of an application does.
///
/// # Errors
/// As of [`SqliteStore::open`]: an application that has the file open, or a [newer](StoreError::NewerSchema) one's tables. If
/// there is no such file.
pub async fn migrate(path: impl AsRef<Path> + Send) -> Result<SchemaStatus, StoreError> {
    // First, so that a slip in the path makes no new file.
    status(path.as_ref()).await?;
    SqliteStore::open(SqliteConfig::new(path.as_ref())).await?.close().await?;
    status(path).await
}

fn read(connection: &Connection) -> rusqlite::Result<(i64, Vec<AppliedMigration>)> {
    let version = schema::version(connection)?;
    if version == 0 {
        return Ok((0, Vec::new()));
    }
    let mut statement = connection.prepare(include_str!("../queries/migrations_list.sql"))?;
    let rows = statement.query_map([], |row| {
        let applied_at: i64 = row.get(3)?;
        Ok(AppliedMigration {
            module: row.get(0)?,
            version: row.get(1)?,
            name: row.get(2)?,
            applied_at: Timestamp::from_microsecond(applied_at).unwrap_or_default(),
        })
    })?;
    Ok((version, rows.collect::<rusqlite::Result<_>>()?))
}
