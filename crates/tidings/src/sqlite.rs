//! From configuration to the embedded store.

use std::path::Path;
use std::sync::Arc;

use tidings_core::store::StoreError;
use tidings_sqlite::{SqliteConfig, SqliteStore};

use crate::config::{Config, Synchronous};

pub(crate) async fn open(config: &Config, path: &Path) -> Result<Arc<SqliteStore>, StoreError> {
    let mut sqlite = SqliteConfig::new(path);
    sqlite.synchronous = match config.store.synchronous {
        Synchronous::Full => tidings_sqlite::Synchronous::Full,
        Synchronous::Normal => tidings_sqlite::Synchronous::Normal,
        Synchronous::Off => tidings_sqlite::Synchronous::Off,
    };
    sqlite.queue_max = config.store.queue_max;
    sqlite.guard_tables = config.store.guard_tables;
    Ok(Arc::new(SqliteStore::open(sqlite).await?))
}
