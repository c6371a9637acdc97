//! Kills applications at random moments, and audits what is left.
//!
//! The `victim` is a small application over one SQLite file, or over a database of PostgreSQL that several of them share: it
//! takes commands, tells on its standard output which of
//! them were acknowledged, and dies when it is told nothing at all. The harness starts it, kills it, starts it again, and
//! when it has let it settle it holds the database against its own list of acknowledgements:
//!
//! - nothing acknowledged is lost, and nothing unacknowledged has happened in part;
//! - no effect happened twice;
//! - each consumer saw the events of each key in the order of the log, or where that has several writers at once, in one in
//!   which they were caused;
//! - the log is whole: every message has its cause, every handled message its receipt;
//! - every job is done, or dead where it must be, and its attempts tell one story;
//! - every order is paid once: its job has charged for it at a provider, which keeps a ledger of its own.
//!
//! The provider is part of the harness: an HTTP server that outlives the victims, loses answers and is slow.
//!
//! An audit that cannot fail proves nothing, so the same rounds run over [`twins`]: stores with a planted bug, which the
//! audit must catch.
//!
//! What is done to the processes over PostgreSQL, beside killing them, is in `tests/it/fleet`.
//!
//! Two VFS shims written in C, `forgetful` and `bounded`, make a killed process look like a power failure, and a disk look
//! full; see `vfs/faults.c`.
//!
//! The harness is in `tests/it`; this library holds what it shares with the victim.
//!
//! ```
//! use tidings_kill_tests::words::Word;
//!
//! let said = Word::Rejected { account: "a1".into(), seq: 36 }.to_string();
//! assert_eq!(said, "rejected a1 36");
//! assert!(Word::parse(&said).is_some());
//! ```

pub mod app;
pub mod plan;
pub mod random;
pub mod twins;
pub mod words;
