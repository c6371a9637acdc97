//! The read API.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tidings_core::envelope::{Position, Recorded};
use tidings_core::flow::FlowFacts;
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    AttemptRow, CommandCount, ConsumerKind, ConsumerStatus, EventCount, FlowSize, IdempotencyScope, Inspect,
    JobFilter, JobRow, OutcomeRecord, OutcomeStatus, ParkedRow, ParkedState, QueueStatus, Receipt,
    StoreError,
};

use crate::inspector::SqliteInspector;
use crate::rows::{
    LOG_COLUMNS, message_id, message_id_or_null, parsed, recorded, time, time_or_null, unreadable,
};
use crate::store::SqliteStore;
use crate::{flow, jobs};

/// How many of the newest messages are searched for flows, for each flow wanted.
const MESSAGES_PER_FLOW: i64 = 200;

/// Whoever can ask a connection gives the same answers. The trait is another crate's, so this cannot be said of all types
/// that can.
macro_rules! inspect {
    ($who:ty) => {
        #[async_trait]
        impl Inspect for $who {
            async fn jobs(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRow>, StoreError> {
                let filter = filter.clone();
                self.look("reading jobs", move |connection| jobs::jobs(connection, &filter, rows_max(limit)))
                    .await
            }

            async fn job(&self, id: MessageId) -> Result<Option<JobRow>, StoreError> {
                self.ask("reading a job", move |connection| jobs::job(connection, id)).await
            }

            async fn attempts(&self, id: MessageId) -> Result<Vec<AttemptRow>, StoreError> {
                self.look("reading a job's attempts", move |connection| jobs::attempts(connection, id)).await
            }

            async fn flow_jobs(&self, correlation_id: MessageId) -> Result<Vec<JobRow>, StoreError> {
                self.look("reading a flow's jobs", move |connection| {
                    jobs::flow_jobs(connection, correlation_id)
                })
                .await
            }

            async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
                self.look("reading the queues", jobs::queues).await
            }

            async fn is_queue(&self, name: &str) -> Result<bool, StoreError> {
                let name = name.to_owned();
                self.ask("looking for a queue", move |connection| jobs::is_queue(connection, &name)).await
            }

            async fn consumers(&self) -> Result<Vec<ConsumerStatus>, StoreError> {
                self.look("reading the consumers", consumers).await
            }

            async fn parked(
                &self,
                consumer: Option<&str>,
                state: Option<ParkedState>,
                limit: usize,
            ) -> Result<Vec<ParkedRow>, StoreError> {
                let consumer = consumer.map(str::to_owned);
                self.look("reading parked messages", move |connection| {
                    parked_rows(connection, consumer.as_deref(), state, rows_max(limit))
                })
                .await
            }

            async fn message(&self, id: MessageId) -> Result<Option<Recorded>, StoreError> {
                self.ask("reading a message", move |connection| {
                    connection
                        .prepare_cached(include_str!("../queries/inspect_message.sql"))?
                        .query_row([id.0.as_bytes()], recorded)
                        .optional()
                })
                .await
            }

            async fn flow(&self, correlation_id: MessageId) -> Result<Vec<Recorded>, StoreError> {
                self.look("reading a flow", move |connection| {
                    all(
                        connection,
                        include_str!("../queries/inspect_flow.sql"),
                        [correlation_id.0.as_bytes()],
                        recorded,
                    )
                })
                .await
            }

            async fn correlation_of(&self, id: MessageId) -> Result<Option<MessageId>, StoreError> {
                self.ask("looking for a flow", move |connection| flow::correlation_of(connection, id)).await
            }

            async fn flows_of_trace(&self, trace_id: u128) -> Result<Vec<MessageId>, StoreError> {
                self.look("looking for a trace", move |connection| flow::of_trace(connection, trace_id)).await
            }

            async fn flow_facts(&self, correlation_id: MessageId) -> Result<FlowFacts, StoreError> {
                self.look("reading a flow", move |connection| flow::facts(connection, correlation_id)).await
            }

            async fn flow_sizes(&self, limit: usize) -> Result<Vec<FlowSize>, StoreError> {
                self.look("measuring flows", move |connection| {
                    let sql = include_str!("../queries/inspect_flow_sizes.sql");
                    let limit = rows_max(limit);
                    all(connection, sql, params![limit, limit.saturating_mul(MESSAGES_PER_FLOW)], |row| {
                        Ok(FlowSize {
                            correlation_id: message_id(row, 0)?,
                            messages: row.get::<_, u32>(1)?.into(),
                        })
                    })
                })
                .await
            }

            async fn counts(&self) -> Result<Vec<EventCount>, StoreError> {
                self.look("counting messages", move |connection| {
                    let sql = include_str!("../queries/inspect_counts.sql");
                    all(connection, sql, [], |row| {
                        Ok(EventCount { name: row.get(0)?, count: count(row, 1)? })
                    })
                })
                .await
            }

            async fn receipt(
                &self,
                consumer: &str,
                position: Position,
            ) -> Result<Option<Receipt>, StoreError> {
                let consumer = consumer.to_owned();
                self.look("reading a receipt", move |connection| {
                    let sql = include_str!("../queries/inspect_receipt.sql");
                    connection
                        .prepare_cached(sql)?
                        .query_row(params![consumer, position.0], receipt)
                        .optional()
                })
                .await
            }

            async fn command_counts(&self) -> Result<Vec<CommandCount>, StoreError> {
                self.look("counting outcomes", move |connection| {
                    let sql = include_str!("../queries/inspect_command_counts.sql");
                    all(connection, sql, [], |row| {
                        Ok(CommandCount {
                            command: row.get(0)?,
                            completed: count(row, 1)?,
                            rejected: count(row, 2)?,
                        })
                    })
                })
                .await
            }

            async fn outcome(
                &self,
                scope: &IdempotencyScope,
                now: Timestamp,
            ) -> Result<Option<OutcomeRecord>, StoreError> {
                let scope = scope.clone();
                self.ask("reading an outcome", move |connection| {
                    let sql = include_str!("../queries/outcome_by_key.sql");
                    let params = params![scope.caller, scope.command, scope.key, now.as_microsecond()];
                    connection.prepare_cached(sql)?.query_row(params, outcome).optional()
                })
                .await
            }

            async fn outcome_of(&self, id: MessageId) -> Result<Option<OutcomeRecord>, StoreError> {
                self.ask("reading an outcome", move |connection| {
                    let sql = include_str!("../queries/outcome_by_id.sql");
                    connection.prepare_cached(sql)?.query_row([id.0.as_bytes()], outcome).optional()
                })
                .await
            }

            async fn unhandled_rejections(&self, limit: usize) -> Result<Vec<OutcomeRecord>, StoreError> {
                self.look("reading rejections", move |connection| {
                    let sql = include_str!("../queries/outcomes_unhandled.sql");
                    all(connection, sql, [rows_max(limit)], outcome)
                })
                .await
            }
        }
    };
}

inspect!(SqliteStore);
inspect!(SqliteInspector);

fn rows_max(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let count: i64 = row.get(column)?;
    u64::try_from(count).map_err(|error| unreadable(column, Type::Integer, error.into()))
}

pub(crate) fn consumers(connection: &Connection) -> rusqlite::Result<Vec<ConsumerStatus>> {
    let sql = include_str!("../queries/inspect_consumers.sql");
    let mut found = Vec::new();
    for kind in [ConsumerKind::Listener, ConsumerKind::CommandHandler, ConsumerKind::ReplyHandler] {
        let params: [&dyn ToSql; 2] = [&kind.reads().as_str(), &kind.as_str()];
        found.extend(all(connection, sql, params, |row| consumer(row, kind))?);
    }
    found.sort_by(|a: &ConsumerStatus, b| a.name.cmp(&b.name));
    Ok(found)
}

fn consumer(row: &Row<'_>, kind: ConsumerKind) -> rusqlite::Result<ConsumerStatus> {
    let reads: String = row.get(2)?;
    let reads: Vec<Arc<str>> = serde_json::from_str::<Vec<String>>(&reads)
        .map_err(|error| unreadable(2, Type::Text, error.into()))?
        .into_iter()
        .map(Into::into)
        .collect();
    Ok(ConsumerStatus {
        name: row.get(0)?,
        kind,
        reads,
        lag: count(row, 5)?,
        handled: count(row, 6)?,
        retrying: count(row, 7)?,
        behind: count(row, 8)?,
        dead: count(row, 9)?,
        // Leases are kept in memory, which who looks at the file cannot see.
        holders: vec![None],
        last_seen: time(row, 3)?,
        retired: row.get(4)?,
    })
}

pub(crate) fn parked_rows(
    connection: &Connection,
    consumer: Option<&str>,
    state: Option<ParkedState>,
    limit: i64,
) -> rusqlite::Result<Vec<ParkedRow>> {
    let params = params![consumer, state.map(ParkedState::as_str), limit];
    all(connection, include_str!("../queries/inspect_parked.sql"), params, parked_row)
}

fn parked_row(row: &Row<'_>) -> rusqlite::Result<ParkedRow> {
    Ok(ParkedRow {
        message: recorded(row)?,
        consumer: row.get(LOG_COLUMNS)?,
        state: parsed(row, LOG_COLUMNS + 1, ParkedState::parse)?,
        key: row.get::<_, Option<String>>(LOG_COLUMNS + 2)?.map(Key::from_stored),
        attempts: row.get(LOG_COLUMNS + 3)?,
        due: time_or_null(row, LOG_COLUMNS + 4)?,
        error: row.get(LOG_COLUMNS + 5)?,
    })
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<Receipt> {
    Ok(Receipt {
        first: Position(row.get(0)?),
        last: Position(row.get(1)?),
        count: row.get(2)?,
        at: time(row, 3)?,
    })
}

fn outcome(row: &Row<'_>) -> rusqlite::Result<OutcomeRecord> {
    let command: Arc<str> = row.get(1)?;
    let idempotency = match row.get::<_, Option<String>>(4)? {
        Some(key) => {
            let scope = IdempotencyScope { caller: row.get(3)?, command: command.clone(), key };
            Some((scope, row.get::<_, [u8; 32]>(5)?))
        }
        None => None,
    };
    Ok(OutcomeRecord {
        id: message_id(row, 0)?,
        command,
        correlation_id: message_id(row, 2)?,
        idempotency,
        status: parsed(row, 6, OutcomeStatus::parse)?,
        body: row.get(7)?,
        at: time(row, 8)?,
        expires: time(row, 9)?,
        unhandled: row.get(10)?,
        causation_id: message_id_or_null(row, 11)?,
    })
}
