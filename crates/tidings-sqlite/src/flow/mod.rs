//! What is on record about a flow, asked of a connection. Payloads are not read.

mod handlings;
mod jobs;
mod messages;

use rusqlite::{Connection, OptionalExtension};
use tidings_core::flow::FlowFacts;
use tidings_core::ids::MessageId;

use crate::rows::message_id;

/// Everything on record about one flow. The connection must be in a transaction, so that all of it is of one snapshot.
pub(crate) fn facts(connection: &Connection, flow: MessageId) -> rusqlite::Result<FlowFacts> {
    Ok(FlowFacts {
        correlation_id: flow,
        messages: messages::messages(connection, flow)?,
        commands: messages::commands(connection, flow)?,
        jobs: jobs::jobs(connection, flow)?,
    })
}

/// The flow that an id belongs to.
pub(crate) fn correlation_of(connection: &Connection, id: MessageId) -> rusqlite::Result<Option<MessageId>> {
    let sql = include_str!("../../queries/flow_correlation.sql");
    connection.prepare_cached(sql)?.query_row([id.0.as_bytes()], |row| message_id(row, 0)).optional()
}

/// The flows of a trace, oldest first.
pub(crate) fn of_trace(connection: &Connection, trace_id: u128) -> rusqlite::Result<Vec<MessageId>> {
    let mut statement = connection.prepare_cached(include_str!("../../queries/flow_of_trace.sql"))?;
    statement.query_map([format!("{trace_id:032x}")], |row| message_id(row, 0))?.collect()
}
