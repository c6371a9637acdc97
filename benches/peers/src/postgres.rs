//! The server, and a fresh database for every run.

use std::path::Path;
use std::process::Command;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool};
use tidings_peers_contract::Result;

use crate::prepare::Places;
use crate::program::Ready;

const VARIABLE: &str = "TIDINGS_BENCH_POSTGRES_URL";
/// Four processes of underway, with 40 each at most, and what looks on.
const CONNECTIONS: i32 = 200;
/// Whoever has just left a template may be there a moment longer.
const TRIES: u32 = 50;

pub(crate) struct Server {
    url: String,
    admin: PgPool,
    is_ours: bool,
}

impl Server {
    /// The server that the environment names, or one that `cargo xtask services` starts.
    pub(crate) async fn obtain(places: &Places) -> Result<Self> {
        let named = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());
        let (url, is_ours) = match named {
            Some(url) => (url, false),
            None => {
                let was_there = services(&places.root, "url").is_ok();
                (services(&places.root, "up")?, !was_there)
            }
        };
        let admin = PgPool::connect(&url).await?;
        let sql = "SELECT setting::integer FROM pg_settings WHERE name = 'max_connections'";
        let connections: i32 = sqlx::query_scalar(sql).fetch_one(&admin).await?;
        if connections < CONNECTIONS {
            eprintln!(
                "warning: max_connections is {connections}; four processes with the pools that some peers ask for want {CONNECTIONS}"
            );
        }
        Ok(Self { url, admin, is_ours })
    }

    /// Stops the server if it was started for this.
    pub(crate) async fn leave(self, places: &Places) -> Result<()> {
        self.admin.close().await;
        if self.is_ours {
            services(&places.root, "down")?;
        }
        Ok(())
    }

    pub(crate) fn admin(&self) -> &PgPool {
        &self.admin
    }

    /// A database that every run of this program is a copy of.
    pub(crate) async fn make_template(&self, ready: &Ready) -> Result<()> {
        let name = template(ready);
        self.drop(&name).await?;
        self.execute(format!("CREATE DATABASE {name}")).await?;
        ready.run("setup", &[("url", self.url_of(&name))]).await
    }

    /// A copy of the template, with everything written down before it is measured.
    pub(crate) async fn fresh(&self, ready: &Ready) -> Result<Database> {
        let (name, template) = (database(ready), template(ready));
        self.drop(&name).await?;
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        let mut tries = 0;
        while let Err(error) = self.execute(sql.clone()).await {
            tries += 1;
            if tries == TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.checkpoint().await?;
        let url = self.url_of(&name);
        let connection = PgConnectOptions::from_str(&url)?.connect().await?;
        Ok(Database { url, connection, unfinished: ready.about.unfinished.clone() })
    }

    /// Removes what was made for this program.
    pub(crate) async fn forget(&self, ready: &Ready) -> Result<()> {
        self.drop(&database(ready)).await?;
        self.drop(&template(ready)).await
    }

    pub(crate) async fn checkpoint(&self) -> Result<()> {
        self.execute("CHECKPOINT".to_owned()).await
    }

    /// How many bytes the server has ever written to its log.
    pub(crate) async fn wal_bytes(&self) -> Result<f64> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.admin).await?)
    }

    async fn drop(&self, name: &str) -> Result<()> {
        self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    async fn execute(&self, sql: String) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.admin).await?;
        Ok(())
    }

    /// The server's address with another database.
    fn url_of(&self, database: &str) -> String {
        let (address, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let scheme = address.find("://").map_or(0, |at| at + 3);
        let server = address[scheme..].find('/').map_or(address, |at| &address[..scheme + at]);
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{server}/{database}{query}")
    }
}

/// One run's database.
pub(crate) struct Database {
    pub(crate) url: String,
    connection: PgConnection,
    unfinished: String,
}

impl Database {
    /// What the server does by itself within a minute, and a benchmark cannot wait for.
    pub(crate) async fn analyze(&mut self) -> Result<()> {
        sqlx::raw_sql("ANALYZE").execute(&mut self.connection).await?;
        Ok(())
    }

    pub(crate) async fn unfinished(&mut self) -> Result<i64> {
        let sql = self.unfinished.clone();
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connection).await?)
    }

    pub(crate) async fn rows(&mut self, table: &'static str) -> Result<i64> {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connection).await?)
    }

    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.connection.close().await?)
    }
}

fn database(ready: &Ready) -> String {
    format!("peers_{}", ready.program.name.replace('-', "_"))
}

fn template(ready: &Ready) -> String {
    format!("{}_template", database(ready))
}

/// `cargo xtask services <action> postgres`; answers with what it prints.
fn services(root: &Path, action: &str) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["xtask", "services", action, "postgres"]);
    if action == "url" {
        // That there is none is no news.
        command.stderr(std::process::Stdio::null());
    } else {
        command.stderr(std::process::Stdio::inherit());
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!(
            "no PostgreSQL: set {VARIABLE}, or see what `cargo xtask services up postgres` says"
        )
        .into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
