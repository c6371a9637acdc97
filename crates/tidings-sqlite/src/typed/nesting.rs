//! sqlx's own count of nested transactions.
//!
//! Going through it makes a user's `begin()` inside ours a savepoint.

use sqlx::sqlite::SqliteTransactionManager;
use sqlx::{SqlStr, SqliteConnection};
use sqlx_core::transaction::TransactionManager;

pub(super) async fn begin(connection: &mut SqliteConnection, sql: SqlStr) -> Result<(), sqlx::Error> {
    SqliteTransactionManager::begin(connection, Some(sql)).await
}

pub(super) async fn commit(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    SqliteTransactionManager::commit(connection).await
}

/// How many transactions are open, one inside the other.
pub(super) fn depth(connection: &SqliteConnection) -> usize {
    SqliteTransactionManager::get_transaction_depth(connection)
}

/// Rolls transactions back, innermost first, until only `depth` are open.
pub(super) async fn rollback_to_depth(
    connection: &mut SqliteConnection,
    depth: usize,
) -> Result<(), sqlx::Error> {
    while self::depth(connection) > depth {
        SqliteTransactionManager::rollback(connection).await?;
    }
    Ok(())
}
