//! What people do with jobs.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::ids::MessageId;
use tidings_core::store::{Cancelled, JobState, StoreError};

use super::change_one;
use crate::rows::{message_id, parsed};
use crate::store::SqliteStore;

pub(super) async fn cancel(
    store: &SqliteStore,
    id: MessageId,
    reason: &str,
    now: Timestamp,
) -> Result<Cancelled, StoreError> {
    let reason = reason.to_owned();
    let run = move |connection: &Connection| {
        let Some((place, state)) = find(connection, id)? else { return Ok(None) };
        match state {
            JobState::Running => {
                let sql = include_str!("../../queries/job_cancel_ask.sql");
                connection.execute(sql, params![place, reason])?;
                Ok(Some((Cancelled::Asked, None)))
            }
            JobState::Scheduled | JobState::Ready | JobState::Suspect | JobState::Behind => {
                let sql = include_str!("../../queries/job_cancel.sql");
                let queue = change_one(connection, sql, params![place, reason, now.as_microsecond()], now)?;
                Ok(Some((Cancelled::AtOnce, Some(queue))))
            }
            JobState::Completed | JobState::Dead | JobState::Cancelled | JobState::Discarded => Ok(None),
        }
    };
    let done = store.change("cancelling a job", run).await?;
    let (cancelled, queue) = done.ok_or_else(|| unknown(id, "that has not ended"))?;
    store.wake_queues(queue.as_deref());
    Ok(cancelled)
}

pub(super) async fn revive(store: &SqliteStore, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
    let run = move |connection: &Connection| match find(connection, id)? {
        Some((place, JobState::Dead | JobState::Scheduled | JobState::Cancelled)) => {
            if let Some(taken_by) = taken_by(connection, place, now)? {
                return Ok(Some(Err(StoreError::UniqueTaken { id, taken_by })));
            }
            let sql = include_str!("../../queries/job_revive.sql");
            change_one(connection, sql, params![place, now.as_microsecond()], now)
                .map(|queue| Some(Ok(queue)))
        }
        _ => Ok(None),
    };
    let queue = store.change("reviving a job", run).await?;
    let queue = queue.ok_or_else(|| unknown(id, "that is dead, scheduled or cancelled"))??;
    store.wake_queues([queue.as_str()]);
    Ok(())
}

pub(super) async fn discard(
    store: &SqliteStore,
    id: MessageId,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let reason = reason.to_owned();
    let run = move |connection: &Connection| match find(connection, id)? {
        Some((place, JobState::Dead)) => {
            let sql = include_str!("../../queries/job_discard.sql");
            change_one(connection, sql, params![place, reason, now.as_microsecond()], now).map(Some)
        }
        _ => Ok(None),
    };
    let queue = store.change("discarding a job", run).await?;
    let queue = queue.ok_or_else(|| unknown(id, "that is dead"))?;
    store.wake_queues([queue.as_str()]);
    Ok(())
}

/// Who has the unique key that a job let go of when it was cancelled.
fn taken_by(connection: &Connection, place: i64, now: Timestamp) -> rusqlite::Result<Option<MessageId>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let wish = connection.query_row(include_str!("../../queries/job_unique_wish.sql"), [place], read);
    let Some((name, key)) = wish.optional()? else { return Ok(None) };
    let sql = include_str!("../../queries/job_unique_free.sql");
    connection.execute(sql, params![name, key, now.as_microsecond()])?;
    let sql = include_str!("../../queries/job_unique_get.sql");
    connection.query_row(sql, params![name, key], |row| message_id(row, 0)).optional()
}

fn find(connection: &Connection, id: MessageId) -> rusqlite::Result<Option<(i64, JobState)>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, parsed(row, 1, JobState::parse)?));
    connection.query_row(include_str!("../../queries/job_find.sql"), [id.0.as_bytes()], read).optional()
}

fn unknown(id: MessageId, which: &str) -> StoreError {
    StoreError::NotFound { what: format!("a job {id} {which}") }
}
