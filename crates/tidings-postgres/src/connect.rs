//! Connections: how they are made, and what keeps them from being made.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnectionMetadata;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Row as _};
use tidings_core::store::StoreError;

use crate::PostgresConfig;
use crate::error::meaning;
use crate::pool::Pool;

/// The oldest server that has all that is used: `xid8` and its snapshots came with 13, what else with 14.
const VERSION_MIN: i32 = 140_000;

/// A connection that was idle for longer is asked whether it still answers, before a work depends on it.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// After a connection was lost, all that were made before it are asked for so long.
const DOUBTED_FOR: Duration = Duration::from_secs(10);

/// What has happened to one connection and may have happened to the others: the server was restarted, the tables have
/// changed.
#[derive(Default)]
pub(crate) struct Doubts {
    lost: Mutex<Option<Instant>>,
    stale: Mutex<Option<Instant>>,
}

impl Doubts {
    /// A connection was lost.
    pub(crate) fn lost(&self) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// What a connection had prepared is of no use any more.
    pub(crate) fn stale(&self) {
        *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection can be used as it is; `None` if it has to be asked.
    fn trust(&self, meta: &PoolConnectionMetadata) -> Option<bool> {
        let since = |at: &Mutex<Option<Instant>>| {
            at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
        };
        if since(&self.stale).is_some_and(|since| meta.age > since) {
            return Some(false);
        }
        let is_doubted = since(&self.lost).is_some_and(|since| since < DOUBTED_FOR && meta.age > since);
        (meta.idle_for < TRUSTED_FOR && !is_doubted).then_some(true)
    }
}

/// How to connect, and what to call it in errors.
#[derive(Clone)]
pub(crate) struct Target {
    options: PgConnectOptions,
    schema: Option<String>,
    pub(crate) behind_pooler: bool,
    /// The server and the database, without the password.
    pub(crate) what: String,
}

impl Target {
    pub(crate) fn of(config: &PostgresConfig) -> Result<Self, StoreError> {
        let mut options = PgConnectOptions::from_str(config.url.expose()).map_err(bad_url)?;
        if options.get_application_name().is_none() {
            options = options.application_name(&config.application_name);
        }
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        let what = format!(
            "PostgreSQL at {}@{}:{}/{database}",
            options.get_username(),
            options.get_host(),
            options.get_port()
        );
        if config.behind_pooler {
            options = options.statement_cache_capacity(0).extra_float_digits(None);
        } else {
            let idle = config.idle_in_transaction_max.as_millis();
            options = options.options([
                ("idle_in_transaction_session_timeout", idle.to_string()),
                // On tables that were not analysed yet plans look expensive, and the server compiles what then runs for a tenth
                // of a millisecond: most of a second for some statements here. Ours are all short.
                ("jit", "off".to_owned()),
            ]);
            if let Some(schema) = &config.schema {
                options = options.options([("search_path", quoted(schema))]);
            }
        }
        Ok(Self { options, schema: config.schema.clone(), behind_pooler: config.behind_pooler, what })
    }

    /// Where the tables are, for errors.
    pub(crate) fn with_schema(&self) -> String {
        match &self.schema {
            Some(schema) => format!("schema `{schema}` of {}", self.what),
            None => self.what.clone(),
        }
    }

    /// Makes one connection, and looks at who answers. The pool would hide why it cannot.
    pub(crate) async fn connect(&self, within: Duration) -> Result<PgConnection, StoreError> {
        let connecting = PgConnection::connect_with(&self.options);
        let mut connection = match tokio::time::timeout(within, connecting).await {
            Ok(connected) => connected.map_err(|error| self.refused(error))?,
            Err(_) => {
                let problem =
                    format!("it has not answered within {within:?}: see to the address and the network");
                return Err(self.unusable(problem, None));
            }
        };
        self.check(&mut connection).await?;
        Ok(connection)
    }

    /// Makes one connection, where it is known who answers.
    pub(crate) async fn connect_again(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options).await
    }

    async fn check(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let asking = async {
            // Behind a pooler the statement that was prepared is there only in one transaction with it.
            let mut tx = connection.begin().await?;
            let query = sqlx::query(include_str!("../queries/server.sql")).persistent(false);
            let row = query.fetch_one(&mut *tx).await?;
            tx.commit().await.map(|()| row)
        };
        let row = asking.await.map_err(|error| meaning(format!("asking {} what it is", self.what), error))?;
        let read = |error| meaning(format!("asking {} what it is", self.what), error);
        let version: i32 = row.try_get("version").map_err(read)?;
        let encoding: String = row.try_get("encoding").map_err(read)?;
        let schema: Option<String> = row.try_get("schema").map_err(read)?;
        if let Some(problem) = lacks(version, &encoding) {
            return Err(self.unusable(problem, None));
        }
        if self.behind_pooler && row.try_get("compiles").map_err(read)? {
            let remedy = format!("ALTER ROLE {} SET jit = off", quoted(self.options.get_username()));
            tracing::warn!(
                remedy,
                "the server compiles statements (`jit`), which costs short ones more than it gains; behind a pooler only the role can set it off"
            );
        }
        match &self.schema {
            Some(wanted) if self.behind_pooler && schema.as_ref() != Some(wanted) => {
                let problem = format!(
                    "behind a pooler the search path must be the role's own, and it is not `{wanted}`: run `ALTER ROLE {} SET \
                     search_path = {}` (and `CREATE SCHEMA` before, if it is missing)",
                    self.options.get_username(),
                    quoted(wanted)
                );
                Err(self.unusable(problem, None))
            }
            _ => Ok(()),
        }
    }

    /// Why the server did not let us in, and what to do.
    fn refused(&self, error: sqlx::Error) -> StoreError {
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        let user = self.options.get_username();
        let problem = match (&error, code.as_str()) {
            (_, "28P01") => format!(
                "the password of role `{user}` is wrong or missing; check the URL, PGPASSWORD or .pgpass"
            ),
            (_, "28000") => format!(
                "role `{user}` may not log in from here; check the role, and pg_hba.conf on the server"
            ),
            (_, "3D000") => {
                "the database does not exist; make it with `createdb`, or correct the URL".to_owned()
            }
            (_, "42501") => {
                format!("role `{user}` may not connect to the database; `GRANT CONNECT ON DATABASE` to it")
            }
            (_, "53300") => {
                "it has no connection left; raise its `max_connections`, or lower `connections_max` here"
                    .to_owned()
            }
            (_, "57P03") => "it is starting up or shutting down; try again in a moment".to_owned(),
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                "nobody listens there; start the server, or correct host and port in the URL".to_owned()
            }
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
                "the connection was closed at once, or what answers there is no PostgreSQL; check the port in the URL".to_owned()
            }
            // How a failed handshake is told.
            (sqlx::Error::Io(io), _) if io.kind() == std::io::ErrorKind::InvalidData => {
                "no secure connection could be made: its certificate or its encryption is not accepted; see `sslmode` and \
                 `sslrootcert` in the URL, and whether the host is called there as in the certificate"
                    .to_owned()
            }
            (sqlx::Error::Io(_), _) => {
                "it cannot be reached; check host and port in the URL, and the network".to_owned()
            }
            (sqlx::Error::Tls(_), _) if !cfg!(feature = "tls") => {
                "this program was built without encrypted connections, and `sslmode` in the URL asks for one; build it with the \
                 feature `tls` of `tidings`"
                    .to_owned()
            }
            (sqlx::Error::Tls(_), _) => {
                "no secure connection could be made; see `sslmode` in the URL".to_owned()
            }
            (sqlx::Error::Protocol(_), _) => {
                "what answers there does not speak PostgreSQL's language; check the port in the URL"
                    .to_owned()
            }
            _ => "it did not accept the connection".to_owned(),
        };
        self.unusable(problem, Some(error))
    }

    pub(crate) fn unusable(&self, problem: String, error: Option<sqlx::Error>) -> StoreError {
        StoreError::Unusable { what: self.with_schema(), problem, source: error.map(Into::into) }
    }

    /// A pool of one connection, which is kept.
    pub(crate) fn single(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(1)
            // Polling waits for it meanwhile.
            .acquire_timeout(TRUSTED_FOR)
            .connect_lazy_with(self.options.clone())
    }

    /// A pool that makes its connections when they are wanted, at most so many.
    pub(crate) fn pool(&self, config: &PostgresConfig, connections_max: u32, doubts: &Arc<Doubts>) -> Pool {
        let (doubts, released) = (doubts.clone(), doubts.clone());
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(config.acquire_timeout)
            // A round trip before each use is too much for a connection that has just answered.
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let doubts = doubts.clone();
                Box::pin(async move {
                    if let Some(trusted) = doubts.trust(&meta) {
                        return Ok(trusted);
                    }
                    Ok(matches!(tokio::time::timeout(TRUSTED_FOR, connection.ping()).await, Ok(Ok(()))))
                })
            })
            // The pool itself asks every connection that comes back, and waits for the answer: one that the network has forgotten
            // would keep its place for as long as the system believes in it.
            .after_release(move |connection, meta| {
                let doubts = released.clone();
                Box::pin(async move {
                    if doubts.trust(&meta).is_some() {
                        return Ok(true);
                    }
                    match tokio::time::timeout(TRUSTED_FOR, connection.ping()).await {
                        Ok(answer) => answer.map(|()| true),
                        Err(_elapsed) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
                    }
                })
            })
            .connect_lazy_with(self.options.clone());
        Pool::new(pool, self.behind_pooler)
    }
}

/// What a server lacks to be used, by its `server_version_num` and its database's encoding.
fn lacks(version: i32, encoding: &str) -> Option<String> {
    if version < VERSION_MIN {
        // Up to version 9 the first two numbers told what it is.
        let told = match version / 10_000 {
            major @ 10.. => major.to_string(),
            major => format!("{major}.{}", version / 100 % 100),
        };
        return Some(format!(
            "it is PostgreSQL {told}, and {} or later is needed: upgrade the server (`pg_upgrade`), or name another in the URL",
            VERSION_MIN / 10_000
        ));
    }
    (encoding != "UTF8").then(|| {
        format!(
            "the database's encoding is {encoding}: make one with `CREATE DATABASE .. ENCODING 'UTF8' TEMPLATE template0`"
        )
    })
}

/// The URL is not shown: what is wrong with it may be that the password has an unescaped character.
fn bad_url(error: sqlx::Error) -> StoreError {
    StoreError::Unusable {
        what: "the database's URL".to_owned(),
        problem: "it does not parse; it is written `postgres://user:password@host:port/database`, and special characters \
                  of the password are percent-encoded"
            .to_owned(),
        source: match error {
            // A parse error names what is wrong, and quotes nothing.
            sqlx::Error::Configuration(error) => Some(error.to_string().into()),
            _ => None,
        },
    }
}

/// An identifier as SQL writes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_refused_by_its_number() {
        for (version, told) in
            [(130_022, "PostgreSQL 13,"), (100_000, "PostgreSQL 10,"), (90_624, "PostgreSQL 9.6,")]
        {
            let problem = lacks(version, "UTF8").expect("it is too old");
            assert!(problem.contains(told) && problem.contains("14 or later"), "{version}: {problem}");
        }
        for version in [140_000, 140_020, 150_018, 170_000] {
            assert_eq!(lacks(version, "UTF8"), None, "{version}");
        }
        let problem = lacks(150_000, "LATIN1").expect("it is of no use");
        assert!(problem.contains("LATIN1") && problem.contains("ENCODING 'UTF8'"), "{problem}");
    }
}
