//! How to reach the database, and how it is used.

use std::time::Duration;

use tidings_core::store::StoreUrl;

/// What concurrent transactions of handlers may see of each other.
///
/// Each work is one transaction, and works of several handlers, partitions and processes run at the same time. Whatever the
/// level: a cursor moves with the effects of what it has passed, under a fence, so effects happen once; and statements
/// that lock what they change (`UPDATE stock SET n = n - 1 WHERE n > 0`) are safe at every level. The levels differ in
/// what a handler may conclude from what it has *read*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it began. A handler that reads, decides, and then writes may decide
    /// by something that is not true any more, unless it locks what it reads (`SELECT .. FOR UPDATE`) or lets the
    /// writing statement check it. Nothing ever has to run again.
    #[default]
    ReadCommitted,
    /// The whole transaction sees what was committed before its first statement. Two that change the same row do not
    /// both commit: the second runs again.
    RepeatableRead,
    /// As if one transaction had run after the other: a handler may decide by whatever it reads, also by what is *not*
    /// there. Costs some memory and time in the server, and works that got in each other's way run again. For
    /// rules across several rows that no constraint can hold ("at most three open orders"), and for handlers that were
    /// written for SQLite, which is serialisable by nature.
    Serializable,
}

impl Isolation {
    pub(crate) const fn begin(self) -> &'static str {
        match self {
            Self::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }
}

/// Where the log is, and how it is used.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`. The password may be left to `PGPASSWORD` or a `.pgpass` file; no
    /// error and no log shows it.
    pub url: StoreUrl,
    /// The schema that holds the log's and the modules' tables; made if it is missing. `None` leaves the search path
    /// as the server has it.
    pub schema: Option<String>,
    /// Connections of the pool at most; one per transaction that runs. Beside them there is one for heartbeats, and one where
    /// the store [listens](Self::listen).
    pub connections_max: u32,
    /// How long one may wait for a connection while all are busy, or while the server cannot be reached, where its own limit is
    /// not shorter.
    pub acquire_timeout: Duration,
    /// How long a question may remain without an answer before its connection is taken for dead. Networks that swallow
    /// packets tell nobody.
    pub answer_timeout: Duration,
    /// How often a waiter looks for what other processes have appended.
    pub poll_interval: Duration,
    /// What handlers' transactions may see of each other.
    pub isolation: Isolation,
    /// How often a work is run again that got in another's way (a serialisation failure, a deadlock) or lost its
    /// connection before the commit.
    pub reruns_max: u32,
    /// The server ends a transaction in which nothing has happened for so long, so that a process that stands still holds
    /// no locks. A work whose budget is longer gets as much.
    pub idle_in_transaction_max: Duration,
    /// Make and bring up to date the tables of Tidings and of the modules when they are opened. Without it, what is
    /// missing is an error: see [`migrate`](crate::migrate) and the roles in the crate's documentation.
    pub auto_migrate: bool,
    /// What the server's views show this process as.
    pub application_name: String,
    /// Between this process and the server is a pooler that gives each transaction a connection of its own
    /// (PgBouncer with `pool_mode = transaction`). Then nothing is asked of a connection that outlasts a transaction:
    /// no settings at the start, each statement in a transaction, and what was prepared by whoever had the connection before is
    /// forgotten first (`DEALLOCATE ALL`; PgBouncer 1.21 alone, with `max_prepared_statements` on, does not hear of that). The schema must then be the role's own search path:
    /// `ALTER ROLE app SET search_path = shop`. `ALTER ROLE app SET jit = off` is advised, too: it is one of the settings.
    pub behind_pooler: bool,
    /// Listen, on a connection of its own, for what other processes say that they have committed. Without it they are found by
    /// polling alone: behind a pooler that shares connections between transactions nobody can listen.
    pub listen: bool,
    /// How the log is read; anything but the default is a planted bug.
    #[doc(hidden)]
    pub reader: Reader,
}

impl PostgresConfig {
    /// Ten connections, the server's search path, 30 s for a connection and for an answer, a poll every quarter of a
    /// second, read committed, five reruns, 10 s of idleness in a transaction; migrates by itself.
    pub fn new(url: impl Into<StoreUrl>) -> Self {
        Self {
            url: url.into(),
            schema: None,
            connections_max: 10,
            acquire_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(30),
            poll_interval: Duration::from_millis(250),
            isolation: Isolation::default(),
            reruns_max: 5,
            idle_in_transaction_max: Duration::from_secs(10),
            auto_migrate: true,
            application_name: "tidings".to_owned(),
            behind_pooler: false,
            listen: true,
            reader: Reader::default(),
        }
    }
}

/// Ways to read the log. All but the first are bugs that the conformance suites must catch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(hidden)]
pub enum Reader {
    /// Between two snapshots, by position.
    #[default]
    BetweenSnapshots,
    /// By position alone: skips what commits late.
    BySequence,
    /// By transaction id, below the oldest that is open: never skips, and breaks causal order.
    ByTransaction,
}
