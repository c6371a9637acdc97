//! A stand-in until the store has its own.
use tidings_core::store::StoreError;

use crate::PostgresConfig;
use crate::error::not_in_the_spike;

/// What is applied in a database, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SchemaStatus {
    pub what: String,
    pub version: i64,
    pub known: i64,
    pub applied: Vec<AppliedMigration>,
    pub missing: Vec<(i64, &'static str)>,
}

/// A migration on record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AppliedMigration {
    pub module: String,
    pub version: i64,
    pub name: String,
    pub applied_at: jiff::Timestamp,
}

/// Not yet.
pub async fn status(_config: &PostgresConfig) -> Result<SchemaStatus, StoreError> {
    Err(not_in_the_spike("its status"))
}

/// Not yet.
pub async fn migrate(_config: &PostgresConfig) -> Result<SchemaStatus, StoreError> {
    Err(not_in_the_spike("migrations"))
}
