//! Rejections that nobody handled, and the person who has seen them.

use tidings_core::ids::MessageId;
use tidings_core::store::StoreError;

use crate::error::from_native;
use crate::store::SqliteStore;

pub(crate) async fn acknowledge(store: &SqliteStore, id: MessageId) -> Result<(), StoreError> {
    const NAME: &str = "acknowledging a rejection";
    let database = store.shared.env.database.clone();
    store
        .write(NAME, move |connection| {
            let sql = include_str!("../queries/outcome_acknowledge.sql");
            let changed = connection.execute(sql, [id.0.as_bytes()]);
            match changed.map_err(|source| from_native(&database, NAME, source))? {
                0 => Err(StoreError::NotFound { what: format!("a listed rejection of command `{}`", id.0) }),
                _ => Ok(()),
            }
        })
        .await
}
