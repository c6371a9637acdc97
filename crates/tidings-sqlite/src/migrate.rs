//! The modules' migrations.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use tidings_core::store::{Migration, StoreError};

use crate::internal::{Inside, MigrationError};
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
    refuse_newer(store, module, migrations).await?;
    for migration in migrations {
        let (module, migration) = (module.to_owned(), *migration);
        let name = format!("migration {} of module `{module}`", migration.version);
        store.write(&name, move |inside| apply(inside, &module, migration, now)).await?;
    }
    Ok(())
}

/// Refuses a list that ends before the newest migration that is applied.
async fn refuse_newer(store: &SqliteStore, module: &str, migrations: &[Migration]) -> Result<(), StoreError> {
    let of = module.to_owned();
    let newest =
        store.ask("reading the applied migrations", move |connection| newest(connection, &of)).await?;
    let known = migrations.last().map(|last| last.version);
    match newest {
        Some((version, name)) if known.is_none_or(|known| known < version) => {
            let known = known.map_or("none".to_owned(), |known| format!("migrations up to {known}"));
            let problem = format!("it is applied, but this program knows {known}: start the newer program");
            Err(StoreError::Migration { module: module.to_owned(), version, name, problem, source: None })
        }
        _ => Ok(()),
    }
}

/// The newest migration that is applied, with its name.
fn newest(connection: &Connection, module: &str) -> rusqlite::Result<Option<(i64, String)>> {
    let sql = include_str!("../queries/migration_newest.sql");
    connection.query_row(sql, [module], |row| Ok((row.get(0)?, row.get(1)?))).optional()
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

fn apply(inside: &Inside<'_>, module: &str, migration: Migration, now: Timestamp) -> Result<(), StoreError> {
    let fail = |text: &str| {
        let text = text.to_owned();
        move |source: rusqlite::Error| problem(module, migration, text, Some(source.into()))
    };
    let sql = include_str!("../queries/migration_get.sql");
    let unreadable = "the record of applied migrations cannot be read";
    let applied: Option<Vec<u8>> = inside
        .query_row(sql, params![module, migration.version], |row| row.get(0))
        .optional()
        .map_err(fail(unreadable))?;
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
    if let Some((newest, _)) = newest(inside, module).map_err(fail(unreadable))?
        && newest > migration.version
    {
        let text = format!("migration {newest} is applied already; give the new one a higher number");
        return Err(problem(module, migration, text, None));
    }
    let ran = inside.migrate(module, migration.sql);
    ran.map_err(|source| problem(module, migration, "it failed".to_owned(), Some(source)))?;
    let sql = include_str!("../queries/migration_insert.sql");
    let row = params![module, migration.version, migration.name, checksum, now.as_microsecond()];
    inside.execute(sql, row).map_err(fail("it could not be recorded"))?;
    Ok(())
}

fn problem(
    module: &str,
    migration: Migration,
    problem: String,
    source: Option<MigrationError>,
) -> StoreError {
    StoreError::Migration {
        module: module.to_owned(),
        version: migration.version,
        name: migration.name.to_owned(),
        problem,
        source,
    }
}
