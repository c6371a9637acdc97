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

use crate::PostgresStore;
use crate::error::{foreign_row, meaning, not_in_the_spike};
use crate::rows::{column, number, recorded, text, time, wide};

#[async_trait]
impl Inspect for PostgresStore {
    async fn jobs(&self, _filter: &JobFilter, _limit: usize) -> Result<Vec<JobRow>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn job(&self, _id: MessageId) -> Result<Option<JobRow>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn attempts(&self, _id: MessageId) -> Result<Vec<AttemptRow>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn is_queue(&self, _name: &str) -> Result<bool, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn flow_jobs(&self, _correlation_id: MessageId) -> Result<Vec<JobRow>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn consumers(&self) -> Result<Vec<ConsumerStatus>, StoreError> {
        let rows = sqlx::query(include_str!("../queries/consumers_list.sql"))
            .fetch_all(self.pool())
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
            .bind(wide(limit))
            .fetch_all(self.pool())
            .await
            .map_err(|error| meaning("listing parked messages", error))?;
        rows.iter().map(parked).collect()
    }

    async fn message(&self, id: MessageId) -> Result<Option<Recorded>, StoreError> {
        let row = sqlx::query("SELECT * FROM tidings_log WHERE id = $1")
            .bind(id.0)
            .fetch_optional(self.pool())
            .await
            .map_err(|error| meaning("looking a message up", error))?;
        row.as_ref().map(recorded).transpose()
    }

    async fn flow(&self, correlation_id: MessageId) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query("SELECT * FROM tidings_log WHERE correlation_id = $1 ORDER BY position")
            .bind(correlation_id.0)
            .fetch_all(self.pool())
            .await
            .map_err(|error| meaning("reading a flow", error))?;
        rows.iter().map(recorded).collect()
    }

    async fn correlation_of(&self, _id: MessageId) -> Result<Option<MessageId>, StoreError> {
        Err(not_in_the_spike("flows"))
    }

    async fn flows_of_trace(&self, _trace_id: u128) -> Result<Vec<MessageId>, StoreError> {
        Err(not_in_the_spike("flows"))
    }

    async fn flow_facts(&self, _correlation_id: MessageId) -> Result<FlowFacts, StoreError> {
        Err(not_in_the_spike("flows"))
    }

    async fn flow_sizes(&self, limit: usize) -> Result<Vec<FlowSize>, StoreError> {
        let sql = "SELECT correlation_id, count(*) AS messages FROM tidings_log \
                   GROUP BY correlation_id ORDER BY max(position) DESC LIMIT $1";
        let rows = sqlx::query(sql).bind(wide(limit)).fetch_all(self.pool()).await;
        let rows = rows.map_err(|error| meaning("listing flows", error))?;
        let size = |row| {
            Ok(FlowSize {
                correlation_id: MessageId(column(row, "correlation_id")?),
                messages: number(row, "messages")?,
            })
        };
        rows.iter().map(size).collect()
    }

    async fn counts(&self) -> Result<Vec<EventCount>, StoreError> {
        let sql = "SELECT name, count(*) AS count FROM tidings_log GROUP BY name ORDER BY count DESC, name";
        let rows = sqlx::query(sql).fetch_all(self.pool()).await;
        let rows = rows.map_err(|error| meaning("counting messages", error))?;
        rows.iter()
            .map(|row| Ok(EventCount { name: text(row, "name")?, count: number(row, "count")? }))
            .collect()
    }

    async fn receipt(&self, consumer: &str, position: Position) -> Result<Option<Receipt>, StoreError> {
        let row = sqlx::query(include_str!("../queries/receipt_find.sql"))
            .bind(consumer)
            .bind(position.0)
            .fetch_optional(self.pool())
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
        Err(not_in_the_spike("outcomes of commands"))
    }

    async fn outcome(
        &self,
        _scope: &IdempotencyScope,
        _now: Timestamp,
    ) -> Result<Option<OutcomeRecord>, StoreError> {
        Err(not_in_the_spike("outcomes of commands"))
    }

    async fn outcome_of(&self, _id: MessageId) -> Result<Option<OutcomeRecord>, StoreError> {
        Err(not_in_the_spike("outcomes of commands"))
    }

    async fn unhandled_rejections(&self, _limit: usize) -> Result<Vec<OutcomeRecord>, StoreError> {
        Err(not_in_the_spike("outcomes of commands"))
    }
}

fn status(row: &PgRow) -> Result<ConsumerStatus, StoreError> {
    let kind = text(row, "kind")?;
    Ok(ConsumerStatus {
        name: text(row, "name")?,
        kind: ConsumerKind::parse(&kind).ok_or_else(|| foreign_row("kind of consumer", &kind))?,
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
    let state = text(row, "state")?;
    Ok(ParkedRow {
        consumer: text(row, "consumer")?,
        message: recorded(row)?,
        state: ParkedState::parse(&state).ok_or_else(|| foreign_row("state", &state))?,
        key: column::<Option<String>>(row, "held_key")?.map(Key::from_stored),
        attempts: number(row, "attempts")?,
        due: column::<Option<i64>>(row, "due")?.map(time),
        error: column(row, "error")?,
    })
}
