//! What SQLite's result codes mean, for both drivers.

use std::error::Error as StdError;

use tidings_core::store::StoreError;

type Source = Box<dyn StdError + Send + Sync>;

/// Primary result codes, <https://sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const NOTADB: i32 = 26;

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

fn classify(database: &str, context: String, code: Option<i32>, source: Source) -> StoreError {
    match code {
        Some(BUSY | LOCKED) => StoreError::Busy { context, source: Some(source) },
        Some(FULL) => StoreError::Full { context, source: Some(source) },
        Some(READONLY) => StoreError::ReadOnly { what: format!("`{database}`"), source: Some(source) },
        Some(CORRUPT | NOTADB) => StoreError::Corrupt { what: format!("`{database}`"), source: Some(source) },
        _ => StoreError::Sql { context, source },
    }
}

/// Whether the file system failed underneath.
pub(crate) fn is_io_failure(error: &StoreError) -> bool {
    const IOERR: i32 = 10;
    let StoreError::Sql { source, .. } = error else { return false };
    let native = source.downcast_ref::<rusqlite::Error>().and_then(|error| error.sqlite_error());
    let code = native.map(|error| error.extended_code);
    code.or_else(|| source.downcast_ref().and_then(sqlx_code)).is_some_and(|code| code & 0xff == IOERR)
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
