//! Opening the database file, and saying what is wrong when that fails.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use tidings_core::store::StoreError;

use crate::config::SqliteConfig;
use crate::database_file;
use crate::error::{CORRUPT_REMEDY, READ_ONLY_REMEDY, from_native};
use crate::lock_file::LockFile;
use crate::schema;

/// How long a store of this process that was dropped, not closed, may take to let go of the file.
const DROPPED_STORE_WAIT: Duration = Duration::from_secs(2);

pub(crate) struct Opened {
    pub(crate) lock: LockFile,
    pub(crate) writer: Connection,
    pub(crate) readers: Vec<Connection>,
    /// The reader for the runtime's own questions.
    pub(crate) asker: Connection,
    /// The runtime before this one did not close in order.
    pub(crate) unclean: bool,
}

/// For connections that write, in groups of savepoints. By default what a savepoint may have to restore goes to a temporary
/// file once a transaction has touched 16 pages, and from there on every work of the group writes each of its pages
/// twice. In memory it is cut back as each savepoint ends.
pub(crate) const KEEP_SAVEPOINTS_IN_MEMORY: (&str, &str) = ("temp_store", "memory");

/// Opens everything, under the one name that the file has for everybody, which is left in `config`. Blocks.
pub(crate) fn open(config: &mut SqliteConfig) -> Result<Opened, StoreError> {
    config.path = database_file::resolve(&config.path)?;
    let lock = take_lock(&config.path)?;
    let config = &*config;
    let mut writer = connect(config)?;
    writer
        .pragma_update(None, KEEP_SAVEPOINTS_IN_MEMORY.0, KEEP_SAVEPOINTS_IN_MEMORY.1)
        .map_err(|source| explain(&config.path, source))?;
    schema::migrate(&mut writer).map_err(|error| error.named(&config.path))?;
    refuse_cursors_beyond_the_log(&writer, &config.path)?;
    let unclean = mark_open(&writer).map_err(|source| explain(&config.path, source))?;
    let readers = (0..config.readers.max(1)).map(|_| connect_reader(config)).collect::<Result<_, _>>()?;
    let asker = connect_reader(config)?;
    Ok(Opened { lock, writer, readers, asker, unclean })
}

fn take_lock(path: &Path) -> Result<LockFile, StoreError> {
    let started = Instant::now();
    loop {
        match LockFile::take(path) {
            Err(StoreError::Held { holder, .. })
                if LockFile::is_ours(&holder) && started.elapsed() < DROPPED_STORE_WAIT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            taken => return taken,
        }
    }
}

fn connect(config: &SqliteConfig) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connected = match &config.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(&config.path, flags, vfs.as_str()),
        None => Connection::open_with_flags(&config.path, flags),
    };
    let connection = connected.map_err(|source| explain(&config.path, source))?;
    let journal_mode = set_up(&connection, config).map_err(|source| explain(&config.path, source))?;
    if journal_mode != "wal" {
        return Err(StoreError::Sql {
            context: format!("cannot open the database {}", named(&config.path)),
            source: format!(
                "it has no write-ahead log (its journal mode stays `{journal_mode}`): put the file on a local file system \
                 that offers shared memory, and use a VFS that does"
            )
            .into(),
        });
    }
    // SQLite opens a file that it may not write without a word, and fails at the first commit.
    match connection.is_readonly(rusqlite::MAIN_DB) {
        Ok(false) => Ok(connection),
        Ok(true) => {
            Err(StoreError::ReadOnly { what: named(&config.path), remedy: READ_ONLY_REMEDY, source: None })
        }
        Err(source) => Err(explain(&config.path, source)),
    }
}

/// Sets the connection up and returns the journal mode that it has: SQLite leaves it as it is where it cannot change it.
fn set_up(connection: &Connection, config: &SqliteConfig) -> rusqlite::Result<String> {
    connection.busy_timeout(config.busy_timeout)?;
    let journal_mode =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    // After a checkpoint that emptied it the log begins anew; what is beyond this is given back to the disk then.
    let size_limit = i64::try_from(config.wal_bytes_max).unwrap_or(i64::MAX);
    connection.pragma_update(None, "journal_size_limit", size_limit)?;
    connection.pragma_update(None, "synchronous", config.synchronous.pragma())?;
    if let Some(pages_max) = config.pages_max {
        connection.pragma_update(None, "max_page_count", pages_max)?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(journal_mode)
}

pub(crate) fn connect_reader(config: &SqliteConfig) -> Result<Connection, StoreError> {
    let connection = connect(config)?;
    connection.pragma_update(None, "query_only", true).map_err(|source| explain(&config.path, source))?;
    Ok(connection)
}

/// Notes that a runtime is at work from here on, and tells whether the one before it ended in order.
fn mark_open(connection: &Connection) -> rusqlite::Result<bool> {
    let clean: bool =
        connection.query_row(include_str!("../queries/runtime_is_clean.sql"), [], |row| row.get(0))?;
    connection.execute(include_str!("../queries/runtime_set_clean.sql"), [false])?;
    Ok(!clean)
}

/// Positions go on behind the newest message. If that was removed by hand they would begin anew, and consumers would take
/// new messages for old ones.
fn refuse_cursors_beyond_the_log(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let sql = include_str!("../queries/cursor_beyond_log.sql");
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    };
    let beyond = connection.query_row(sql, [], read).optional();
    match beyond.map_err(|source| explain(path, source))? {
        None => Ok(()),
        Some((consumer, cursor, newest)) => Err(StoreError::Corrupt {
            what: named(path),
            remedy: CORRUPT_REMEDY,
            source: Some(
                format!(
                    "consumer `{consumer}` has come to message {cursor}, but the newest one is {newest}: rows of \
                     `tidings_log` were removed by something else than Tidings; restore the file from a backup"
                )
                .into(),
            ),
        }),
    }
}

pub(crate) fn named(path: &Path) -> String {
    format!("`{}`", path.display())
}

pub(crate) fn explain(path: &Path, source: rusqlite::Error) -> StoreError {
    let what = named(path);
    match source.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { what, remedy: READ_ONLY_REMEDY, source: Some(source.into()) }
        }
        Some(ErrorCode::CannotOpen) if path.is_file() => {
            StoreError::ReadOnly { what, remedy: READ_ONLY_REMEDY, source: Some(source.into()) }
        }
        _ => from_native(&path.display().to_string(), format!("opening the database {what}"), source),
    }
}
