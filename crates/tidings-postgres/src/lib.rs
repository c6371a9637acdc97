//! A spike of the PostgreSQL store of [Tidings](https://docs.rs/tidings): the log part, and no more.
//!
//! It exists to keep the store port from being shaped by SQLite, and is not published. It passes the `log` and
//! `jobs` groups of the conformance suites. What it does not do answers with an error that says so: retention of the log
//! ([`Store::maintain`] deletes jobs that have ended), outcomes, the guard of tables, and typed access to its transactions.
//!
//! # What it guarantees, and what is left
//!
//! - A reader never skips a committed message and never waits for a transaction that is still open: a cursor is a
//!   pair of snapshots, not a position; see [`cursor`].
//! - Causal order holds for all messages, so also per key, and also for a publisher whose transaction began before its
//!   cause did. Concurrent messages may be read in another order than that of their positions.
//! - Cursors hold transaction ids, which mean nothing to another cluster. Physical copies (a standby, `pg_upgrade`, a
//!   restored base backup) keep them; a log restored from `pg_dump` needs its cursors set anew before it is read.
//!   The store to come must notice that (the system identifier belongs beside the cursors) and refuse.
//! - One window between two snapshots is scanned from the oldest transaction that was open when it began. A
//!   transaction that stays open for hours makes reading slower, not wrong.
//!
//! ```no_run
//! # async fn example() -> Result<(), tidings_core::store::StoreError> {
//! use tidings_core::store::Inspect;
//! use tidings_postgres::{PostgresConfig, PostgresStore};
//!
//! let store = PostgresStore::open(PostgresConfig::new("postgres://localhost/shop")).await?;
//! println!("{} consumers", store.consumers().await?.len());
//! # Ok(())
//! # }
//! ```
//!
//! [`Store::maintain`]: tidings_core::store::Store::maintain

mod config;
mod consumers;
pub mod cursor;
mod error;
mod inspect;
mod jobs;
mod log;
mod migrate;
mod parking;
mod rows;
mod store;
mod tx;
mod values;
mod watch;

pub use config::{PostgresConfig, Reader};
pub use store::PostgresStore;
