//! Recurring jobs.

use rusqlite::{Connection, params};
use tidings_core::store::{CronSpec, CronTick, StoreError};

use crate::rows::time;
use crate::store::SqliteStore;

pub(super) async fn register(store: &SqliteStore, specs: &[CronSpec]) -> Result<Vec<CronTick>, StoreError> {
    let specs = specs.to_vec();
    let run = move |connection: &Connection| {
        for CronSpec { name, expression, next, latest } in &specs {
            let sql = include_str!("../../queries/cron_set.sql");
            let params = params![name, expression, next.as_microsecond(), latest.as_microsecond()];
            connection.execute(sql, params)?;
        }
        let names = serde_json::Value::from_iter(specs.iter().map(|spec| &*spec.name)).to_string();
        connection.execute(include_str!("../../queries/crons_keep.sql"), [names])?;
        let mut statement = connection.prepare(include_str!("../../queries/crons_get.sql"))?;
        let ticks = statement.query_map([], |row| Ok(CronTick { name: row.get(0)?, due: time(row, 1)? }))?;
        ticks.collect()
    };
    store.change("entering recurring jobs", run).await
}
