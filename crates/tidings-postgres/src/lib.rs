//! A spike of the PostgreSQL store of [Tidings](https://docs.rs/tidings): the log part, and no more.
//!
//! It exists to keep the store port from being shaped by SQLite, and is not published. It passes the `log` group of
//! the conformance suites. What it does not do answers with an error that says so: retention ([`Store::maintain`]),
//! outcomes, the guard of tables, and typed access to its transactions.
//!
//! # What it guarantees, and what is left
//!
//! - A reader never skips a committed message and never waits for a transaction that is still open: a cursor is a
//!   pair of snapshots, not a position; see [`cursor`].
//! - Causal order holds for all messages, so also per key, and also for a publisher whose transaction began before its
//!   cause did. Concurrent messages may be read in another order than that of their positions.
//! - One transaction that stays open for hours delays nobody, and makes no read look at more rows.
//! - A lease is good for one life of the server: after a crash, or where a standby was promoted, whoever held a partition takes
//!   hold of it anew. What he had read and not committed is read again.
//!
//! # Restoring a dump
//!
//! Cursors and rows hold transaction ids, which mean nothing to another cluster. A log that was restored by `pg_restore` or `psql`
//! is noticed, and *re-based* by the first process that opens it: in one transaction, while the others wait and publishers do. Every
//! consumer then goes on exactly where it stood. Nothing has to be done by hand; but:
//!
//! - It rewrites the log's rows. A million small messages, half of them unread, took a minute and a half on two cores that
//!   were busy with other things, and with 32 MB of buffers; the table needs as much room again until it was vacuumed. Nothing is
//!   rewritten where all ids lie in the new cluster's past anyway.
//! - The role that opens it needs SELECT, INSERT, UPDATE and DELETE on `tidings_log`, `tidings_cluster` and `tidings_life`, or let the
//!   owner open it once.
//! - A transaction that has been open in the new cluster since before the restore can be in the way, if that is very young: the error
//!   says so.
//!
//! Copies by files (a base backup, a standby, `pg_upgrade`, a database made from this one as its template) keep all ids, and need
//! nothing. A standby is refused until it is promoted. A log that was carried over by logical replication is
//! not supported: it can be taken for one that was written here.
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
mod life;
mod log;
mod migrate;
mod parking;
mod rebase;
mod rows;
mod snapshot;
mod store;
mod tail;
mod tell;
mod tx;
mod values;
mod watch;
mod workers;

pub use config::{PostgresConfig, Reader};
pub use store::PostgresStore;
pub use watch::Touched;
