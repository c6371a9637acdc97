//! From configuration to the store on a PostgreSQL server.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{StoreError, StoreUrl};
use tidings_postgres::{PostgresConfig, PostgresStore};

use crate::config::Config;

pub(crate) async fn open(config: &Config, url: &StoreUrl) -> Result<Arc<PostgresStore>, StoreError> {
    Ok(Arc::new(PostgresStore::open(settings(config, url)).await?))
}

/// The settings of the store that a configuration names with this URL.
#[must_use]
pub fn settings(config: &Config, url: &StoreUrl) -> PostgresConfig {
    let store = &config.store;
    let mut postgres = PostgresConfig::new(url.clone());
    postgres.schema = (!store.schema.is_empty()).then(|| store.schema.clone());
    postgres.connections_max = store.connections_max;
    postgres.poll_interval = Duration::from_millis(store.poll_ms);
    postgres
}
