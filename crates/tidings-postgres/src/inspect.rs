//! The read API.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use tidings_core::envelope::{Position, Recorded};
use tidings_core::flow::FlowFacts;
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    AttemptRow, CommandCount, ConsumerKind, ConsumerStatus, EventCount, FlowSize, IdempotencyScope, Inspect,
    JobFilter, JobRow, OutcomeRecord, ParkedRow, ParkedState, QueueStatus, Receipt, StoreError,
};

use crate::error::meaning;
use crate::pool::Alone as _;
use crate::rows::{column, number, parsed, recorded, text, time};
use crate::store::PostgresStore;
use crate::{flow, jobs, outcomes};

/// How many of the newest messages are searched for flows, for each flow wanted.
const MESSAGES_PER_FLOW: i64 = 200;

#[async_trait]
impl Inspect for PostgresStore {
    async fn jobs(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRow>, StoreError> {
        jobs::inspect::jobs(self.pool(), filter, limit).await
    }

    async fn job(&self, id: MessageId) -> Result<Option<JobRow>, StoreError> {
        jobs::inspect::job(self.pool(), id).await
    }

    async fn attempts(&self, id: MessageId) -> Result<Vec<AttemptRow>, StoreError> {
        jobs::inspect::attempts(self.pool(), id).await
    }

    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        jobs::inspect::queues(self.pool()).await
    }

    async fn is_queue(&self, name: &str) -> Result<bool, StoreError> {
        jobs::inspect::is_queue(self.pool(), name).await
    }

    async fn flow_jobs(&self, correlation_id: MessageId) -> Result<Vec<JobRow>, StoreError> {
        jobs::inspect::flow_jobs(self.pool(), correlation_id).await
    }

    async fn consumers(&self) -> Result<Vec<ConsumerStatus>, StoreError> {
        let rows = sqlx::query(include_str!("../queries/consumers_list.sql"))
            .all(self.pool())
            .await
            .map_err(|error| meaning("listing consumers", error))?;
        rows.iter().map(status).collect()
    }

    async fn parked(
        &self,
        consumer: Option<&str>,
        state: Option<ParkedState>,
        limit: usize,
    ) -> Result<Vec<ParkedRow>, StoreError> {
        let rows = sqlx::query(include_str!("../queries/parked_list.sql"))
            .bind(consumer)
            .bind(state.map(ParkedState::as_str))
            .bind(rows_max(limit))
            .all(self.pool())
            .await
            .map_err(|error| meaning("listing parked messages", error))?;
        rows.iter().map(parked).collect()
    }

    async fn message(&self, id: MessageId) -> Result<Option<Recorded>, StoreError> {
        let row = sqlx::query(include_str!("../queries/inspect_message.sql"))
            .bind(id.0)
            .optional(self.pool())
            .await
            .map_err(|error| meaning("looking a message up", error))?;
        row.as_ref().map(recorded).transpose()
    }

    async fn flow(&self, correlation_id: MessageId) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query(include_str!("../queries/inspect_flow.sql"))
            .bind(correlation_id.0)
            .all(self.pool())
            .await
            .map_err(|error| meaning("reading a flow", error))?;
        rows.iter().map(recorded).collect()
    }

    async fn correlation_of(&self, id: MessageId) -> Result<Option<MessageId>, StoreError> {
        flow::correlation_of(self.pool(), id).await
    }

    async fn flows_of_trace(&self, trace_id: u128) -> Result<Vec<MessageId>, StoreError> {
        flow::of_trace(self.pool(), trace_id).await
    }

    async fn flow_facts(&self, correlation_id: MessageId) -> Result<FlowFacts, StoreError> {
        flow::facts(self.pool(), correlation_id).await
    }

    async fn flow_sizes(&self, limit: usize) -> Result<Vec<FlowSize>, StoreError> {
        let limit = rows_max(limit);
        let rows = sqlx::query(include_str!("../queries/inspect_flow_sizes.sql"))
            .bind(limit)
            .bind(limit.saturating_mul(MESSAGES_PER_FLOW))
            .all(self.pool())
            .await
            .map_err(|error| meaning("listing flows", error))?;
        let size = |row| {
            Ok(FlowSize {
                correlation_id: MessageId(column(row, "correlation_id")?),
                messages: number(row, "messages")?,
            })
        };
        rows.iter().map(size).collect()
    }

    async fn counts(&self) -> Result<Vec<EventCount>, StoreError> {
        let rows = sqlx::query(include_str!("../queries/inspect_counts.sql")).all(self.pool()).await;
        let rows = rows.map_err(|error| meaning("counting messages", error))?;
        rows.iter()
            .map(|row| Ok(EventCount { name: text(row, "name")?, count: number(row, "count")? }))
            .collect()
    }

    async fn receipt(&self, consumer: &str, position: Position) -> Result<Option<Receipt>, StoreError> {
        let row = sqlx::query(include_str!("../queries/receipt_find.sql"))
            .bind(consumer)
            .bind(position.0)
            .optional(self.pool())
            .await
            .map_err(|error| meaning("looking a receipt up", error))?;
        let receipt = |row: &PgRow| {
            Ok(Receipt {
                first: Position(column(row, "first")?),
                last: Position(column(row, "last")?),
                count: number(row, "count")?,
                at: time(column(row, "at")?),
            })
        };
        row.as_ref().map(receipt).transpose()
    }

    async fn command_counts(&self) -> Result<Vec<CommandCount>, StoreError> {
        let rows = sqlx::query(include_str!("../queries/inspect_command_counts.sql")).all(self.pool()).await;
        let rows = rows.map_err(|error| meaning("counting outcomes", error))?;
        let count = |row| {
            let (completed, rejected) = (number(row, "completed")?, number(row, "rejected")?);
            Ok(CommandCount { command: text(row, "command")?, completed, rejected })
        };
        rows.iter().map(count).collect()
    }

    async fn outcome(
        &self,
        scope: &IdempotencyScope,
        now: Timestamp,
    ) -> Result<Option<OutcomeRecord>, StoreError> {
        outcomes::by_key(self.pool(), scope, now.as_microsecond()).await
    }

    async fn outcome_of(&self, id: MessageId) -> Result<Option<OutcomeRecord>, StoreError> {
        outcomes::by_id(self.pool(), id).await
    }

    async fn unhandled_rejections(&self, limit: usize) -> Result<Vec<OutcomeRecord>, StoreError> {
        outcomes::unhandled(self.pool(), rows_max(limit)).await
    }
}

fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn status(row: &PgRow) -> Result<ConsumerStatus, StoreError> {
    Ok(ConsumerStatus {
        name: text(row, "name")?,
        kind: parsed(row, "kind", ConsumerKind::parse)?,
        reads: column::<Vec<String>>(row, "reads")?.into_iter().map(Into::into).collect(),
        lag: number(row, "lag")?,
        handled: number(row, "handled")?,
        retrying: number(row, "retrying")?,
        behind: number(row, "behind")?,
        dead: number(row, "dead")?,
        holders: column::<Option<Vec<Option<String>>>>(row, "holders")?
            .unwrap_or_default()
            .into_iter()
            .map(|holder| holder.map(Into::into))
            .collect(),
        last_seen: time(column(row, "last_seen")?),
        retired: column(row, "retired_reason")?,
    })
}

fn parked(row: &PgRow) -> Result<ParkedRow, StoreError> {
    Ok(ParkedRow {
        consumer: text(row, "consumer")?,
        message: recorded(row)?,
        state: parsed(row, "state", ParkedState::parse)?,
        key: column::<Option<String>>(row, "held_key")?.map(Key::from_stored),
        attempts: number(row, "attempts")?,
        due: column::<Option<i64>>(row, "due")?.map(time),
        error: column(row, "error")?,
    })
}
