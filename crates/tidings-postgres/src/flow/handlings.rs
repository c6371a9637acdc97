//! What became of the messages of a flow at each consumer that reads them.

use std::collections::HashMap;

use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use tidings_core::envelope::Position;
use tidings_core::flow::{HandlingFact, HandlingState};
use tidings_core::ids::MessageId;
use tidings_core::store::{ParkedState, StoreError};

use super::messages::Words;
use crate::error::meaning;
use crate::rows::{column, number, parsed, time};

type Handlings = HashMap<Position, Vec<HandlingFact>>;

/// By message, in the order of the consumers' names.
pub(super) async fn of_flow(connection: &mut PgConnection, flow: MessageId) -> Result<Handlings, StoreError> {
    let mut words = Words::default();
    let mut found = Handlings::new();
    for (sql, state) in [
        // What is parked says so itself, and comes before what the cursor says.
        (
            include_str!("../../queries/flow_parked.sql"),
            parked as fn(&PgRow) -> Result<HandlingState, StoreError>,
        ),
        (include_str!("../../queries/flow_handlings.sql"), read),
        (include_str!("../../queries/flow_retired.sql"), given_up),
    ] {
        let rows = sqlx::query(sql)
            .bind(flow.0)
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| meaning("reading the handlings of a flow", error))?;
        for row in &rows {
            let handlings = found.entry(Position(column(row, "position")?)).or_default();
            let consumer = words.column(row, "consumer")?;
            if !handlings.iter().any(|handling| handling.consumer == consumer) {
                handlings.push(HandlingFact { consumer, state: state(row)? });
            }
        }
    }
    for handlings in found.values_mut() {
        handlings.sort_by(|a, b| a.consumer.cmp(&b.consumer));
    }
    Ok(found)
}

fn parked(row: &PgRow) -> Result<HandlingState, StoreError> {
    let (attempts, error, at) = (number(row, "attempts")?, column(row, "error")?, time(column(row, "at")?));
    Ok(match parsed(row, "state", ParkedState::parse)? {
        ParkedState::Retrying => {
            let due = column::<Option<i64>>(row, "due")?.map(time);
            HandlingState::Retrying { attempts, due, error, parked_at: at }
        }
        ParkedState::Behind => HandlingState::Behind { parked_at: at },
        ParkedState::Dead => HandlingState::Dead { attempts, error, parked_at: at },
        ParkedState::Discarded => {
            let reason = column::<Option<String>>(row, "reason")?.unwrap_or_default();
            HandlingState::Discarded { attempts, error, reason, at }
        }
    })
}

fn read(row: &PgRow) -> Result<HandlingState, StoreError> {
    if !column::<bool>(row, "passed")? {
        return Ok(HandlingState::Unread);
    }
    let Some(at) = column::<Option<i64>>(row, "at")? else { return Ok(HandlingState::Passed) };
    let attempts = match column::<Option<i64>>(row, "attempts")? {
        Some(_) => Some(number(row, "attempts")?),
        None => None,
    };
    Ok(HandlingState::Handled { at: time(at), attempts })
}

fn given_up(row: &PgRow) -> Result<HandlingState, StoreError> {
    let reason = column::<Option<String>>(row, "reason")?.unwrap_or_default();
    Ok(HandlingState::GivenUp { reason, at: time(column(row, "at")?) })
}
