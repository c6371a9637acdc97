//! Configuration: defaults, `tidings.toml`, environment, in that order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tidings_core::retry::RetrySchedule;
use tidings_core::store::{Limits, Retention};
use toml::{Table, Value};

/// The documented defaults, as a commented TOML file.
pub const DEFAULTS: &str = include_str!("config.default.toml");

const FILE: &str = "tidings.toml";
const PREFIX: &str = "TIDINGS_";

/// The configuration of an application. Every setting, with its meaning and default, is in [`DEFAULTS`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each setting is documented once, in the default file")]
pub struct Config {
    pub store: StoreConfig,
    pub commands: CommandsConfig,
    pub queries: QueriesConfig,
    pub listeners: ListenersConfig,
    pub events: EventsConfig,
    pub retention: RetentionConfig,
    pub start: StartConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct StoreConfig {
    pub path: PathBuf,
    pub synchronous: Synchronous,
    pub write_budget_ms: u64,
    pub queue_max: usize,
    pub guard_tables: bool,
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
    pub every_seconds: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `Config`")]
pub struct StartConfig {
    pub allow_orphans: bool,
}

impl CommandsConfig {
    /// How long a caller waits who says so, or does not.
    pub(crate) fn deadline(&self, asked: Option<Duration>) -> Duration {
        asked.unwrap_or(Duration::from_millis(self.deadline_ms))
    }
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
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
        Self::from_parts(file.as_deref(), std::env::vars())
    }

    /// Like [`load`](Self::load), from a named file that must exist.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::from_parts(Some(&read(path.as_ref())?), std::env::vars())
    }

    /// Reads what a file says and what variables say; both may be partial.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_parts(
        file: Option<&str>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let invalid =
            |place: &str, problem: String| ConfigError::Invalid { place: place.to_owned(), problem };
        let mut table: Table =
            DEFAULTS.parse().map_err(|error: toml::de::Error| invalid("defaults", error.to_string()))?;
        if let Some(text) = file {
            let over: Table =
                text.parse().map_err(|error: toml::de::Error| invalid(FILE, error.to_string()))?;
            merge(&mut table, over);
            table.clone().try_into::<Self>().map_err(|error| invalid(FILE, error.to_string()))?;
        }
        for (name, text) in variables {
            let Some(key) = name.strip_prefix(PREFIX).filter(|key| key.contains("__")) else { continue };
            set(&mut table, &key.to_lowercase(), &text).map_err(|problem| invalid(&name, problem))?;
            table.clone().try_into::<Self>().map_err(|error| invalid(&name, error.to_string()))?;
        }
        table.try_into().map_err(|error| invalid("configuration", error.to_string()))
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { budget: Duration::from_millis(self.store.write_budget_ms), wait: None }
    }

    pub(crate) fn schedule(&self) -> RetrySchedule {
        let tiers =
            self.listeners.retry_seconds.iter().map(|seconds| Duration::from_secs_f64(seconds.max(0.0)));
        RetrySchedule::new(tiers, self.listeners.jitter_percent)
    }

    pub(crate) fn retention(&self) -> Retention {
        Retention {
            age_max: Duration::from_secs_f64((self.retention.days * 86_400.0).max(0.0)),
            messages_max: self.retention.messages_max,
            messages_hard_max: self.retention.messages_hard_max,
            receipts_max: self.retention.receipts_max,
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(over)) => merge(below, over),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Sets `section__key` from a variable; the default's type says how its text is read.
fn set(table: &mut Table, key: &str, text: &str) -> Result<(), String> {
    let (section, key) = key.split_once("__").ok_or("not of the form TIDINGS_SECTION__KEY")?;
    let unknown = || format!("there is no setting `{key}` under `[{section}]`");
    let value = table.get_mut(section).and_then(|section| section.get_mut(key)).ok_or_else(unknown)?;
    *value = match value {
        Value::String(_) => Value::String(text.to_owned()),
        _ => text.parse::<Value>().map_err(|_| format!("`{text}` is not a {}", value.type_str()))?,
    };
    Ok(())
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
            (Some("[store]\npaht = \"a.db\"\n"), vec![], "paht"),
            (Some("[store\n"), vec![], "line 1"),
            (None, variable("TIDINGS_STORE__PAHT", "x"), "TIDINGS_STORE__PAHT: there is no setting `paht`"),
            (None, variable("TIDINGS_LISTENERS__BATCH", "many"), "TIDINGS_LISTENERS__BATCH: `many` is not"),
        ];
        for (file, variables, expected) in cases {
            let error = Config::from_parts(file, variables).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
