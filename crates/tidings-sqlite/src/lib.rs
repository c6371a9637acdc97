//! The embedded store of [Tidings](https://docs.rs/tidings): one SQLite file.

mod checker;
mod config;
mod consumers;
mod env;
mod error;
mod exec;
mod guard;
mod inspect;
mod internal;
mod job;
mod lock_file;
mod migrate;
mod module_sql;
mod native;
mod open;
mod queue;
mod reader;
mod retention;
mod rows;
mod schema;
mod statements;
mod stats;
mod store;
mod tx;
mod typed;
mod wake;
mod watchdog;
mod writer;

pub use config::{SqliteConfig, Synchronous};
pub use native::{NativeDriver, NativeTx};
pub use stats::Stats;
pub use store::SqliteStore;
pub use tx::SqliteTx;
pub use typed::{LentConnection, OwnedSqliteTx, SqlxDriver, SqlxTx};
