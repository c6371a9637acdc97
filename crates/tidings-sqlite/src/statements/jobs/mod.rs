//! Jobs inside a work's transaction.

mod claim;
mod end;
mod enqueue;
mod rate;

pub(crate) use claim::{claim, claim_suspect};
pub(crate) use end::end;
pub(crate) use enqueue::enqueue;

use jiff::Timestamp;
use tidings_core::store::{JobLease, RateLimit, StoreError};
use tidings_core::value::Value;

use crate::exec::{Param, Statements};

/// When a queue with a limited rate may start another job; not after `now` if it may now.
pub(crate) fn rate_allows_at(limit: RateLimit, next_free: Option<i64>, now: Timestamp) -> Timestamp {
    rate::Rate::new(limit, next_free, now).next_at()
}

/// Keeps what a job says of its progress.
pub(crate) async fn report_progress<E: Statements>(
    exec: &mut E,
    lease: &JobLease,
    progress: &str,
) -> Result<(), StoreError> {
    let [place, worker, attempt] = lease_params(lease);
    let params = [place, worker, attempt, Param::Text(progress)];
    let changed = exec.execute(include_str!("../../../queries/job_progress.sql"), &params).await?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Fenced { consumer: format!("job {}", lease.id) }) }
}

/// Moves a recurring job from one time to the next.
pub(crate) async fn move_cron<E: Statements>(
    exec: &mut E,
    name: &str,
    from: Timestamp,
    to: Timestamp,
) -> Result<bool, StoreError> {
    let params = [Param::Text(name), time(from), time(to)];
    Ok(exec.execute(include_str!("../../../queries/cron_move.sql"), &params).await? == 1)
}

fn lease_params(lease: &JobLease) -> [Param<'static>; 3] {
    [Param::Int(lease.place), Param::Int(lease.worker.0), Param::Int(lease.attempt.into())]
}

fn time(time: Timestamp) -> Param<'static> {
    Param::Int(time.as_microsecond())
}

/// The head of a key may have changed: whoever is it now may run.
async fn promote<E: Statements>(
    exec: &mut E,
    queue: &str,
    key: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let params = [Param::Text(queue), Param::Text(key), time(now)];
    exec.execute(include_str!("../../../queries/job_promote.sql"), &params).await?;
    exec.wake_queue(queue);
    Ok(())
}

/// A row of the store's own tables, column by column.
struct Columns<'s> {
    row: std::vec::IntoIter<Value>,
    /// Which table, for errors.
    of: &'s str,
}

impl<'s> Columns<'s> {
    fn new(row: Vec<Value>, of: &'s str) -> Self {
        Self { row: row.into_iter(), of }
    }

    fn next(&mut self) -> Result<Value, StoreError> {
        self.row.next().ok_or_else(|| self.unreadable())
    }

    fn int(&mut self) -> Result<i64, StoreError> {
        match self.next()? {
            Value::Int(int) => Ok(int),
            _ => Err(self.unreadable()),
        }
    }

    fn int_or_null(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Int(int) => Ok(Some(int)),
            _ => Err(self.unreadable()),
        }
    }

    fn count(&mut self) -> Result<u32, StoreError> {
        u32::try_from(self.int()?).map_err(|_| self.unreadable())
    }

    fn time(&mut self) -> Result<Timestamp, StoreError> {
        Timestamp::from_microsecond(self.int()?).map_err(|_| self.unreadable())
    }

    fn text(&mut self) -> Result<String, StoreError> {
        self.text_or_null()?.ok_or_else(|| self.unreadable())
    }

    fn text_or_null(&mut self) -> Result<Option<String>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(self.unreadable()),
        }
    }

    fn bytes_or_null(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(self.unreadable()),
        }
    }

    fn id_or_null(&mut self) -> Result<Option<tidings_core::ids::MessageId>, StoreError> {
        let Some(bytes) = self.bytes_or_null()? else { return Ok(None) };
        match uuid::Uuid::from_slice(&bytes) {
            Ok(id) => Ok(Some(tidings_core::ids::MessageId(id))),
            Err(_) => Err(self.unreadable()),
        }
    }

    fn id(&mut self) -> Result<tidings_core::ids::MessageId, StoreError> {
        self.id_or_null()?.ok_or_else(|| self.unreadable())
    }

    fn unreadable(&self) -> StoreError {
        StoreError::Corrupt { what: format!("a row of {}", self.of), source: None }
    }
}
