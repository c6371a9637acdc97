//! From configuration to the store on a PostgreSQL server.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{StoreError, StoreUrl};
use tidings_postgres::{PostgresConfig, PostgresStore};

use crate::config::{Config, Isolation};

/// How much longer than its budget a transaction may stand still before the server ends it.
const IDLE_SLACK: Duration = Duration::from_secs(2);

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
    postgres.isolation = match store.isolation {
        Isolation::ReadCommitted => tidings_postgres::Isolation::ReadCommitted,
        Isolation::RepeatableRead => tidings_postgres::Isolation::RepeatableRead,
        Isolation::Serializable => tidings_postgres::Isolation::Serializable,
    };
    postgres.listen = store.notify;
    postgres.auto_migrate = store.auto_migrate;
    postgres.behind_pooler = store.behind_pooler;
    // A frozen process must not hold its locks for longer than a handler may take by itself.
    postgres.idle_in_transaction_max = Duration::from_millis(store.write_budget_ms) + IDLE_SLACK;
    postgres
}
