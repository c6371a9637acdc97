//! From the driver's errors to the port's.

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tidings_core::store::StoreError;

/// What an error of the driver means for whoever met it.
/// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The pool was closed.
    Closed,
    /// The transaction got in another's way; it may run again at once.
    Conflict,
    /// The connection is gone, or of no use any more; what was not committed is undone.
    Lost,
    /// The tables have changed since this connection prepared the statement, or a pooler has given us another
    /// connection: a new one knows nothing old.
    Stale,
    /// The server or the pool has no room just now.
    Busy,
    /// A statement after one that failed: PostgreSQL refuses everything until the transaction goes back.
    Aborted,
    /// No disk space.
    Full,
    /// The disk or the memory under the server fails.
    Io,
    /// The server's data are damaged.
    Corrupt,
    /// The server takes no writes: a standby, or set so.
    ReadOnly,
    /// The role lacks a privilege.
    Forbidden,
    /// Text holds the character U+0000.
    Nul,
    /// A fault of the statement.
    Statement,
}

/// Sorts an error of the driver.
pub(crate) fn sort(error: &sqlx::Error) -> Sort {
    match error {
        sqlx::Error::PoolClosed => Sort::Closed,
        sqlx::Error::PoolTimedOut => Sort::Busy,
        // A stream that broke in the middle of a message; the driver's own task that ended.
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Sort::Lost
        }
        // What answered BEGIN was not a transaction: the answer to an earlier question, on a connection in disorder.
        sqlx::Error::BeginFailed => Sort::Lost,
        sqlx::Error::Database(error) => {
            error.code().map_or(Sort::Statement, |code| by_code(&code, error.message()))
        }
        _ => Sort::Statement,
    }
}

fn by_code(code: &str, message: &str) -> Sort {
    match code {
        // Serialisation, deadlock.
        "40001" | "40P01" => Sort::Conflict,
        // Lock not available, too many connections.
        "55P03" | "53300" => Sort::Busy,
        // The server goes down or comes up, or has ended the session for its idleness.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" => Sort::Lost,
        code if code.starts_with("08") => Sort::Lost,
        "0A000" if message.contains("cached plan must not change result type") => Sort::Stale,
        "26000" => Sort::Stale,
        "25P02" => Sort::Aborted,
        "53100" => Sort::Full,
        "53200" | "58000" | "58030" => Sort::Io,
        "XX001" | "XX002" => Sort::Corrupt,
        "25006" => Sort::ReadOnly,
        "42501" => Sort::Forbidden,
        // In text, and in jsonb.
        "22021" if message.contains("0x00") => Sort::Nul,
        "22P05" => Sort::Nul,
        _ => Sort::Statement,
    }
}

/// Says what an error of the driver means.
pub(crate) fn meaning(context: impl Into<String>, error: sqlx::Error) -> StoreError {
    let context = context.into();
    let what = || "the database".to_owned();
    match sort(&error) {
        Sort::Closed => StoreError::Closed,
        Sort::Conflict | Sort::Lost | Sort::Stale | Sort::Busy => {
            StoreError::Busy { context, source: Some(error.into()) }
        }
        Sort::Aborted => StoreError::TransactionLost { context, source: Some(error.into()) },
        Sort::Full => StoreError::Full {
            context: format!("{context}, on the database's server"),
            source: Some(error.into()),
        },
        Sort::Io => StoreError::Io { context, source: Some(error.into()) },
        Sort::Corrupt => {
            StoreError::Corrupt { what: what(), remedy: CORRUPT_REMEDY, source: Some(error.into()) }
        }
        Sort::ReadOnly => {
            read_only("the server, a standby or one with `default_transaction_read_only`,", Some(error))
        }
        Sort::Forbidden => {
            let context = format!(
                "{context}: the role lacks a privilege; grant it, or use the role that owns the tables (the \
                 documentation of tidings-postgres lists what an application's role needs)"
            );
            StoreError::Sql { context, source: error.into() }
        }
        Sort::Nul => {
            let context = format!(
                "{context}: a text holds the character U+0000, which PostgreSQL cannot store; remove it, or store bytes"
            );
            StoreError::Sql { context, source: error.into() }
        }
        Sort::Statement => StoreError::Sql { context, source: error.into() },
    }
}

/// Whether the server has answered, and said no: what it was told to commit is certainly not committed. A session that is
/// being ended may have committed before.
pub(crate) fn is_definite(error: &sqlx::Error) -> bool {
    let severity = |error: &dyn sqlx::error::DatabaseError| {
        error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity)
    };
    error.as_database_error().is_some_and(|error| severity(error) == Some(PgSeverity::Error))
}

/// A row that this store cannot have written.
pub(crate) fn foreign_row(what: &str, found: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("the log ({what} `{found}`)"),
        remedy: "this store cannot have written it: restore it from a backup, and let nobody write these tables by hand",
        source: None,
    }
}

/// A server that takes no writes.
pub(crate) fn read_only(what: &str, error: Option<sqlx::Error>) -> StoreError {
    let remedy = "name the primary in the URL, or promote this server; if it is the \
                  primary, see to `default_transaction_read_only` of the role, the database and the server";
    StoreError::ReadOnly { what: what.to_owned(), remedy, source: error.map(Into::into) }
}

const CORRUPT_REMEDY: &str = "see to the disk and the memory under the server before anything else, keep a copy of its data as they are, \
                              and restore a backup or fail over; `amcheck` and `pg_checksums` say how far the damage goes";

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
    fn codes_are_sorted_by_what_they_mean() {
        for (code, expected) in [
            ("40001", Sort::Conflict),
            ("40P01", Sort::Conflict),
            ("57P01", Sort::Lost),
            ("57P03", Sort::Lost),
            ("08006", Sort::Lost),
            ("25P03", Sort::Lost),
            ("53300", Sort::Busy),
            ("53100", Sort::Full),
            ("58030", Sort::Io),
            ("XX001", Sort::Corrupt),
            ("25006", Sort::ReadOnly),
            ("42501", Sort::Forbidden),
            ("23505", Sort::Statement),
            ("0A000", Sort::Statement),
        ] {
            assert_eq!(by_code(code, ""), expected, "{code}");
        }
        assert_eq!(by_code("0A000", "cached plan must not change result type"), Sort::Stale);
    }

    /// What is told of a server says what to do with a server.
    #[test]
    fn nobody_is_told_of_files_that_are_not_his() {
        let read_only = read_only("the server, which is a standby,", None).to_string();
        let corrupt = foreign_row("a cursor", "x").to_string();
        for told in [&read_only, &corrupt] {
            assert!(!told.contains("PRAGMA") && !told.contains("mounted"), "{told}");
        }
        assert!(read_only.contains("primary"), "{read_only}");
        assert!(corrupt.contains("a cursor `x`") && corrupt.contains("backup"), "{corrupt}");
        assert!(!CORRUPT_REMEDY.contains("PRAGMA"));
    }

    #[test]
    fn statements_are_shown_short() {
        assert_eq!(shorten("SELECT 1 -- one\n  FROM\tt\n"), "SELECT 1 FROM t");
        assert_eq!(shorten(&"é".repeat(400)).chars().count(), 161);
    }
}
