//! Which store, and its settings.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tidings_core::store::StoreUrl;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct StoreConfig {
    pub path: PathBuf,
    pub url: StoreUrl,
    pub write_budget_ms: u64,
    pub lease_seconds: f64,
    pub synchronous: Synchronous,
    pub queue_max: usize,
    pub guard_tables: bool,
    pub schema: String,
    pub connections_max: u32,
    pub isolation: Isolation,
    pub poll_ms: u64,
    pub notify: bool,
    pub auto_migrate: bool,
    pub behind_pooler: bool,
}

/// How durable a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// Survives power loss.
    Full,
    /// Survives a crash of the process; power loss may take the last commits, though never corrupt the file.
    Normal,
    /// For tests.
    Off,
}

/// What a handler's transaction sees of others that run at the same time, on PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Each statement sees what was committed before it. Rows that two handlers change are changed one after the other.
    ReadCommitted,
    /// The whole transaction sees what was committed before its first statement. Of two that change the same row the second
    /// runs again.
    RepeatableRead,
    /// As if the handlers had run one after the other; one that cannot be so runs again.
    Serializable,
}

/// The store that a configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorePlace<'c> {
    /// A SQLite file.
    Sqlite(&'c Path),
    /// A database on a PostgreSQL server.
    Postgres(&'c StoreUrl),
}

/// Settings that only the SQLite store has.
const OF_SQLITE: &[&str] = &["synchronous", "queue_max", "guard_tables"];
/// Settings that only the PostgreSQL store has.
const OF_POSTGRES: &[&str] =
    &["schema", "connections_max", "isolation", "poll_ms", "notify", "auto_migrate", "behind_pooler"];

impl<'c> StorePlace<'c> {
    pub(super) fn of(path: &'c Path, url: &'c StoreUrl) -> Result<Self, String> {
        if url.is_empty() {
            return Ok(Self::Sqlite(path));
        }
        match url.scheme() {
            Some("postgres" | "postgresql") if url.expose().contains("://") => Ok(Self::Postgres(url)),
            Some("sqlite") => sqlite_path(url.expose()).map(Self::Sqlite),
            _ => Err(format!(
                "`{url}` is no URL of a store: write `postgres://user:password@host/database`, or `sqlite:` and a path"
            )),
        }
    }

    /// As people say it.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// What is wrong with giving this setting of `[store]` to this store.
    pub(super) fn has_no(self, setting: &str) -> Option<String> {
        let (others, other) = match self {
            Self::Sqlite(_) => (OF_POSTGRES, "PostgreSQL"),
            Self::Postgres(_) => (OF_SQLITE, "SQLite"),
        };
        others.contains(&setting).then(|| {
            format!(
                "`store.{setting}` is a setting of the {other} store, and the store named here is {}",
                self.kind()
            )
        })
    }
}

impl StoreConfig {
    /// The store that is meant: what `url` names, or else the file at `path`.
    ///
    /// # Errors
    /// Says what is wrong with the URL, without its password.
    pub fn place(&self) -> Result<StorePlace<'_>, String> {
        StorePlace::of(&self.path, &self.url)
    }

    /// The same as an error of the configuration.
    pub(crate) fn not_usable(&self, problem: &str) -> super::ConfigError {
        super::invalid("configuration", &format!("`store.url` is not usable: {problem}"))
    }

    /// Takes a URL of a store, or the path of a SQLite file, as one would type it. What was said before is forgotten.
    pub fn locate(&mut self, url_or_path: &str) {
        let url = StoreUrl::from(url_or_path);
        // One letter is a Windows drive.
        let is_url = url.scheme().is_some_and(|scheme| scheme.len() > 1);
        (self.url, self.path) =
            if is_url { (url, PathBuf::new()) } else { (StoreUrl::default(), url_or_path.into()) };
    }

    /// Settings that are not as by default and that the store does not have, for the log.
    pub(crate) fn idle_settings(&self, place: StorePlace<'_>) -> Vec<&'static str> {
        let default = super::Config::default().store;
        let differing = [
            ("synchronous", self.synchronous != default.synchronous),
            ("queue_max", self.queue_max != default.queue_max),
            ("guard_tables", self.guard_tables != default.guard_tables),
            ("schema", self.schema != default.schema),
            ("connections_max", self.connections_max != default.connections_max),
            ("isolation", self.isolation != default.isolation),
            ("poll_ms", self.poll_ms != default.poll_ms),
            ("notify", self.notify != default.notify),
            ("auto_migrate", self.auto_migrate != default.auto_migrate),
            ("behind_pooler", self.behind_pooler != default.behind_pooler),
        ];
        let idle = differing.into_iter().filter(|(name, differs)| *differs && place.has_no(name).is_some());
        idle.map(|(name, _)| name).collect()
    }
}

fn sqlite_path(url: &str) -> Result<&Path, String> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(format!("`{url}` names no file: write `sqlite:` and a path"));
    }
    if path.contains('?') {
        return Err(format!(
            "`{url}` has options behind the path; those of the store are settings of `[store]`"
        ));
    }
    Ok(Path::new(path))
}
