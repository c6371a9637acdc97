//! The server's settings that decide about these figures.

use serde::Serialize;
use tidings_peers_contract::Result;

use crate::postgres::Server;

const MATTER: &[&str] = &[
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "wal_compression",
    "commit_delay",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "autovacuum",
    "max_connections",
    "default_transaction_isolation",
];

#[derive(Serialize)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
    /// As PostgreSQL comes.
    pub(crate) is_default: bool,
}

pub(crate) async fn read(server: &Server) -> Result<Vec<Setting>> {
    // What initdb writes into its file is no default by the server's word: so the values are compared.
    let sql = "SELECT name, current_setting(name), setting = boot_val OR source = 'default' FROM pg_settings
               WHERE name = ANY($1) ORDER BY array_position($1, name)";
    let rows: Vec<(String, String, bool)> =
        sqlx::query_as(sql).bind(MATTER).fetch_all(server.admin()).await?;
    Ok(rows.into_iter().map(|(name, value, is_default)| Setting { name, value, is_default }).collect())
}

/// What must not be off, if the figures are to mean anything.
pub(crate) fn undurable(settings: &[Setting]) -> Vec<&str> {
    let must_be_on = |setting: &&Setting| {
        ["fsync", "synchronous_commit", "full_page_writes"].contains(&setting.name.as_str())
    };
    settings
        .iter()
        .filter(must_be_on)
        .filter(|setting| setting.value != "on")
        .map(|setting| setting.name.as_str())
        .collect()
}
