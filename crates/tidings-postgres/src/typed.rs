//! Typed access to the store's transactions, for users who write `sqlx::query!`.
//!
//! Portable and typed works run on the same kind of connection, so nothing else differs between them.

use sqlx::{Executor as _, PgConnection};
use tidings_core::store::StoreError;

use crate::error::meaning;
use crate::tx::{Kept, PgTx, again_of};

/// The name of the typed driver, see [`Work::driver`](tidings_core::store::Work::driver).
pub const TYPED: &str = "sqlx-postgres";

/// Where whoever uses a transaction's connection says what became of the statements.
///
/// What failed is rolled back by PostgreSQL at COMMIT, without an error, so the store asks before it commits where it does not
/// know; and it runs works again that got in each other's way.
pub struct Doubt<'t>(&'t mut Kept);

impl Doubt<'_> {
    /// A statement failed.
    pub fn failed(&mut self, error: &sqlx::Error) {
        self.0.doubtful = true;
        self.0.again = self.0.again.or_else(|| again_of(error));
    }

    /// Nobody sees what becomes of the statements.
    pub fn unseen(&mut self) {
        self.0.doubtful = true;
    }
}

impl PgTx {
    /// The connection, and whom to tell what became of the statements on it.
    ///
    /// # Errors
    /// If the transaction has ended.
    pub fn typed(&mut self) -> Result<(&mut PgConnection, Doubt<'_>), StoreError> {
        let (connection, kept) = self.parts()?;
        Ok((connection, Doubt(kept)))
    }

    /// Finds out whether a transaction that others have used is still there and sound.
    pub(crate) async fn check_doubtful(&mut self, work: &str) -> Result<(), StoreError> {
        let lost = |error| StoreError::TransactionLost {
            context: format!(
                "a statement of {work} failed or ended it, and the work went on as if it had not"
            ),
            source: Some(Box::new(error)),
        };
        let (connection, kept) = self.parts()?;
        if !std::mem::take(&mut kept.doubtful) {
            return Ok(());
        }
        // It fails in a transaction that has failed, and outside of any.
        match connection.execute("SAVEPOINT tidings_end").await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_database_error().and_then(|error| error.code()).as_deref() {
                Some("25P01" | "25P02") => Err(lost(error)),
                _ => Err(meaning(format!("ending {work}"), error)),
            },
        }
    }
}

/// Refuses a statement that would begin or end the transaction of whoever runs it: the store does that, and what the work
/// wrote belongs to one commit. Savepoints are a work's own affair.
///
/// # Errors
/// [`StoreError::Sql`], which names the statement's first words.
pub fn check_statement(module: &str, sql: &str) -> Result<(), StoreError> {
    let mut upper = words(sql).map(str::to_ascii_uppercase);
    let (first, second) = (upper.next().unwrap_or_default(), upper.next().unwrap_or_default());
    let ends = match first.as_str() {
        "BEGIN" | "START" | "COMMIT" | "END" | "ABORT" => true,
        "ROLLBACK" => !words(sql).take(3).any(|word| word.eq_ignore_ascii_case("TO")),
        "PREPARE" => second == "TRANSACTION",
        _ => false,
    };
    if !ends {
        return Ok(());
    }
    Err(StoreError::Sql {
        context: format!("module `{module}`: `{}` is refused", format!("{first} {second}").trim_end()),
        source: "the transaction is begun and ended by the store; to undo a part of it use a savepoint"
            .into(),
    })
}

/// The words of a statement, without the comments before the first.
fn words(mut sql: &str) -> impl Iterator<Item = &str> {
    loop {
        sql = sql.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        let rest = match (sql.strip_prefix("--"), sql.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n').map(|(_, rest)| rest),
            (_, Some(comment)) => comment.split_once("*/").map(|(_, rest)| rest),
            _ => break,
        };
        sql = rest.unwrap_or_default();
    }
    sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::check_statement;

    #[test]
    fn statements_that_end_the_transaction_are_refused() {
        for sql in [
            "COMMIT",
            "commit;",
            " -- at last\n /* now */ Commit work",
            "ROLLBACK",
            "rollback work",
            "ROLLBACK AND CHAIN",
            "BEGIN",
            "START TRANSACTION",
            "END",
            "ABORT",
            "PREPARE TRANSACTION 'x'",
        ] {
            let refused = check_statement("orders", sql).expect_err(sql).to_string();
            assert!(
                refused.starts_with("module `orders`: `") && refused.ends_with("` is refused"),
                "{refused}"
            );
        }
        for sql in [
            "SELECT 1",
            "SAVEPOINT a",
            "ROLLBACK TO a",
            "ROLLBACK TO SAVEPOINT a",
            "rollback work to a",
            "RELEASE a",
            "PREPARE plan AS SELECT 1",
            "UPDATE ends SET commit = true",
            "-- COMMIT",
            "",
        ] {
            check_statement("orders", sql).expect(sql);
        }
    }
}
