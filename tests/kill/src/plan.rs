//! What the harness tells a victim to do: one argument, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One life of a victim.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The database file.
    pub database: PathBuf,
    /// The SQLite VFS, by its name.
    pub vfs: Option<String>,
    /// How hard commits are pressed onto the disk.
    pub durability: Durability,
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
    /// Where chance begins.
    pub seed: u64,
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
}

/// When a victim ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// Its standard input ends.
    Told,
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
