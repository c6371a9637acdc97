//! The modules' migrations.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::{Executor as _, PgConnection, Row as _};
use tidings_core::store::{Migration, StoreError};

use crate::error::meaning;
use crate::pool::Pool;
use crate::schema::{ONE_AT_A_TIME, OWN_MODULE};

/// What identifies a migration's text.
pub(crate) fn checksum(sql: &str) -> Vec<u8> {
    Sha256::digest(sql.as_bytes()).to_vec()
}

/// Applies what is missing, in order, each in a transaction of its own; or says what is missing, if it may not.
pub(crate) async fn migrate(
    pool: &Pool,
    may_apply: bool,
    module: &str,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(problem) = problem_of_list(module, migrations) {
        return Err(problem);
    }
    let failed = |error| meaning(format!("reading the migrations of module `{module}`"), error);
    let mut looking = pool.lone().await.map_err(failed)?;
    refuse_newer(&mut looking, module, migrations).await?;
    let mut missing = Vec::new();
    for migration in migrations {
        // Looked at first without a lock: nearly always it is applied.
        if is_applied(&mut looking, module, migration).await? {
            continue;
        }
        if !may_apply {
            let remedy = "it is not applied, and `auto_migrate` is off: start the application once with `auto_migrate` on and a \
                          role that may create tables in the schema";
            return Err(problem(module, migration, remedy, None));
        }
        missing.push(migration);
    }
    drop(looking);
    for migration in missing {
        apply(pool, module, migration, now).await?;
    }
    Ok(())
}

fn problem_of_list(module: &str, migrations: &[Migration]) -> Option<StoreError> {
    if module == OWN_MODULE {
        return Some(problem(module, migrations.first()?, "the name `tidings` is reserved", None));
    }
    let unordered = migrations.windows(2).find(|pair| pair[0].version >= pair[1].version)?;
    let text = format!("it follows migration {}; versions must ascend", unordered[0].version);
    Some(problem(module, &unordered[1], &text, None))
}

/// Refuses a list that ends before the newest migration that is applied.
async fn refuse_newer(
    connection: &mut PgConnection,
    module: &str,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let known = migrations.last().map(|last| last.version);
    match newest(connection, module).await? {
        Some((version, name)) if known.is_none_or(|known| known < version) => {
            let known = known.map_or("none".to_owned(), |known| format!("migrations up to {known}"));
            let problem = format!("it is applied, but this program knows {known}: start the newer program");
            Err(StoreError::Migration { module: module.to_owned(), version, name, problem, source: None })
        }
        _ => Ok(()),
    }
}

async fn apply(pool: &Pool, module: &str, migration: &Migration, now: Timestamp) -> Result<(), StoreError> {
    let failed = |error| problem(module, migration, "it failed, and left nothing", Some(error));
    let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    tx.execute(ONE_AT_A_TIME).await.map_err(failed)?;
    // Somebody else may have applied it while we waited.
    if !is_applied(&mut tx, module, migration).await? {
        if let Some((newest, _)) =
            newest(&mut tx, module).await?.filter(|(newest, _)| *newest > migration.version)
        {
            let text = format!("migration {newest} is applied already; give the new one a higher number");
            return Err(problem(module, migration, &text, None));
        }
        tx.execute(sqlx::raw_sql(migration.sql)).await.map_err(failed)?;
        sqlx::query(include_str!("../queries/migration_insert.sql"))
            .bind(module)
            .bind(migration.version)
            .bind(migration.name)
            .bind(checksum(migration.sql))
            .bind(now.as_microsecond())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}

async fn is_applied(
    connection: &mut PgConnection,
    module: &str,
    migration: &Migration,
) -> Result<bool, StoreError> {
    let row = sqlx::query(include_str!("../queries/migration_get.sql"))
        .bind(module)
        .bind(migration.version)
        .fetch_optional(connection)
        .await
        .map_err(unreadable(module))?;
    let Some(row) = row else { return Ok(false) };
    let applied: Vec<u8> = row.try_get("checksum").map_err(unreadable(module))?;
    if applied == checksum(migration.sql) {
        return Ok(true);
    }
    let text = "its text was changed after it had been applied; undo the change and add a new migration";
    Err(problem(module, migration, text, None))
}

/// The newest migration that is applied, with its name.
async fn newest(connection: &mut PgConnection, module: &str) -> Result<Option<(i64, String)>, StoreError> {
    let row = sqlx::query(include_str!("../queries/migration_newest.sql"))
        .bind(module)
        .fetch_optional(connection)
        .await
        .map_err(unreadable(module))?;
    let read = |row: sqlx::postgres::PgRow| Ok((row.try_get("version")?, row.try_get("name")?));
    row.map(read).transpose().map_err(unreadable(module))
}

fn unreadable(module: &str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| meaning(format!("reading the migrations of module `{module}`"), error)
}

fn problem(module: &str, migration: &Migration, problem: &str, source: Option<sqlx::Error>) -> StoreError {
    StoreError::Migration {
        module: module.to_owned(),
        version: migration.version,
        name: migration.name.to_owned(),
        problem: problem.to_owned(),
        source: source.map(Into::into),
    }
}
