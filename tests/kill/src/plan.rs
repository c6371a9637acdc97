//! What the harness tells a victim to do: one argument, as JSON.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One life of a victim.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Where the database is.
    pub place: Place,
    /// The planted bug.
    pub twin: Option<Twin>,
    /// Who sends commands; each waits for its acknowledgement before it sends the next.
    pub callers: Vec<CallerPlan>,
    /// The last command of each caller; without end if `None`.
    pub last_seq: Option<i64>,
    /// When the life ends, if nobody kills it.
    pub until: Until,
    /// Modules that are left out.
    pub without: Vec<String>,
    /// Handlers fail now and then.
    pub trouble: bool,
    /// An event that ends the process.
    pub poison: Option<Poison>,
    /// An order whose charge ends the process, before the provider hears of it.
    pub lethal: Option<Order>,
    /// An order whose charge is frozen, with the runtime that it runs on, when the provider has answered. A second
    /// application in the same process takes over.
    pub freeze: Option<Order>,
    /// Some charges block their thread while they finish, so that whoever would call them off cannot.
    pub stubborn: bool,
    /// Where the provider is.
    pub provider: SocketAddr,
    /// How long a worker's lease lasts.
    pub lease_seconds: f64,
    /// How often a job may have been running when the process ended; as many as one likes if `None`.
    pub kills_max: Option<u32>,
    /// Where chance begins.
    pub seed: u64,
}

/// Where the database is, and how it is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Place {
    /// One SQLite file, of one process.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// The VFS, by its name.
        vfs: Option<String>,
        /// How hard commits are pressed onto the disk.
        durability: Durability,
    },
    /// A database of a PostgreSQL server, of any number of processes.
    Postgres {
        /// `postgres://user@host:port/database`.
        url: String,
    },
}

impl Place {
    /// Which database it is.
    #[must_use]
    pub fn database(&self) -> Database {
        match self {
            Self::Sqlite { .. } => Database::Sqlite,
            Self::Postgres { .. } => Database::Postgres,
        }
    }
}

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// Embedded.
    Sqlite,
    /// A server.
    Postgres,
}

/// An order: an entry of the ledger that is to be paid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its account.
    pub account: String,
    /// Its number.
    pub seq: i64,
}

impl Order {
    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, account: &str, seq: i64) -> bool {
        self.account == account && self.seq == seq
    }
}

/// A caller and where it goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallerPlan {
    /// Its account.
    pub account: String,
    /// The first command to send, or to send again.
    pub next_seq: i64,
}

/// How hard commits are pressed onto the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durability {
    /// A commit that is acknowledged survives a power failure.
    Full,
    /// The last commits may not.
    Normal,
}

/// A bug, planted to see that the audit finds it; see [`crate::twins`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Twin {
    /// The cursor moves in a transaction of its own, before the effects: a kill in between loses them.
    CursorBefore,
    /// The cursor moves in a transaction of its own, after the effects: a kill in between repeats them.
    CursorAfter,
    /// Commits are acknowledged before they happen.
    EarlyAck,
    /// A job is completed in a transaction of its own, after what it writes: a kill in between repeats that.
    FinishApart,
    /// The completion of a job is acknowledged before it happens.
    EarlyFinish,
    /// A worker that was taken for lost may finish all the same.
    NoFence,
    /// Whoever held a partition may commit all the same when he was taken for lost.
    NoFenceForPartitions,
    /// The provider is given another dedupe key at each attempt.
    KeyPerAttempt,
}

/// When a victim ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// Its standard input ends; then it stops, whatever its callers wait for.
    Told,
    /// Its standard input ends; then its callers get their last answers, and it stops.
    Served,
    /// Callers are done and every message is handled or dead.
    Settled,
}

/// An event that ends the process, in the listener `flaky.note`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Poison {
    /// Its account.
    pub account: String,
    /// Its number.
    pub seq: i64,
    /// It only fails, and leaves this file, while the file does not exist: so it is parked when it kills.
    pub after: Option<PathBuf>,
}
