//! Configuration: defaults, `tidings.toml`, environment, in that order.

mod jobs;
mod limits;
mod sources;
mod store;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tidings_core::error::chain;
use tidings_core::retry::RetrySchedule;
use tidings_core::store::{Limits, Retention};

pub use jobs::{JobsConfig, QueueConfig};
use sources::{Settings, invalid};
pub use store::{Isolation, StoreConfig, StorePlace, Synchronous};

/// The documented defaults, as a commented TOML file.
pub const DEFAULTS: &str = include_str!("config.default.toml");

const FILE: &str = "tidings.toml";

/// The configuration of an application. Every setting, with its meaning and default, is in [`DEFAULTS`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each setting is documented once, in the default file")]
pub struct Config {
    pub store: StoreConfig,
    pub commands: CommandsConfig,
    pub queries: QueriesConfig,
    pub listeners: ListenersConfig,
    pub jobs: JobsConfig,
    pub queues: BTreeMap<String, QueueConfig>,
    pub events: EventsConfig,
    pub retention: RetentionConfig,
    pub start: StartConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct CommandsConfig {
    pub deadline_ms: u64,
    pub concurrency_max: usize,
    pub idempotency_hours: u32,
    pub body_bytes_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct QueriesConfig {
    pub concurrency_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct ListenersConfig {
    pub partitions: u16,
    pub batch: usize,
    pub slice_ms: u64,
    pub retry_seconds: Vec<f64>,
    pub jitter_percent: u8,
    pub behind_max: usize,
    pub kills_max: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct EventsConfig {
    pub bytes_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct RetentionConfig {
    pub days: f64,
    pub messages_max: u64,
    pub messages_hard_max: u64,
    pub receipts_max: u64,
    pub jobs_days: f64,
    pub jobs_max: u64,
    pub every_seconds: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct StartConfig {
    pub allow_orphans: bool,
    pub workers: bool,
}

impl CommandsConfig {
    /// How long a caller waits who says so, or does not.
    pub(crate) fn deadline(&self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or(Duration::from_millis(self.deadline_ms))
    }
}

/// Why a configuration was refused. `Debug` tells it like `Display`, with all causes.
#[derive(thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or variable does not say what it should.
    #[error("{place}: {problem}")]
    Invalid {
        /// The file, or the environment variable.
        place: String,
        /// What is wrong, with line and column for a file.
        problem: String,
    },
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self))
    }
}

impl Default for Config {
    fn default() -> Self {
        // The default file is part of the program and a test reads it, so this cannot fail.
        #[allow(clippy::expect_used, reason = "see above")]
        toml::from_str(DEFAULTS).expect("the built-in defaults are valid")
    }
}

impl Config {
    /// Defaults, then `tidings.toml` in the working directory if there is one, then `TIDINGS_*` from the environment.
    ///
    /// # Errors
    /// Names the file with line and column, or the variable.
    pub fn load() -> Result<Self, ConfigError> {
        let path = Path::new(FILE);
        let file = if path.exists() { Some(read(path)?) } else { None };
        Self::from_sources(file.as_deref().map(|text| (FILE, text)), std::env::vars_os())
    }

    /// Like [`load`](Self::load), from a named file that must exist.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        Self::from_sources(Some((&name, &read(path)?)), std::env::vars_os())
    }

    /// Reads what a file says and what variables say; both may be partial.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_parts(
        file: Option<&str>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let variables = variables.into_iter().map(|(name, text)| (name.into(), text.into()));
        Self::from_sources(file.map(|text| (FILE, text)), variables)
    }

    fn from_sources(
        file: Option<(&str, &str)>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Settings::defaults()?;
        if let Some((name, text)) = file {
            settings.lay_file(name, text)?;
        }
        settings.lay_variables(variables)?;
        settings.config().map_err(|problem| invalid("configuration", &problem))
    }

    /// Checks settings that a program has set by itself; [`load`](Self::load) and its kin do so.
    ///
    /// # Errors
    /// Names the setting.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match limits::unusable(self) {
            Some((setting, problem)) => Err(invalid("configuration", &format!("`{setting}` {problem}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn lease(&self) -> Duration {
        limits::duration(self.store.lease_seconds)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { budget: Duration::from_millis(self.store.write_budget_ms), wait: None }
    }

    pub(crate) fn schedule(&self) -> RetrySchedule {
        let tiers = self.listeners.retry_seconds.iter().map(|seconds| limits::duration(*seconds));
        RetrySchedule::new(tiers, self.listeners.jitter_percent)
    }

    pub(crate) fn retention(&self) -> Retention {
        Retention {
            age_max: limits::duration(self.retention.days * 86_400.0),
            messages_max: self.retention.messages_max,
            messages_hard_max: self.retention.messages_hard_max,
            receipts_max: self.retention.receipts_max,
            jobs_age_max: limits::duration(self.retention.jobs_days * 86_400.0),
            jobs_max: self.retention.jobs_max,
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, text: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), text.to_owned())]
    }

    #[test]
    fn later_sources_win() {
        let file = "[store]\npath = \"a.db\"\n[listeners]\nbatch = 7\n";
        let config = Config::from_parts(Some(file), variable("TIDINGS_STORE__PATH", "b.db")).unwrap();
        assert_eq!((config.store.path.to_str(), config.listeners.batch), (Some("b.db"), 7));
        assert_eq!(config.listeners.retry_seconds, Config::default().listeners.retry_seconds);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (
                Some("[store]\npath = \"a.db\"\nurl = \"postgres://h/d\"\n"),
                vec![],
                "tidings.toml:3:1: `store.path` and `store.url` both say where the data is; take one of the two out",
            ),
            (
                Some("[store]\nurl = \"postgres://h/d\"\nsynchronous = \"off\"\n"),
                vec![],
                "tidings.toml:3:1: `store.synchronous` is a setting of the SQLite store, and the store named here is PostgreSQL",
            ),
            (
                Some("[store]\nisolation = \"serializable\"\npath = \"a.db\"\n"),
                vec![],
                "tidings.toml:2:1: `store.isolation` is a setting of the PostgreSQL store, and the store named here is SQLite",
            ),
            (
                None,
                vec![
                    ("TIDINGS_STORE__URL".to_owned(), "sqlite:a.db".to_owned()),
                    ("TIDINGS_STORE__NOTIFY".to_owned(), "false".to_owned()),
                ],
                "TIDINGS_STORE__NOTIFY: `store.notify` is a setting of the PostgreSQL store",
            ),
            (
                None,
                variable("TIDINGS_STORE__URL", "mysql://u:s3cret@h/d"),
                "TIDINGS_STORE__URL: `store.url` is not usable: `mysql://u:***@h/d` is no URL of a store: write `postgres://",
            ),
            (None, variable("TIDINGS_STORE__URL", "sqlite:"), "`sqlite:` names no file"),
            (Some("[store]\nconnections_max = 1\n"), vec![], "`store.connections_max` must be at least 2"),
            (
                Some("[store]\npaht = \"a.db\"\n"),
                vec![],
                "tidings.toml:2:1: there is no setting `paht` under `[store]`; did you mean `path`?",
            ),
            (Some("[store\n"), vec![], "tidings.toml:1:7: "),
            (
                Some("[stroe]\n"),
                vec![],
                "tidings.toml:1:2: there is no section `[stroe]`; did you mean `[store]`?",
            ),
            (Some("\npath = \"x\"\n"), vec![], "tidings.toml:2:1: `path` is a setting of `[store]`"),
            (Some("[store]\nsynchronous = \"fast\"\n"), vec![], "tidings.toml:2:15: unknown variant `fast`"),
            (Some("[listeners]\nbatch = -1\n"), vec![], "tidings.toml:2:9: "),
            (Some("[listeners]\nbatch = 0\n"), vec![], "tidings.toml:2:9: `listeners.batch` must be"),
            (Some("[retention]\ndays = inf\n"), vec![], "tidings.toml:2:8: `retention.days` is longer than"),
            (Some("[retention]\ndays = 1e30\n"), vec![], "`retention.days` is longer than 1000000 days"),
            (Some("[retention]\ndays = nan\n"), vec![], "`retention.days` is not a number"),
            (Some("[listeners]\nretry_seconds = [1, 1e20]\n"), vec![], "`listeners.retry_seconds` is longer"),
            (
                None,
                variable("TIDINGS_LISTENERS__RETRY_SECONDS", "[-1]"),
                "`listeners.retry_seconds` is negative",
            ),
            (None, variable("TIDINGS_STORE__PAHT", "x"), "TIDINGS_STORE__PAHT: there is no setting `paht`"),
            (None, variable("TIDINGS_STORE_PATH", "x"), "TIDINGS_STORE_PATH: two underscores"),
            (None, variable("TIDINGS_STORE_PATH", "x"), "write `TIDINGS_STORE__PATH`"),
            (
                Some("[queues.mail]\nconcurency = 4\n"),
                vec![],
                "tidings.toml:2:1: there is no setting `concurency` under `[queues.mail]`; did you mean `concurrency`?",
            ),
            (
                Some("[queues]\nmail = 4\n"),
                vec![],
                "tidings.toml:2:1: `mail` is a queue: write `[queues.mail]`",
            ),
            (
                Some("[queues.mail]\nconcurrency = 0\n"),
                vec![],
                "tidings.toml:2:15: `queues.mail.concurrency` must be",
            ),
            (
                Some("[queues.mail]\nconcurrency_overall = 0\n"),
                vec![],
                "tidings.toml:2:23: `queues.mail.concurrency_overall` must be",
            ),
            (
                Some("[queues.mail]\nrate_count = 4\n"),
                vec![],
                "`queues.mail.rate_count` needs `rate_seconds`",
            ),
            (
                Some("[store]\nlease_seconds = 0\n"),
                vec![],
                "tidings.toml:2:17: `store.lease_seconds` must be",
            ),
            (
                Some("[listeners]\npartitions = 65\n"),
                vec![],
                "tidings.toml:2:14: `listeners.partitions` must be",
            ),
            (None, variable("TIDINGS_QUEUES__MAIL__CONCURRENCY", "few"), "`few` is not a number"),
            (
                None,
                variable("TIDINGS_QUEUES__MAIL", "4"),
                "TIDINGS_QUEUES__MAIL: say which setting of the queue",
            ),
            (None, variable("TIDINGS_LISTENERS__BATCH", "many"), "TIDINGS_LISTENERS__BATCH: `many` is not"),
        ];
        for (file, variables, expected) in cases {
            let error = Config::from_parts(file, variables).unwrap_err().to_string();
            assert!(error.contains(expected), "expected: {expected}\nfound: {error}");
        }
    }

    #[test]
    fn the_store_is_the_one_that_was_named_last() {
        let postgres = "[store]\nurl = \"postgres://u:s3cret@h/d\"\nschema = \"shop\"\n";
        let config = Config::from_parts(Some(postgres), []).unwrap();
        assert_eq!(config.store.place().unwrap(), StorePlace::Postgres(&"postgres://u:s3cret@h/d".into()));
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");

        let config = Config::from_parts(Some(postgres), variable("TIDINGS_STORE__PATH", "b.db")).unwrap();
        let place = config.store.place().unwrap();
        assert_eq!(place, StorePlace::Sqlite(Path::new("b.db")));
        assert_eq!(config.store.idle_settings(place), ["schema"]);

        let sqlite = "[store]\npath = \"a.db\"\nsynchronous = \"normal\"\n";
        let config =
            Config::from_parts(Some(sqlite), variable("TIDINGS_STORE__URL", "postgresql://h/d")).unwrap();
        let place = config.store.place().unwrap();
        assert_eq!((place.kind(), config.store.idle_settings(place)), ("PostgreSQL", vec!["synchronous"]));

        for url in ["sqlite:c.db", "sqlite://c.db"] {
            let config = Config::from_parts(None, variable("TIDINGS_STORE__URL", url)).unwrap();
            assert_eq!(config.store.place().unwrap(), StorePlace::Sqlite(Path::new("c.db")));
        }
        let mut config = Config::default();
        assert_eq!(config.store.place().unwrap(), StorePlace::Sqlite(Path::new("tidings.db")));
        config.store.locate("postgres://h/d");
        assert_eq!(config.store.place().unwrap().kind(), "PostgreSQL");
        config.store.locate("./d.db");
        assert_eq!(config.store.place().unwrap(), StorePlace::Sqlite(Path::new("./d.db")));
    }

    #[test]
    fn queues_have_settings_of_their_own() {
        let file =
            "[queues.mail]\nrate_count = 100\nrate_seconds = 60\n\n[queues.bulk-mail]\nconcurrency = 1\n";
        let variables = variable("TIDINGS_QUEUES__BULK_MAIL__CONCURRENCY", "7");
        let config = Config::from_parts(Some(file), variables).unwrap();
        let rate = config.queues["mail"].rate().unwrap();
        assert_eq!((rate.count, rate.per), (100, Duration::from_secs(60)));
        assert_eq!(config.queues["bulk-mail"].concurrency, Some(7));
        assert!(config.queues["bulk-mail"].rate().is_none());
    }

    #[test]
    fn a_named_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prod.toml");
        std::fs::write(&path, "[store]\nqueue_max = \"many\"\n").unwrap();
        let error = Config::load_file(&path).unwrap_err().to_string();
        assert!(error.contains("prod.toml:2:13: invalid type"), "{error}");
    }

    #[test]
    fn variables_of_others_are_none_of_our_business() {
        Config::from_parts(None, variable("TIDINGS_TEST_POSTGRES_URL", "postgres://x")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let garbage = || OsString::from_vec(vec![b'a', 0xff]);
            Config::from_sources(None, [(garbage(), garbage()), ("OTHER".into(), garbage())]).unwrap();
            let error = Config::from_sources(None, [("TIDINGS_STORE__PATH".into(), garbage())])
                .unwrap_err()
                .to_string();
            assert_eq!(error, "TIDINGS_STORE__PATH: its value is not UTF-8");
        }
    }

    #[test]
    fn settings_made_by_a_program_never_panic() {
        let mut config = Config::default();
        for odd in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            config.retention.days = odd;
            config.listeners.retry_seconds = vec![odd];
            let _ = (config.retention(), config.schedule());
            assert!(config.validate().is_err(), "{odd}");
        }
    }
}
