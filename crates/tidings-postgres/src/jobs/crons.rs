//! Recurring jobs.

use tidings_core::store::{CronSpec, CronTick, StoreError};

use crate::error::meaning;
use crate::rows::{column, text, time};
use crate::store::PostgresStore;

pub(super) async fn register(store: &PostgresStore, specs: &[CronSpec]) -> Result<Vec<CronTick>, StoreError> {
    let failed = |error| meaning("entering recurring jobs", error);
    // In one order for all processes, so that none waits for another that waits for it.
    let mut specs: Vec<&CronSpec> = specs.iter().collect();
    specs.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&str> = specs.iter().map(|spec| &*spec.name).collect();
    let mut tx = store.pool().begin_with("BEGIN").await.map_err(failed)?;
    sqlx::query(include_str!("../../queries/cron_set.sql"))
        .bind(&names)
        .bind(specs.iter().map(|spec| spec.expression.as_str()).collect::<Vec<_>>())
        .bind(specs.iter().map(|spec| spec.next.as_microsecond()).collect::<Vec<_>>())
        .bind(specs.iter().map(|spec| spec.latest.as_microsecond()).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
    let keep = sqlx::query(include_str!("../../queries/crons_keep.sql")).bind(&names);
    keep.execute(&mut *tx).await.map_err(failed)?;
    let rows = sqlx::query(include_str!("../../queries/crons_get.sql")).fetch_all(&mut *tx).await;
    let rows = rows.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    rows.iter().map(|row| Ok(CronTick { name: text(row, "name")?, due: time(column(row, "due")?) })).collect()
}
