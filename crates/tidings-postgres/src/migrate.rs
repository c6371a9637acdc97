//! The log's own tables, and the modules' migrations.

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, PgPool, Row as _};
use tidings_core::store::{Migration, StoreError};

use crate::error::meaning;
use crate::rows::{column, text};

/// Serialises everyone who sets up or migrates: two processes often start at once.
pub(crate) const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtext('tidings.migrate'))";

/// Makes the log's tables if they are not there.
pub(crate) async fn set_up(pool: &PgPool, schema: Option<&str>) -> Result<(), StoreError> {
    let failed = |error| meaning("setting up the log's tables", error);
    let mut tx = pool.begin().await.map_err(failed)?;
    tx.execute(ONE_AT_A_TIME).await.map_err(failed)?;
    if let Some(schema) = schema {
        let quoted = schema.replace('"', "\"\"");
        let sql = format!("CREATE SCHEMA IF NOT EXISTS \"{quoted}\"");
        tx.execute(AssertSqlSafe(sql)).await.map_err(failed)?;
    }
    let there = sqlx::query("SELECT to_regclass('tidings_log') IS NOT NULL").fetch_one(&mut *tx).await;
    if !there.and_then(|row| row.try_get::<bool, _>(0)).map_err(failed)? {
        tx.execute(sqlx::raw_sql(include_str!("../migrations/0001_log.sql"))).await.map_err(failed)?;
        tx.execute(sqlx::raw_sql(include_str!("../migrations/0002_cluster.sql"))).await.map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}

/// Applies what is missing, in order, each in a transaction of its own.
pub(crate) async fn migrate(
    pool: &PgPool,
    module: &str,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut migrations: Vec<_> = migrations.iter().collect();
    migrations.sort_by_key(|migration| migration.version);
    for migration in migrations {
        let failed = |error| problem(module, migration, "it failed, and left nothing", Some(error));
        let mut tx = pool.begin().await.map_err(failed)?;
        tx.execute(ONE_AT_A_TIME).await.map_err(failed)?;
        if !is_applied(&mut tx, module, migration).await? {
            tx.execute(sqlx::raw_sql(migration.sql)).await.map_err(failed)?;
            note(&mut tx, module, migration, now).await.map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
    }
    Ok(())
}

async fn is_applied(
    connection: &mut PgConnection,
    module: &str,
    migration: &Migration,
) -> Result<bool, StoreError> {
    let rows = sqlx::query("SELECT version, sql FROM tidings_migrations WHERE module = $1 AND version >= $2")
        .bind(module)
        .bind(migration.version)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning(format!("reading the migrations of `{module}`"), error))?;
    for row in &rows {
        if column::<i64>(row, "version")? == migration.version {
            if *text(row, "sql")? != *migration.sql {
                let changed = "its text changed since it was applied; add a new migration instead";
                return Err(problem(module, migration, changed, None));
            }
            return Ok(true);
        }
    }
    if rows.is_empty() {
        return Ok(false);
    }
    Err(problem(module, migration, "a later one was applied before it; give it a higher number", None))
}

async fn note(
    connection: &mut PgConnection,
    module: &str,
    migration: &Migration,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO tidings_migrations (module, version, name, sql, applied_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(module)
    .bind(migration.version)
    .bind(migration.name)
    .bind(migration.sql)
    .bind(now.as_microsecond())
    .execute(connection)
    .await
    .map(|_| ())
}

fn problem(module: &str, migration: &Migration, problem: &str, source: Option<sqlx::Error>) -> StoreError {
    StoreError::Migration {
        module: module.to_owned(),
        version: migration.version,
        name: migration.name.to_owned(),
        problem: problem.to_owned(),
        source: source.map(|error| Box::new(error) as _),
    }
}
