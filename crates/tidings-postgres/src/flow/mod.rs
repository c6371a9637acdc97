//! What is on record about a flow. Payloads are not read.

mod handlings;
mod jobs;
mod messages;

use sqlx::PgConnection;
use tidings_core::flow::FlowFacts;
use tidings_core::ids::MessageId;
use tidings_core::store::StoreError;

use crate::error::meaning;
use crate::pool::{Alone as _, Pool};
use crate::rows::column;

/// Everything on record about one flow, from one snapshot.
pub(crate) async fn facts(pool: &Pool, flow: MessageId) -> Result<FlowFacts, StoreError> {
    let failed = |error| meaning("reading a flow", error);
    let mut snapshot =
        pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failed)?;
    let facts = of_snapshot(&mut snapshot, flow).await?;
    snapshot.rollback().await.map_err(failed)?;
    Ok(facts)
}

async fn of_snapshot(connection: &mut PgConnection, flow: MessageId) -> Result<FlowFacts, StoreError> {
    Ok(FlowFacts {
        correlation_id: flow,
        messages: messages::messages(connection, flow).await?,
        commands: messages::commands(connection, flow).await?,
        jobs: jobs::jobs(connection, flow).await?,
    })
}

/// The flow that an id belongs to.
pub(crate) async fn correlation_of(pool: &Pool, id: MessageId) -> Result<Option<MessageId>, StoreError> {
    let row = sqlx::query(include_str!("../../queries/flow_correlation.sql")).bind(id.0).optional(pool).await;
    let row = row.map_err(|error| meaning("looking for a flow", error))?;
    row.map(|row| column(&row, "correlation_id").map(MessageId)).transpose()
}

/// The flows of a trace, oldest first.
pub(crate) async fn of_trace(pool: &Pool, trace_id: u128) -> Result<Vec<MessageId>, StoreError> {
    let rows = sqlx::query(include_str!("../../queries/flow_of_trace.sql"))
        .bind(format!("{trace_id:032x}"))
        .all(pool)
        .await
        .map_err(|error| meaning("looking for a trace", error))?;
    rows.iter().map(|row| column(row, "correlation_id").map(MessageId)).collect()
}
