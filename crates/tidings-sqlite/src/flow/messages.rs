//! The messages of a flow, and what became of its commands.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use tidings_core::envelope::{MessageKind, Position};
use tidings_core::flow::{CommandFact, CommandResult, MessageFact};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::OutcomeStatus;
use tidings_core::trace::TraceParent;

use super::handlings::Handlings;
use crate::rows::{message_id, message_id_or_null, parsed, time, unreadable};

pub(super) fn messages(connection: &Connection, flow: MessageId) -> rusqlite::Result<Vec<MessageFact>> {
    let mut handlings = Handlings::of(connection, flow)?;
    let mut words = Words::default();
    let mut statement = connection.prepare_cached(include_str!("../../queries/flow_messages.sql"))?;
    let mut rows = statement.query([flow.0.as_bytes()])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let message = message(row, &mut words)?;
        let handlings = handlings.of_message(Position(row.get(0)?), &message)?;
        messages.push(MessageFact { handlings, ..message });
    }
    Ok(messages)
}

/// A message of which it is not told yet what became of it.
fn message(row: &Row<'_>, words: &mut Words) -> rusqlite::Result<MessageFact> {
    Ok(MessageFact {
        id: message_id(row, 1)?,
        kind: parsed(row, 2, MessageKind::parse)?,
        name: words.keep(row.get_ref(3)?.as_str()?),
        version: row.get(4)?,
        source: words.keep(row.get_ref(5)?.as_str()?),
        key: row.get::<_, Option<String>>(6)?.map(Key::from_stored),
        time: time(row, 7)?,
        causation_id: message_id_or_null(row, 8)?,
        trace_id: trace_id(row, 9)?,
        reply_to: row.get_ref(10)?.as_str_or_null()?.map(|name| words.keep(name)),
        handlings: Vec::new(),
    })
}

/// The trace in a column of `traceparent`s.
pub(super) fn trace_id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u128>> {
    let parent = row.get_ref(column)?.as_str_or_null()?.and_then(TraceParent::parse);
    Ok(parent.map(|parent| parent.trace_id))
}

pub(super) fn commands(connection: &Connection, flow: MessageId) -> rusqlite::Result<Vec<CommandFact>> {
    let mut statement = connection.prepare_cached(include_str!("../../queries/flow_outcomes.sql"))?;
    statement.query_map([flow.0.as_bytes()], command)?.collect()
}

fn command(row: &Row<'_>) -> rusqlite::Result<CommandFact> {
    let result = match parsed(row, 3, OutcomeStatus::parse)? {
        OutcomeStatus::Completed => CommandResult::Completed,
        OutcomeStatus::Rejected => {
            let rejection = serde_json::from_str(row.get_ref(4)?.as_str()?);
            CommandResult::Rejected(rejection.map_err(|error| unreadable(4, Type::Text, error.into()))?)
        }
    };
    Ok(CommandFact {
        id: message_id(row, 0)?,
        name: row.get(1)?,
        causation_id: message_id_or_null(row, 2)?,
        result,
        at: time(row, 5)?,
        unhandled: row.get(6)?,
    })
}

/// Names that many rows share.
#[derive(Default)]
pub(super) struct Words(HashSet<Arc<str>>);

impl Words {
    pub(super) fn keep(&mut self, word: &str) -> Arc<str> {
        if let Some(kept) = self.0.get(word) {
            return kept.clone();
        }
        let kept: Arc<str> = word.into();
        self.0.insert(kept.clone());
        kept
    }
}
