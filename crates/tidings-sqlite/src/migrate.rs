//! The modules' migrations.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use tidings_core::store::{Migration, StoreError};

use crate::schema::OWN_MODULE;
use crate::store::SqliteStore;

/// What identifies a migration's text.
pub(crate) fn checksum(sql: &str) -> Vec<u8> {
    Sha256::digest(sql.as_bytes()).to_vec()
}

pub(crate) async fn migrate(
    store: &SqliteStore,
    module: &str,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(problem) = problem_of_list(module, migrations) {
        return Err(problem);
    }
    for migration in migrations {
        let (module, migration) = (module.to_owned(), *migration);
        let name = format!("migration {} of module `{module}`", migration.version);
        store.write(&name, move |connection| apply(connection, &module, migration, now)).await?;
    }
    Ok(())
}

fn problem_of_list(module: &str, migrations: &[Migration]) -> Option<StoreError> {
    if module == OWN_MODULE {
        let first = migrations.first()?;
        return Some(problem(module, *first, "the name `tidings` is reserved".to_owned(), None));
    }
    let unordered = migrations.windows(2).find(|pair| pair[0].version >= pair[1].version)?;
    let text = format!("it follows migration {}; versions must ascend", unordered[0].version);
    Some(problem(module, unordered[1], text, None))
}

fn apply(
    connection: &Connection,
    module: &str,
    migration: Migration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let fail = |text: &str| {
        let text = text.to_owned();
        move |source: rusqlite::Error| problem(module, migration, text, Some(source))
    };
    let sql = include_str!("../queries/migration_get.sql");
    let applied: Option<Vec<u8>> = connection
        .query_row(sql, params![module, migration.version], |row| row.get(0))
        .optional()
        .map_err(fail("the record of applied migrations cannot be read"))?;
    let checksum = checksum(migration.sql);
    match applied {
        Some(applied) if applied == checksum => return Ok(()),
        Some(_) => {
            let text =
                "its text was changed after it had been applied; undo the change and add a new migration";
            return Err(problem(module, migration, text.to_owned(), None));
        }
        None => {}
    }
    connection.execute_batch(migration.sql).map_err(fail("it failed"))?;
    let sql = include_str!("../queries/migration_insert.sql");
    let row = params![module, migration.version, migration.name, checksum, now.as_microsecond()];
    connection.execute(sql, row).map_err(fail("it could not be recorded"))?;
    Ok(())
}

fn problem(
    module: &str,
    migration: Migration,
    problem: String,
    source: Option<rusqlite::Error>,
) -> StoreError {
    StoreError::Migration {
        module: module.to_owned(),
        version: migration.version,
        name: migration.name.to_owned(),
        problem,
        source: source.map(Into::into),
    }
}
