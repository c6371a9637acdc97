//! What a user can set.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How hard a commit is pressed onto the disk: SQLite's `PRAGMA synchronous`, in WAL mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Each commit is on the disk before it is answered. What Tidings promises, it promises with this.
    #[default]
    Full,
    /// Commits survive a killed process, but a power failure may take the last ones with it.
    Normal,
    /// Nothing survives a power failure, not even the file's integrity. For tests only.
    Off,
}

impl Synchronous {
    pub(crate) const fn pragma(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
            Self::Off => "OFF",
        }
    }
}

/// Where the database is, and the bounds of the store.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// The database file. It is created if it is missing; its folder is not. Symbolic links are followed; a file with
    /// several hard links is refused.
    pub path: PathBuf,
    /// How hard a commit is pressed onto the disk.
    pub synchronous: Synchronous,
    /// How long a statement waits for a lock that another process, or another pool, holds.
    pub busy_timeout: Duration,
    /// At most this many transactions wait for the writer; the next is refused as overloaded.
    pub queue_max: usize,
    /// At most this many works share one commit.
    pub group_members_max: usize,
    /// A group is committed once it has run for this long, however many wait behind it.
    pub group_elapsed_max: Duration,
    /// How long a work may ignore its interruption before it counts as blocking: it is logged, and new
    /// transactions are refused with its name until it returns.
    pub block_grace: Duration,
    /// Refuse statements of a module on tables that are not its own. Guards nothing before
    /// [`Store::own_tables`](tidings_core::store::Store::own_tables) has said who owns what. Statements that control the
    /// transaction or the connection are refused in any case.
    pub guard_tables: bool,
    /// How many threads read for queries and for people. The runtime's own reader comes on top.
    pub readers: usize,
    /// The file grows to no more than so many pages, of 4,096 bytes each in a database that Tidings has made; then
    /// writing fails as on a full disk. `None` leaves that to the disk.
    pub pages_max: Option<u32>,
    /// When the write-ahead log beside the database has grown beyond so many bytes, maintenance empties it, or warns of
    /// the reader that keeps it from doing so.
    pub wal_bytes_max: u64,
    /// The SQLite VFS to open the file with, by its registered name; the default VFS if `None`.
    pub vfs: Option<String>,
    /// The time by which workers' leases lapse: how much has passed since some moment, never going back. For tests; by
    /// default the machine's monotonic clock.
    pub lease_clock: LeaseClock,
}

/// A source of lease time; see [`SqliteConfig::lease_clock`].
#[derive(Clone)]
pub struct LeaseClock(pub Arc<dyn Fn() -> Duration + Send + Sync>);

impl Default for LeaseClock {
    fn default() -> Self {
        let start = Instant::now();
        Self(Arc::new(move || start.elapsed()))
    }
}

impl fmt::Debug for LeaseClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaseClock").field(&(self.0)()).finish()
    }
}

impl SqliteConfig {
    /// The defaults for a database at `path`: synchronous FULL, a busy timeout of 5 s, 4,096 waiting transactions,
    /// groups of at most 512 works or 20 ms, one second of grace, guarded tables, two readers, a write-ahead log of
    /// 64 MiB.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            synchronous: Synchronous::default(),
            busy_timeout: Duration::from_secs(5),
            queue_max: 4_096,
            group_members_max: 512,
            group_elapsed_max: Duration::from_millis(20),
            block_grace: Duration::from_secs(1),
            guard_tables: true,
            readers: 2,
            pages_max: None,
            wal_bytes_max: 64 << 20,
            vfs: None,
            lease_clock: LeaseClock::default(),
        }
    }
}
