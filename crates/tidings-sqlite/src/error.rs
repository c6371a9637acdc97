//! What SQLite's result codes mean, for both drivers.

use std::error::Error as StdError;

use tidings_core::error::Error;
use tidings_core::store::StoreError;

type Source = Box<dyn StdError + Send + Sync>;

/// Primary result codes, <https://sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

/// What is read-only, or damaged, is a file.
pub(crate) const READ_ONLY_REMEDY: &str =
    "check the permissions of the file and its folder, and that its file system is mounted for writing";
pub(crate) const CORRUPT_REMEDY: &str =
    "restore it from a backup; run `PRAGMA integrity_check` on a copy to see how far the damage goes";

/// Names the database and what was attempted, and keeps the driver's error.
pub(crate) fn from_native(database: &str, context: impl Into<String>, source: rusqlite::Error) -> StoreError {
    let code = source.sqlite_error().map(|error| error.extended_code & 0xff);
    classify(database, context.into(), code, source.into())
}

/// As [`from_native`], for sqlx.
pub(crate) fn from_sqlx(database: &str, context: impl Into<String>, source: sqlx::Error) -> StoreError {
    let code = sqlx_code(&source).map(|code| code & 0xff);
    classify(database, context.into(), code, source.into())
}

/// The extended result code behind an error of sqlx.
pub(crate) fn sqlx_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// The primary result code behind an error of either driver, wherever it is among the causes.
pub(crate) fn code_of(error: &Error) -> Option<i32> {
    let native = || Some(error.find::<rusqlite::Error>()?.sqlite_error()?.extended_code);
    let sqlx = || error.find::<sqlx::Error>().and_then(sqlx_code);
    native().or_else(sqlx).map(|code| code & 0xff)
}

/// Whether a result code says that the database itself is in trouble.
pub(crate) fn is_trouble(code: i32) -> bool {
    matches!(code & 0xff, NOMEM | READONLY | IOERR | CORRUPT | FULL | CANTOPEN | NOTADB)
}

/// What ended a transaction, remembered for the work that does not tell: it may go on after the error, or answer with one
/// of its own.
#[derive(Clone)]
pub(crate) struct EndedBy {
    context: String,
    code: i32,
    message: String,
}

impl EndedBy {
    /// `None` if it was no trouble of the database's, but something that the work did.
    pub(crate) fn trouble(context: &str, code: i32, message: &dyn std::fmt::Display) -> Option<Self> {
        is_trouble(code).then(|| Self { context: context.to_owned(), code, message: message.to_string() })
    }

    pub(crate) fn error(self, database: &str) -> StoreError {
        classify(database, self.context, Some(self.code & 0xff), self.message.into())
    }
}

fn classify(database: &str, context: String, code: Option<i32>, source: Source) -> StoreError {
    match code {
        Some(BUSY | LOCKED) => StoreError::Busy { context, source: Some(source) },
        Some(NOMEM | IOERR | CANTOPEN) => StoreError::Io { context, source: Some(source) },
        Some(FULL) => StoreError::Full { context, source: Some(source) },
        Some(READONLY) => StoreError::ReadOnly {
            what: format!("`{database}`"),
            remedy: READ_ONLY_REMEDY,
            source: Some(source),
        },
        Some(CORRUPT | NOTADB) => StoreError::Corrupt {
            what: format!("`{database}`"),
            remedy: CORRUPT_REMEDY,
            source: Some(source),
        },
        _ => StoreError::Sql { context, source },
    }
}

/// Whether a driver's error says "busy" and nothing worse.
pub(crate) fn is_busy(code: i32) -> bool {
    matches!(code & 0xff, BUSY | LOCKED)
}

/// A statement as error messages show it: on one line and short. Never the bound values: they may be personal data.
pub(crate) fn shorten(sql: &str) -> String {
    const CHARS_MAX: usize = 160;
    let without_comments = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let line = without_comments.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_shown_short() {
        assert_eq!(shorten("SELECT 1 -- one\n  FROM\tt\n"), "SELECT 1 FROM t");
        assert_eq!(shorten(&"é".repeat(400)).chars().count(), 161);
    }
}
