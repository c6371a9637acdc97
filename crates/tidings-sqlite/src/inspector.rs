//! A look at the database of an application that may be running.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tidings_core::store::StoreError;

use crate::error::from_native;
use crate::native::PROGRESS_STEPS;
use crate::open::{explain, named};
use crate::{database_file, schema};

/// How long one question may take. As long as it lasts, no checkpoint gets past the place where it began.
const QUESTION_BUDGET: Duration = Duration::from_secs(30);
/// How long a question waits for a writer that recovers the write-ahead log.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// So often an application may start or end under a question.
const TRIES_MAX: u32 = 10;

/// Answers [`Inspect`](tidings_core::store::Inspect) from a database file, beside the application that has it open, or without one.
///
/// It takes no lock that a runtime would mind, writes nothing and makes no file (unless the application ends in just the
/// moment in which a question begins: then empty companions of the file may stay). Between two questions it holds nothing:
/// each one opens the file, sees one snapshot, and closes it. So it keeps no checkpoint from its work for longer than a question
/// takes, follows a file that was replaced, and tells each time if the schema is another one now.
///
/// ```
/// use tidings_core::store::{Inspect, Store};
/// use tidings_sqlite::{SqliteConfig, SqliteInspector, SqliteStore};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("shop.db");
/// let running = SqliteStore::open(SqliteConfig::new(&path)).await?;
/// let inspector = SqliteInspector::open(&path).await?;
/// assert!(inspector.consumers().await?.is_empty());
/// running.close().await?;
/// assert!(inspector.flow_sizes(10).await?.is_empty());
/// assert!(SqliteInspector::open(folder.path().join("other.db")).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteInspector {
    file: Arc<File>,
}

#[derive(Debug)]
struct File {
    /// As errors name it: as the caller did.
    named: PathBuf,
    /// Through all symbolic links.
    path: PathBuf,
}

impl SqliteInspector {
    /// Looks whether the file can be asked.
    ///
    /// # Errors
    /// If there is no such file, or it is no database of Tidings, or was written by an
    /// [older](StoreError::OlderSchema) or [newer](StoreError::NewerSchema) Tidings.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let named = path.into();
        let resolving = tokio::task::spawn_blocking(move || File::resolve(named));
        let file = resolving.await.map_err(thread_error)??;
        let inspector = Self { file: file.into() };
        inspector.ask("looking at the schema", |_| Ok(())).await?;
        Ok(inspector)
    }

    /// Asks one question of a file whose schema may be any version's.
    pub(crate) async fn look_at_any<T: Send + 'static>(
        path: &Path,
        what: &'static str,
        ask: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let named = path.to_owned();
        let answering = move || File::resolve(named)?.answer(what, |_| Ok(()), ask);
        tokio::task::spawn_blocking(answering).await.map_err(thread_error)?
    }

    /// The file, through all symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Asks a question, against one snapshot.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        ask: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || file.answer(what, schema::check, ask))
            .await
            .map_err(thread_error)?
    }

    /// As [`ask`](Self::ask): here nobody's question is in the way of another's.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        what: &'static str,
        ask: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(what, ask).await
    }
}

impl File {
    fn resolve(named: PathBuf) -> Result<Self, StoreError> {
        match named.metadata() {
            Ok(_) => database_file::resolve(&named).map(|path| Self { named, path }),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(cannot_open(&named, "there is no such file".into()))
            }
            Err(source) => Err(cannot_open(&named, source.into())),
        }
    }

    fn answer<T>(
        &self,
        what: &'static str,
        check: impl Fn(&Connection) -> Result<(), schema::Problem>,
        ask: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let access = Access::to(self)?;
            let answered =
                access.open(self).and_then(|connection| self.answer_on(&connection, what, &check, &ask));
            if access.still_holds(self) || tries == TRIES_MAX {
                return answered;
            }
        }
    }

    fn answer_on<T>(
        &self,
        connection: &Connection,
        what: &'static str,
        check: impl Fn(&Connection) -> Result<(), schema::Problem>,
        ask: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let is_over = move || begun.elapsed() > QUESTION_BUDGET;
        let set_up = || {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.progress_handler(PROGRESS_STEPS, Some(is_over))?;
            // The snapshot is taken by the first statement, and ends with the connection.
            connection.execute_batch("BEGIN")
        };
        set_up().map_err(|source| explain(&self.named, source))?;
        check(connection).map_err(|problem| problem.named(&self.named))?;
        ask(connection).map_err(|source| {
            let context = match is_over() {
                true => format!("{what} took longer than {QUESTION_BUDGET:?}"),
                false => what.to_owned(),
            };
            from_native(&self.named.display().to_string(), context, source)
        })
    }

    fn has_write_ahead_log(&self) -> bool {
        let mut name = self.path.as_os_str().to_owned();
        name.push("-wal");
        Path::new(&name).exists()
    }
}

fn cannot_open(path: &Path, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Sql { context: format!("cannot open the database {}", named(path)), source }
}

fn thread_error(source: tokio::task::JoinError) -> StoreError {
    StoreError::Sql { context: "a thread that asks a database has failed".to_owned(), source: source.into() }
}

/// How a database in WAL mode can be read without leaving a trace.
enum Access {
    /// There is a write-ahead log: somebody has the database open, or was killed. The files that readers share are there.
    Shared,
    /// There is none, so nobody has it open, and everything is in the one file. An ordinary reader would make the other
    /// files, and could not remove them again. One that is told that the file does not change makes none; should an
    /// application start meanwhile, what it read is worth nothing.
    Alone(Metadata),
}

impl Access {
    fn to(file: &File) -> Result<Self, StoreError> {
        if file.has_write_ahead_log() {
            return Ok(Self::Shared);
        }
        file.path.metadata().map(Self::Alone).map_err(|source| cannot_open(&file.named, source.into()))
    }

    fn open(&self, file: &File) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = match self {
            Self::Shared => Connection::open_with_flags(&file.path, flags),
            Self::Alone(_) => {
                let uri = format!("file:{}?immutable=1", escaped(&file.path));
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
            }
        };
        opened.map_err(|source| explain(&file.named, source))
    }

    /// Nobody came while the question was asked who would make its answer worthless.
    fn still_holds(&self, file: &File) -> bool {
        match self {
            Self::Shared => true,
            Self::Alone(before) => {
                let unchanged = |now: Metadata| {
                    now.len() == before.len() && now.modified().ok() == before.modified().ok()
                };
                !file.has_write_ahead_log() && file.path.metadata().is_ok_and(unchanged)
            }
        }
    }
}

/// A path as SQLite's URIs want it, <https://sqlite.org/uri.html>.
fn escaped(path: &Path) -> String {
    let mut escaped = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(*byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
