//! The embedded store of [Tidings](https://docs.rs/tidings): log, cursors, parked messages and the modules' own tables in
//! one SQLite file, so that one commit covers all of them.
//!
//! ```
//! use std::sync::Arc;
//! use tidings_core::store::{Limits, Migration, Store, StoreError, TableScope, Tx, Work};
//! use tidings_sqlite::{SqliteConfig, SqliteStore};
//!
//! struct Restock;
//!
//! #[async_trait::async_trait]
//! impl Work for Restock {
//!     fn name(&self) -> String {
//!         "command `restock`".to_owned()
//!     }
//!
//!     async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
//!         let sql = "INSERT INTO stock (sku, pieces) VALUES ($1, $2)";
//!         let done = tx.execute(TableScope { module: "inventory" }, sql, &["A-1".into(), 7_i64.into()]).await;
//!         (tx, done.map(drop))
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("shop.db");
//! let store = SqliteStore::open(SqliteConfig::new(path)).await?;
//! let sql = "CREATE TABLE stock (sku TEXT PRIMARY KEY, pieces INTEGER) STRICT";
//! store.migrate("inventory", &[Migration { version: 1, name: "stock", sql }], jiff::Timestamp::now()).await?;
//! store.transact(Arc::new(Restock), Limits::default()).await?;
//! assert_eq!(store.stats().works_committed, 2);
//! store.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it writes
//!
//! SQLite has one writer at a time; this store gives it a thread. Works wait in a bounded, fair queue; the thread polls
//! each on itself, so that a statement of the native driver (rusqlite) costs no hop, and a handler may even block for a
//! moment. Works that wait at the same time share one commit, each inside a savepoint of its own (*group commit*): with
//! one caller a transaction costs what SQLite takes for it, with many the disk is no longer the limit. Nothing leaves
//! before that commit: no answer, no error, no wake-up. When the shared transaction is lost on the way or cannot be
//! committed, each of its works runs again alone, so that only the guilty one fails.
//!
//! A work that holds the writer beyond its budget is interrupted and named. One that blocks the thread without ever
//! awaiting or running SQL cannot be interrupted: it is logged, and others are refused with its name
//! ([`Blocked`](tidings_core::store::StoreError::Blocked)) until it returns.
//!
//! # How it reads
//!
//! [`SqliteInspector`] reads the file from another process, without the lock of a runtime.
//!
//! Queries and people's questions wait for one of [`readers`](SqliteConfig::readers) threads; the runtime's own questions,
//! by which consumers go on, have a thread to themselves. A query over its budget is interrupted like any work, and when
//! all readers are blocked the next query is refused with the name of one that blocks.
//!
//! # Isolation
//!
//! There is one writer, so handlers are serialisable: each sees all that was committed before it, and nobody else writes
//! while it runs. Works of one group see one another's writes, in order, and stand or fall with the same commit. So a
//! deferred foreign key, which SQLite checks at the commit, is checked for the group: a work that leaves one unmet is
//! acknowledged if a neighbour has inserted the parent by then, and the database is never left with one unmet. Queries
//! ([`Store::read`](tidings_core::store::Store::read)) see one snapshot each, and never wait for the writer.
//!
//! # Two drivers
//!
//! [`Work::driver`](tidings_core::store::Work::driver) `native` is rusqlite, for the portable statements; `sqlx` lends a
//! [`SqlxTx`] with a connection for `sqlx::query!`, at about twenty times the price per statement. Works of either driver
//! form groups of their own. Outside any work, [`SqliteStore::begin`] lends the writer's transaction, and
//! [`SqliteStore::append_on`] publishes from a transaction on a pool of your own.
//!
//! # Files
//!
//! The database is in WAL mode with `synchronous = FULL`, and checkpoints itself as SQLite does by default, every 1,000
//! pages; maintenance empties a write-ahead log that has grown beyond
//! [`wal_bytes_max`](SqliteConfig::wal_bytes_max). Beside it stand `-wal`, `-shm` and `.lock`: the last one keeps a second runtime away. In-memory databases are
//! not offered: they would promise what they cannot keep.

mod checker;
mod columns;
mod config;
mod consumers;
mod contents;
mod database_file;
mod env;
mod error;
mod exec;
mod flow;
mod fullness;
mod guard;
mod inspect;
mod inspector;
mod internal;
mod job;
mod jobs;
mod lock_file;
mod migrate;
mod module_sql;
mod native;
mod open;
mod outcomes;
mod pending;
mod queue;
mod reader;
mod retention;
mod rows;
mod schema;
mod schema_status;
mod statements;
mod stats;
mod store;
mod tx;
mod typed;
mod wake;
mod watchdog;
mod writer;

pub use config::{LeaseClock, SqliteConfig, Synchronous};
pub use contents::{Changed, Contents, ContentsReader};
pub use inspector::SqliteInspector;
pub use native::{NativeDriver, NativeTx};
pub use pending::{Pending, Unread};
pub use schema_status::{AppliedMigration, SchemaStatus, migrate, status};
pub use stats::Stats;
pub use store::SqliteStore;
pub use tx::SqliteTx;
pub use typed::{LentConnection, OwnedSqliteTx, SqlxDriver, SqlxTx};
