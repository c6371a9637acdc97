//! The PostgreSQL store of [Tidings](https://docs.rs/tidings): one log, its consumers and the modules' tables in one
//! database, shared by any number of processes. PostgreSQL 14 or later, with encoding UTF8; no extension is needed.
//!
//! ```no_run
//! # async fn example() -> Result<(), tidings_core::store::StoreError> {
//! use tidings_core::store::Inspect;
//! use tidings_postgres::{PostgresConfig, PostgresStore};
//!
//! let config = PostgresConfig { schema: Some("shop".to_owned()), ..PostgresConfig::new("postgres://localhost/shop") };
//! let store = PostgresStore::open(config).await?;
//! println!("{} consumers", store.consumers().await?.len());
//! # Ok(())
//! # }
//! ```
//!
//! # What it guarantees
//!
//! - A message is in the log if and only if the transaction that appended it has committed, with everything else that the
//!   transaction wrote: tables, outcome, cursor, parked messages.
//! - A reader never skips a committed message and never waits for a transaction that is still open: a cursor is a
//!   pair of snapshots, not a position; see [`cursor`].
//! - Causal order holds for all messages, so also per key, and also for a publisher whose transaction began before its
//!   cause did. Concurrent messages may be read in another order than that of their positions.
//! - A commit that gets no answer is [`Unknown`](tidings_core::store::StoreError::Unknown), never a failure or a success by
//!   guess. Whatever else goes wrong before the commit, nothing was written.
//! - Retention passes no cursor of a registered consumer, no parked or dead message, and nothing that a receipt needs to
//!   stay exact.
//! - How durable a commit is, the server's `synchronous_commit` says; what Tidings promises, it promises with `on`.
//!
//! # Isolation
//!
//! Works run at the same time, in transactions of their own. By default they are *read committed*: a handler must not
//! conclude from what it has read that it is still so when it writes, unless it locks it or lets the writing statement
//! check it. [`Isolation`] says what the other levels give; at each of them a work that got in another's way runs again,
//! a few times, after a pause of random length, within the time that its caller gives it. A handler may therefore run
//! more than once before it commits once; it has no effect but in its transaction. Works of the runtime's own are always
//! read committed.
//!
//! # Connections and faults
//!
//! There is a pool of [`connections_max`](PostgresConfig::connections_max) connections, one per transaction that runs. Who
//! gets none in time is told what he waited for. Four more are beside it: heartbeats have one of their own, so that works that
//! hold the whole pool for long cost the process no lease; [listening](PostgresConfig::listen) has one; and claims of jobs and the
//! ends of their attempts have two, which wait for no handler. So a server needs
//! `connections_max + 4` for each process, and its `max_connections` has to allow for the processes that run beside each other while
//! an upgrade rolls.
//!
//! A work whose connection is lost before its commit runs again, as after a
//! conflict; after one loss the other connections are looked at before they are used. So a restart of the server is
//! waited for, and the errors of what cannot wait are transient ones. A full or failing disk, damaged data and a server that
//! takes no writes are trouble of the store, and blamed on no work.
//!
//! A network that swallows packets tells nobody. Every question is therefore given up after
//! [`answer_timeout`](PostgresConfig::answer_timeout), and its connection closed. The server ends a transaction in which
//! nothing has happened for [`idle_in_transaction_max`](PostgresConfig::idle_in_transaction_max), so that a process that was
//! stopped, or cut off, holds no locks for longer.
//!
//! Through a pooler that gives each transaction a connection of its own, see
//! [`behind_pooler`](PostgresConfig::behind_pooler).
//!
//! # Schema and roles
//!
//! The tables of Tidings have a version, and are only ever moved forward: by an opening store if
//! [`auto_migrate`](PostgresConfig::auto_migrate) is on, or by [`migrate`], which `tidings db migrate` runs. [`status`] says
//! what is applied. Any number of processes may do so at once: they wait for each other under an advisory lock, one per
//! database, and who finds nothing missing takes no lock at all. A schema that is newer than the program is refused, with
//! both numbers. Each migration is one transaction; what it locks, and for how long, its file says.
//!
//! An application needs to read and write rows, and nothing else. Its tables may belong to another role, which makes them
//! with `auto_migrate`, and grants:
//!
//! ```sql
//! GRANT USAGE ON SCHEMA shop TO app;
//! GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO app;
//! GRANT USAGE ON ALL SEQUENCES IN SCHEMA shop TO app;
//! -- And for the tables of migrations to come:
//! ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
//! ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT USAGE ON SEQUENCES TO app;
//! ```
//!
//! The application then runs with `auto_migrate` off: where a migration is missing it does not start, and says which.
//! Which module touches which table this store cannot tell; modules that must not touch each other's get schemas and roles.
//!
//! # What PostgreSQL cannot store
//!
//! Text with the character U+0000. In messages, outcomes and the parameters of statements it is refused with the place where
//! it stands; in the errors and reasons that this store writes itself it is replaced. Columns of types that the portable
//! layer does not read (`numeric`, `interval`, `timestamp` without a zone) are refused by name, with the cast to write.
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

mod beats;
mod config;
mod connect;
mod consumers;
pub mod cursor;
mod error;
mod flow;
pub mod foreign;
mod fullness;
mod inspect;
mod jobs;
mod life;
mod lives;
mod log;
mod migrate;
mod outcomes;
mod owned;
mod parking;
mod pool;
mod rebase;
mod retention;
mod rows;
mod schema;
mod snapshot;
mod store;
mod tail;
mod tell;
mod transact;
mod tx;
mod typed;
mod values;
mod watch;
mod workers;

pub use config::{Isolation, PostgresConfig, Reader};
pub use owned::OwnedPgTx;
pub use schema::{AppliedMigration, SchemaStatus, migrate, status};
pub use store::PostgresStore;
pub use tx::PgTx;
pub use typed::{Doubt, TYPED, check_statement};
pub use watch::Touched;
