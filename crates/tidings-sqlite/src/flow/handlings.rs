//! What became of the messages of a flow at each consumer that reads them.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use tidings_core::envelope::{MessageKind, Position};
use tidings_core::flow::{HandlingFact, HandlingState, MessageFact};
use tidings_core::ids::MessageId;
use tidings_core::store::{ConsumerKind, ParkedState};

use crate::rows::{parsed, time, time_or_null};

type What = (MessageKind, Arc<str>);

/// What all consumers say, looked up once; and what is parked of one flow.
pub(super) struct Handlings<'c> {
    readers: HashMap<What, Vec<Reader>>,
    retired: HashMap<What, Vec<Retired>>,
    parked: HashMap<Position, Vec<HandlingFact>>,
    receipt: CachedStatement<'c>,
}

/// Who has read, or will read, what lies between two positions.
struct Reader {
    consumer: Arc<str>,
    first: i64,
    last: Option<i64>,
    cursor: i64,
}

/// Who gave up what it had not read.
struct Retired {
    consumer: Arc<str>,
    read_to: i64,
    given_up_to: i64,
    registered_at: Timestamp,
    at: Timestamp,
    reason: String,
}

impl<'c> Handlings<'c> {
    pub(super) fn of(connection: &'c Connection, flow: MessageId) -> rusqlite::Result<Self> {
        Ok(Self {
            readers: by_name(connection, include_str!("../../queries/flow_readers.sql"), reader)?,
            retired: by_name(connection, include_str!("../../queries/flow_retired.sql"), retired)?,
            parked: parked(connection, flow)?,
            receipt: connection.prepare_cached(include_str!("../../queries/flow_receipt.sql"))?,
        })
    }

    pub(super) fn of_message(
        &mut self,
        position: Position,
        message: &MessageFact,
    ) -> rusqlite::Result<Vec<HandlingFact>> {
        let mut handlings = self.parked.remove(&position).unwrap_or_default();
        let what = (message.kind, message.name.clone());
        for reader in self.readers.get(&what).into_iter().flatten().filter(|reader| reader.reads(position)) {
            if !handlings.iter().any(|handling| handling.consumer == reader.consumer) {
                let state = match position.0 <= reader.cursor {
                    true => handled(&mut self.receipt, reader, position)?,
                    false => HandlingState::Unread,
                };
                handlings.push(HandlingFact { consumer: reader.consumer.clone(), state });
            }
        }
        let retired = self.retired.get(&what).into_iter().flatten();
        handlings.extend(retired.filter(|retired| retired.gave_up(position, message.time)).map(|retired| {
            let state = HandlingState::GivenUp { reason: retired.reason.clone(), at: retired.at };
            HandlingFact { consumer: retired.consumer.clone(), state }
        }));
        handlings.sort_by(|a, b| a.consumer.cmp(&b.consumer));
        Ok(handlings)
    }
}

impl Reader {
    fn reads(&self, position: Position) -> bool {
        self.first <= position.0 && self.last.is_none_or(|last| position.0 <= last)
    }
}

impl Retired {
    /// What is older than its registration was nothing to give up, since its record does not say that it began before.
    fn gave_up(&self, position: Position, time: Timestamp) -> bool {
        self.read_to < position.0 && position.0 <= self.given_up_to && time >= self.registered_at
    }
}

fn handled(
    receipt: &mut CachedStatement<'_>,
    reader: &Reader,
    position: Position,
) -> rusqlite::Result<HandlingState> {
    let params = params![reader.consumer, position.0];
    let handled = |row: &Row<'_>| Ok(HandlingState::Handled { at: time(row, 0)?, attempts: row.get(1)? });
    Ok(receipt.query_row(params, handled).optional()?.unwrap_or(HandlingState::Passed))
}

/// Rows by the messages that they are about: their second column is the consumer's kind, the third a name.
fn by_name<T>(
    connection: &Connection,
    sql: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<HashMap<What, Vec<T>>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found: HashMap<What, Vec<T>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let what = (parsed(row, 1, ConsumerKind::parse)?.reads(), row.get(2)?);
        found.entry(what).or_default().push(read(row)?);
    }
    Ok(found)
}

fn reader(row: &Row<'_>) -> rusqlite::Result<Reader> {
    Ok(Reader { consumer: row.get(0)?, first: row.get(3)?, last: row.get(4)?, cursor: row.get(5)? })
}

fn retired(row: &Row<'_>) -> rusqlite::Result<Retired> {
    Ok(Retired {
        consumer: row.get(0)?,
        read_to: row.get(3)?,
        given_up_to: row.get(4)?,
        registered_at: time(row, 5)?,
        at: time(row, 6)?,
        reason: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
    })
}

fn parked(
    connection: &Connection,
    flow: MessageId,
) -> rusqlite::Result<HashMap<Position, Vec<HandlingFact>>> {
    let mut statement = connection.prepare_cached(include_str!("../../queries/flow_parked.sql"))?;
    let mut rows = statement.query([flow.0.as_bytes()])?;
    let mut parked: HashMap<Position, Vec<HandlingFact>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let fact = HandlingFact { consumer: row.get(1)?, state: parked_state(row)? };
        parked.entry(Position(row.get(0)?)).or_default().push(fact);
    }
    Ok(parked)
}

fn parked_state(row: &Row<'_>) -> rusqlite::Result<HandlingState> {
    let (attempts, error, at) = (row.get(3)?, row.get(5)?, time(row, 6)?);
    Ok(match parsed(row, 2, ParkedState::parse)? {
        ParkedState::Retrying => {
            HandlingState::Retrying { attempts, due: time_or_null(row, 4)?, error, parked_at: at }
        }
        ParkedState::Behind => HandlingState::Behind { parked_at: at },
        ParkedState::Dead => HandlingState::Dead { attempts, error, parked_at: at },
        ParkedState::Discarded => {
            let reason = row.get::<_, Option<String>>(7)?.unwrap_or_default();
            HandlingState::Discarded { attempts, error, reason, at }
        }
    })
}
