//! How to reach the database.

use std::time::Duration;

/// Where the log is, and how it is used.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// `postgres://user@host:port/database`.
    pub url: String,
    /// The schema that holds the log's and the modules' tables; made if it is missing. `None` leaves the search path
    /// as the server has it.
    pub schema: Option<String>,
    /// Connections at most; one per transaction that runs.
    pub connections_max: u32,
    /// How often a waiter looks for what other processes have appended.
    pub poll_interval: Duration,
    /// Listen, on a connection of its own, for what other processes say that they have committed. Without it they are found by
    /// polling alone: behind a pooler that shares connections between transactions nobody can listen.
    pub listen: bool,
    /// How the log is read; anything but the default is a planted bug.
    #[doc(hidden)]
    pub reader: Reader,
}

impl PostgresConfig {
    /// Ten connections, the server's search path, a poll every quarter of a second.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: None,
            connections_max: 10,
            poll_interval: Duration::from_millis(250),
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
