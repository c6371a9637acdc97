//! Messages out of a consumer's way, and what becomes of them.

use jiff::Timestamp;
use tidings_core::envelope::Position;
use tidings_core::store::{Lease, Parked, ParkedState, Receipt, Settled, StoreError};
use tidings_core::value::Value;

use super::consumers::write_receipt;
use super::{check_fence, fenced_unless, lease_params};
use crate::exec::{Param, Statements};

pub(crate) async fn park<E: Statements>(
    exec: &mut E,
    lease: &Lease,
    parked: &[Parked],
) -> Result<(), StoreError> {
    check_fence(exec, lease).await?;
    for message in parked {
        let key = if message.releases_key && message.state == ParkedState::Dead {
            None
        } else {
            message.key.as_ref()
        };
        let due = message.due.filter(|_| message.state == ParkedState::Retrying);
        let params = [
            Param::Text(&lease.consumer),
            Param::Int(message.position.0),
            Param::text(key.map(|key| key.as_str())),
            Param::Text(message.state.as_str()),
            Param::Int(message.attempts.into()),
            Param::int(due.map(Timestamp::as_microsecond)),
            Param::Text(&message.error),
            Param::Int(message.at.as_microsecond()),
        ];
        exec.execute(include_str!("../../queries/park.sql"), &params).await?;
    }
    Ok(())
}

/// A parked row as far as settling needs it.
struct Row {
    key: Option<String>,
    /// When it was due, or else when it was parked: the latest time known here.
    time: i64,
    dead: bool,
}

pub(crate) async fn settle<E: Statements>(
    exec: &mut E,
    lease: &Lease,
    position: Position,
    how: &Settled,
) -> Result<(), StoreError> {
    let sql = include_str!("../../queries/begun_clear.sql");
    fenced_unless(exec.execute(sql, &lease_params(lease)).await?, lease)?;
    let row = find(exec, lease, position).await?;
    let place = [Param::Text(&lease.consumer), Param::Int(position.0)];
    match how {
        Settled::Handled { at, attempts } => {
            exec.execute(include_str!("../../queries/parked_delete.sql"), &place).await?;
            let receipt = Receipt { first: position, last: position, count: 1, at: *at };
            write_receipt(exec, lease, &receipt, Some(*attempts)).await?;
            promote(exec, lease, &row, at.as_microsecond()).await
        }
        Settled::Retry { due, attempts, error } => {
            let due = Some(due.as_microsecond());
            update(exec, place, "retrying", row.key.as_deref(), *attempts, due, error).await
        }
        Settled::Dead { attempts, error, releases_key: false } => {
            update(exec, place, "dead", row.key.as_deref(), *attempts, None, error).await
        }
        Settled::Dead { attempts, error, releases_key: true } => {
            update(exec, place, "dead", None, *attempts, None, error).await?;
            promote(exec, lease, &row, row.time).await
        }
        Settled::Revive { due } => {
            let params = [place[0], place[1], Param::Int(due.as_microsecond())];
            let changed = exec.execute(include_str!("../../queries/parked_revive.sql"), &params).await?;
            if changed == 1 { Ok(()) } else { Err(not_found(lease, position, "waits behind its key")) }
        }
        // The person who asked is told, and the consumer goes on: it is no trouble of the store's.
        Settled::Discarded { reason, .. } if reason.trim().is_empty() => {
            let what = format!(
                "a reason to discard message {} of `{}` (none was given, and one must be)",
                position.0, lease.consumer
            );
            Err(StoreError::NotFound { what })
        }
        Settled::Discarded { .. } if !row.dead => Err(not_found(lease, position, "is no dead letter")),
        Settled::Discarded { at, reason } => {
            let params = [place[0], place[1], Param::Int(at.as_microsecond()), Param::Text(reason)];
            exec.execute(include_str!("../../queries/parked_discard.sql"), &params).await?;
            promote(exec, lease, &row, at.as_microsecond()).await
        }
    }
}

async fn find<E: Statements>(exec: &mut E, lease: &Lease, position: Position) -> Result<Row, StoreError> {
    let params = [Param::Text(&lease.consumer), Param::Int(position.0)];
    let rows = exec.query(include_str!("../../queries/parked_get.sql"), &params).await?;
    match rows.into_iter().next().as_deref() {
        Some([key, due, Value::Int(at), Value::Text(state)]) => {
            let key = if let Value::Text(key) = key { Some(key.clone()) } else { None };
            let time = if let Value::Int(due) = due { *due } else { *at };
            Ok(Row { key, time, dead: state == ParkedState::Dead.as_str() })
        }
        _ => Err(not_found(lease, position, "is not parked")),
    }
}

/// Makes the next message of the key its head, if the settled one was the head and no longer holds the key.
async fn promote<E: Statements>(
    exec: &mut E,
    lease: &Lease,
    settled: &Row,
    due: i64,
) -> Result<(), StoreError> {
    let Some(key) = &settled.key else { return Ok(()) };
    let params = [Param::Text(&lease.consumer), Param::Text(key), Param::Int(due)];
    exec.execute(include_str!("../../queries/parked_promote.sql"), &params).await.map(drop)
}

async fn update<E: Statements>(
    exec: &mut E,
    [consumer, position]: [Param<'_>; 2],
    state: &str,
    key: Option<&str>,
    attempts: u32,
    due: Option<i64>,
    error: &str,
) -> Result<(), StoreError> {
    let params = [
        consumer,
        position,
        Param::Text(state),
        Param::text(key),
        Param::Int(attempts.into()),
        Param::int(due),
        Param::Text(error),
    ];
    exec.execute(include_str!("../../queries/parked_update.sql"), &params).await.map(drop)
}

fn not_found(lease: &Lease, position: Position, why: &str) -> StoreError {
    let what = format!("message {} of `{}` as one to be settled (it {why})", position.0, lease.consumer);
    StoreError::NotFound { what }
}
