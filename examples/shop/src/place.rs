//! What is there where the data is to be.

use sqlx::{Connection, PgConnection};
use tidings::store::StoreUrl;
use tidings::{Config, Error, Result, StorePlace};

/// Refuses a database that is not there: a shop that only looks would make it.
pub(crate) async fn refuse_none(config: &Config) -> Result<()> {
    match config.store.place().map_err(Error::failed)? {
        StorePlace::Sqlite(file) if !file.try_exists()? => {
            Err(Error::failed(format!("there is no database {}", file.display())))
        }
        StorePlace::Postgres(url)
            if !Postgres::connect(url).await?.has_shop(&config.store.schema).await? =>
        {
            Err(Error::failed(format!("there is no shop in {}", named(url, &config.store.schema))))
        }
        _ => Ok(()),
    }
}

/// The database as an error names it, without its password.
pub(crate) fn named(url: &StoreUrl, schema: &str) -> String {
    if schema.is_empty() { url.to_string() } else { format!("schema `{schema}` of {url}") }
}

/// A connection, for questions about schemas.
pub(crate) struct Postgres(PgConnection);

impl Postgres {
    pub(crate) async fn connect(url: &StoreUrl) -> Result<Self> {
        let connected = PgConnection::connect(url.expose()).await;
        connected.map(Self).map_err(|error| Error::failed(format!("cannot connect to {url}: {error}")))
    }

    /// Whether a shop has been there. Without a name the search path says where to look.
    pub(crate) async fn has_shop(&mut self, schema: &str) -> Result<bool> {
        let path = if schema.is_empty() { String::new() } else { format!("{}.", quoted(schema)) };
        let found = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL")
            .bind(format!("{path}tidings_log"))
            .bind(format!("{path}order_lines"));
        Ok(found.fetch_one(&mut self.0).await?)
    }

    pub(crate) async fn has_schema(&mut self, schema: &str) -> Result<bool> {
        let found = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL").bind(quoted(schema));
        Ok(found.fetch_one(&mut self.0).await?)
    }

    /// Drops a schema with all that is in it.
    pub(crate) async fn drop_schema(&mut self, schema: &str) -> Result<()> {
        let sql = sqlx::AssertSqlSafe(format!("DROP SCHEMA {} CASCADE", quoted(schema)));
        sqlx::raw_sql(sql).execute(&mut self.0).await?;
        Ok(())
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
