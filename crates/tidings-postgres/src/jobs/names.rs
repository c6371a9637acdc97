//! Which jobs there are, and where they wait.

use std::sync::Arc;

use tidings_core::store::StoreError;

use crate::rows::{column, number};
use crate::store::PostgresStore;

pub(super) async fn place(
    store: &PostgresStore,
    queues: &[(Arc<str>, Arc<str>)],
) -> Result<Vec<(Arc<str>, u64)>, StoreError> {
    let query = || {
        sqlx::query(include_str!("../../queries/job_place.sql"))
            .bind(queues.iter().map(|(name, _)| &**name).collect::<Vec<_>>())
            .bind(queues.iter().map(|(_, queue)| &**queue).collect::<Vec<_>>())
    };
    let rows = store.statement("placing jobs in their queues", query).await?;
    let mut left = Vec::new();
    for row in &rows {
        match column::<Option<String>>(row, "name")? {
            Some(name) => left.push((name.into(), number(row, "jobs")?)),
            None => store.wake_queues(&column::<Option<Vec<String>>>(row, "moved")?.unwrap_or_default()),
        }
    }
    Ok(left)
}
