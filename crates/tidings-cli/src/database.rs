//! The database of an application, of either store.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use tidings::store::{Inspect, StoreError};
use tidings::{Config, StorePlace};
use tidings_postgres::{PostgresConfig, PostgresStore};
use tidings_sqlite::SqliteInspector;

use crate::arguments;

const HELP: &str =
    "name the database with --database, or run this in the folder of the application's tidings.toml";

/// Where it is, and whether somebody said so.
pub(crate) struct Database {
    place: Place,
    was_named: bool,
}

enum Place {
    Sqlite(PathBuf),
    Postgres(Box<PostgresConfig>),
}

/// What is applied in a database.
pub(crate) struct Status {
    pub(crate) what: String,
    pub(crate) version: i64,
    pub(crate) known: i64,
    pub(crate) applied: Vec<Applied>,
    pub(crate) missing: Vec<(i64, &'static str)>,
}

pub(crate) struct Applied {
    pub(crate) module: String,
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) at: String,
}

/// The two stores say the same in types of their own.
macro_rules! status {
    ($status:expr) => {{
        let status = $status;
        let applied = status.applied.into_iter().map(|of| Applied {
            module: of.module,
            version: of.version,
            name: of.name,
            at: of.applied_at.to_string(),
        });
        Status {
            what: status.what,
            version: status.version,
            known: status.known,
            applied: applied.collect(),
            missing: status.missing,
        }
    }};
}

impl Database {
    /// The database that was named, or else the one that the application in this folder would use.
    pub(crate) fn named(arguments: &arguments::Database) -> anyhow::Result<Self> {
        let mut config = match &arguments.place {
            // What is named needs no tidings.toml, and must not fail by a broken one.
            Some(place) => {
                let mut config = Config::default();
                config.store.locate(place.expose());
                config
            }
            None => {
                Config::load().map_err(|error| anyhow!("{:#}\nhelp: {HELP}", anyhow::Error::new(error)))?
            }
        };
        if let Some(schema) = &arguments.schema {
            config.store.schema.clone_from(schema);
        }
        let place = match config.store.place().map_err(|problem| anyhow!(problem))? {
            StorePlace::Sqlite(path) => Place::Sqlite(path.to_owned()),
            StorePlace::Postgres(url) => {
                let mut postgres = tidings::__private::postgres_settings(&config, url);
                // Somebody who looks changes nothing, and needs few connections.
                postgres.auto_migrate = false;
                postgres.connections_max = 2;
                Place::Postgres(Box::new(postgres))
            }
        };
        Ok(Self { place, was_named: arguments.place.is_some() })
    }

    /// Answers questions about an application that may be running.
    pub(crate) async fn inspector(&self) -> Result<Box<dyn Inspect + Sync>, StoreError> {
        Ok(match &self.place {
            Place::Sqlite(path) => Box::new(SqliteInspector::open(path).await?),
            Place::Postgres(config) => Box::new(PostgresStore::open((**config).clone()).await?),
        })
    }

    /// What is applied in it.
    pub(crate) async fn status(&self) -> Result<Status, StoreError> {
        Ok(match &self.place {
            Place::Sqlite(path) => status!(tidings_sqlite::status(path).await?),
            Place::Postgres(config) => status!(tidings_postgres::status(config).await?),
        })
    }

    /// Brings Tidings' own tables up to date.
    pub(crate) async fn migrate(&self) -> Result<Status, StoreError> {
        Ok(match &self.place {
            Place::Sqlite(path) => status!(tidings_sqlite::migrate(path).await?),
            Place::Postgres(config) => status!(tidings_postgres::migrate(config).await?),
        })
    }

    /// An error of it, with what to do if nobody had named it.
    pub(crate) fn explain(&self, error: StoreError) -> anyhow::Error {
        let cause = anyhow::Error::new(error);
        if self.was_named { cause } else { anyhow!("{cause:#}\nhelp: {HELP}") }
    }
}

/// Without a password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Sqlite(path) => path.display().fmt(f),
            Place::Postgres(config) => match &config.schema {
                Some(schema) => write!(f, "schema `{schema}` of {}", config.url),
                None => config.url.fmt(f),
            },
        }
    }
}

/// What asks the database.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that asks the database")
}
