//! Which jobs there are, and where they wait.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use tidings_core::store::StoreError;

use crate::store::SqliteStore;

/// Names that the application has no more, each with how many of its jobs have not ended.
type Left = Vec<(Arc<str>, u64)>;

pub(super) async fn place(store: &SqliteStore, queues: &[(Arc<str>, Arc<str>)]) -> Result<Left, StoreError> {
    let queues = queues.to_vec();
    let run = move |connection: &Connection| {
        let mut on_record = names(connection)?;
        for (name, queue) in &queues {
            let before = on_record.remove(&**name);
            if before.as_deref() == Some(&**queue) {
                continue;
            }
            if before.is_some() {
                move_jobs(connection, name, queue)?;
            }
            connection.execute(include_str!("../../queries/job_names_set.sql"), params![name, queue])?;
        }
        left(connection, on_record.into_keys())
    };
    let left = store.change("placing jobs in their queues", run).await?;
    Ok(left)
}

/// Looks at every job: only when a queue was changed, which is rare.
fn move_jobs(connection: &Connection, name: &str, queue: &str) -> rusqlite::Result<()> {
    let mut keys = connection.prepare(include_str!("../../queries/job_keys_of_name.sql"))?;
    let keys = keys.query_map(params![name, queue], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let keys = keys.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    connection.execute(include_str!("../../queries/job_place.sql"), params![name, queue])?;
    for (before, key) in &keys {
        promote(connection, before, key)?;
        connection.execute(include_str!("../../queries/job_key_wait.sql"), params![queue, key])?;
        connection.execute(include_str!("../../queries/job_key_after.sql"), params![queue, key])?;
        promote(connection, queue, key)?;
    }
    Ok(())
}

/// The first of those that wait may run, if nothing of their key holds them back. As nobody said what time it is, it waits for
/// its own, and the next claim finds that it has come.
fn promote(connection: &Connection, queue: &str, key: &str) -> rusqlite::Result<()> {
    let sql = include_str!("../../queries/job_promote.sql");
    connection.prepare_cached(sql)?.execute(params![queue, key, i64::MIN]).map(drop)
}

fn names(connection: &Connection) -> rusqlite::Result<HashMap<String, String>> {
    let mut statement = connection.prepare(include_str!("../../queries/job_names_get.sql"))?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn left(connection: &Connection, names: impl Iterator<Item = String>) -> rusqlite::Result<Left> {
    let mut left = Vec::new();
    for name in names {
        let sql = include_str!("../../queries/job_count_live.sql");
        match connection.query_row(sql, [&name], |row| row.get::<_, u32>(0))? {
            0 => drop(connection.execute(include_str!("../../queries/job_names_drop.sql"), [&name])?),
            count => left.push((name.into(), count.into())),
        }
    }
    left.sort();
    Ok(left)
}
