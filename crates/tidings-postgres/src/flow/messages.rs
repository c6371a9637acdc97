//! The messages of a flow, and what became of its commands.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tidings_core::envelope::{MessageKind, Position};
use tidings_core::flow::{CommandFact, CommandResult, MessageFact};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{OutcomeStatus, StoreError};
use tidings_core::trace::TraceParent;
use uuid::Uuid;

use super::handlings;
use crate::error::{foreign_row, meaning};
use crate::rows::{column, number, parsed, text, time};

pub(super) async fn messages(
    connection: &mut PgConnection,
    flow: MessageId,
) -> Result<Vec<MessageFact>, StoreError> {
    let mut handlings = handlings::of_flow(connection, flow).await?;
    let rows = sqlx::query(include_str!("../../queries/flow_messages.sql"))
        .bind(flow.0)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the messages of a flow", error))?;
    let mut words = Words::default();
    let read = |row: &PgRow| {
        let position = Position(column(row, "position")?);
        let handlings = handlings.remove(&position).unwrap_or_default();
        Ok(MessageFact { handlings, ..message(row, &mut words)? })
    };
    rows.iter().map(read).collect()
}

/// A message of which it is not told yet what became of it.
fn message(row: &PgRow, words: &mut Words) -> Result<MessageFact, StoreError> {
    Ok(MessageFact {
        id: MessageId(column(row, "id")?),
        kind: parsed(row, "kind", MessageKind::parse)?,
        name: words.column(row, "name")?,
        version: number(row, "version")?,
        source: words.column(row, "source")?,
        key: column::<Option<String>>(row, "key")?.map(Key::from_stored),
        time: time(column(row, "time")?),
        causation_id: column::<Option<Uuid>>(row, "causation_id")?.map(MessageId),
        trace_id: trace_id(row)?,
        reply_to: column::<Option<String>>(row, "reply_to")?.map(Into::into),
        handlings: Vec::new(),
    })
}

/// The trace of a row with a `traceparent`.
pub(super) fn trace_id(row: &PgRow) -> Result<Option<u128>, StoreError> {
    let parent = column::<Option<String>>(row, "traceparent")?;
    Ok(parent.as_deref().and_then(TraceParent::parse).map(|parent| parent.trace_id))
}

pub(super) async fn commands(
    connection: &mut PgConnection,
    flow: MessageId,
) -> Result<Vec<CommandFact>, StoreError> {
    let rows = sqlx::query(include_str!("../../queries/flow_outcomes.sql"))
        .bind(flow.0)
        .fetch_all(connection)
        .await
        .map_err(|error| meaning("reading the outcomes of a flow", error))?;
    rows.iter().map(command).collect()
}

fn command(row: &PgRow) -> Result<CommandFact, StoreError> {
    let result = match parsed(row, "status", OutcomeStatus::parse)? {
        OutcomeStatus::Completed => CommandResult::Completed,
        OutcomeStatus::Rejected => {
            let body: String = column(row, "body")?;
            let unreadable = |_| foreign_row("body of a rejection", "no JSON of one");
            CommandResult::Rejected(serde_json::from_str(&body).map_err(unreadable)?)
        }
    };
    Ok(CommandFact {
        id: MessageId(column(row, "id")?),
        name: text(row, "command")?,
        causation_id: column::<Option<Uuid>>(row, "causation_id")?.map(MessageId),
        result,
        at: time(column(row, "at")?),
        unhandled: column(row, "unhandled")?,
    })
}

/// Names that many rows share.
#[derive(Default)]
pub(super) struct Words(HashSet<Arc<str>>);

impl Words {
    pub(super) fn column(&mut self, row: &PgRow, name: &str) -> Result<Arc<str>, StoreError> {
        let word: &str =
            row.try_get(name).map_err(|error| meaning(format!("reading column `{name}`"), error))?;
        if let Some(kept) = self.0.get(word) {
            return Ok(kept.clone());
        }
        let kept: Arc<str> = word.into();
        self.0.insert(kept.clone());
        Ok(kept)
    }
}
