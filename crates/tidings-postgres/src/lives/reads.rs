//! What a consumer reads, and since when.

use sqlx::PgConnection;
use tidings_core::store::StoreError;

use super::run;
use crate::error::meaning;

/// Takes note that from its cursors on the consumer reads just these names.
pub(super) async fn note(
    connection: &mut PgConnection,
    consumer: &str,
    names: &[&str],
) -> Result<(), StoreError> {
    end_others(connection, consumer, names).await?;
    sqlx::query(include_str!("../../queries/reads_open.sql"))
        .bind(consumer)
        .bind(names)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| meaning(format!("noting what `{consumer}` reads"), error))
}

/// Takes note that the consumer reads nothing any more.
pub(super) async fn end_all(connection: &mut PgConnection, consumer: &str) -> Result<(), StoreError> {
    end_others(connection, consumer, &[]).await
}

async fn end_others(connection: &mut PgConnection, consumer: &str, names: &[&str]) -> Result<(), StoreError> {
    sqlx::query(include_str!("../../queries/reads_close.sql"))
        .bind(consumer)
        .bind(names)
        .execute(&mut *connection)
        .await
        .map_err(|error| meaning(format!("noting what `{consumer}` reads"), error))?;
    run(connection, include_str!("../../queries/reads_drop_empty.sql"), &[consumer]).await
}
