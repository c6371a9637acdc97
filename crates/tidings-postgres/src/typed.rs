//! Typed access to the store's transactions, for users who write `sqlx::query!`.
//!
//! Portable and typed works run on the same kind of connection, so nothing else differs between them.

use sqlx::{Executor as _, PgConnection};
use tidings_core::store::StoreError;

use crate::error::meaning;
use crate::tx::PgTx;

/// The name of the typed driver, see [`Work::driver`](tidings_core::store::Work::driver).
pub const TYPED: &str = "sqlx-postgres";

impl PgTx {
    /// The connection, and a mark to be set when a statement on it may have failed, or when nobody knows: what failed is
    /// rolled back by PostgreSQL at COMMIT, without an error, so the store asks before it commits.
    ///
    /// # Errors
    /// If the transaction has ended.
    pub fn typed(&mut self) -> Result<(&mut PgConnection, &mut bool), StoreError> {
        self.parts()
    }

    /// Finds out whether a transaction that others have used is still there and sound.
    pub(crate) async fn check_doubtful(&mut self, work: &str) -> Result<(), StoreError> {
        let lost = |error| StoreError::TransactionLost {
            context: format!(
                "a statement of {work} failed or ended it, and the work went on as if it had not"
            ),
            source: Some(Box::new(error)),
        };
        let (connection, doubtful) = self.parts()?;
        if !std::mem::take(doubtful) {
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
