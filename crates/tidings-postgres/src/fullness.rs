//! The hard limit of the log.
//!
//! The log is full when it cannot be shortened below the limit. To measure that costs a question, so it is done seldom:
//! each measure tells up to which position there is room in any case, and until the log has come there an append costs
//! one comparison. Positions are the whole database's, so what other processes append uses up the same room; a process
//! learns how far they are with its own next append. Positions that are rolled back make the next measure come early.
//!
//! Nor does a measure count the log: it counts what has been appended since the measure before (`Counted`).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use tidings_core::store::StoreError;

use crate::error::meaning;
use crate::rows::column;

/// How long a full log is taken to be full without a look: those who publish all the same must not load the server.
const REFUSED_FOR: Duration = Duration::from_millis(200);

/// How many messages that maintenance could delete are looked for at once.
const DELETABLE_LOOKED_FOR: i64 = 10_000;

pub(crate) struct Fullness {
    /// As the last maintenance was told; before it there is none.
    limit: AtomicU64,
    /// The newest position appended, committed or not.
    newest: AtomicI64,
    /// Up to here there is room.
    room_through: AtomicI64,
    counted: Mutex<Option<Counted>>,
    refused: Mutex<Option<(Instant, Refused)>>,
}

/// How many messages were ever appended, as of a snapshot. `base` is the snapshot of the stored count that this one began
/// with: when maintenance has counted anew, so does this.
#[derive(Clone)]
struct Counted {
    base: String,
    snapshot: String,
    appended: i64,
}

#[derive(Clone)]
struct Refused {
    messages: u64,
    limit: u64,
    holder: String,
}

impl Default for Fullness {
    fn default() -> Self {
        Self {
            limit: AtomicU64::new(u64::MAX),
            newest: AtomicI64::new(0),
            room_through: AtomicI64::new(i64::MIN),
            counted: Mutex::default(),
            refused: Mutex::default(),
        }
    }
}

impl Fullness {
    pub(crate) fn limit_to(&self, messages_hard_max: u64) {
        self.limit.store(messages_hard_max, Relaxed);
        self.forget();
    }

    /// Lets the next append measure.
    pub(crate) fn forget(&self) {
        self.room_through.store(i64::MIN, Relaxed);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes note of an append.
    pub(crate) fn appended(&self, newest: Option<i64>) {
        if let Some(newest) = newest {
            self.newest.fetch_max(newest, Relaxed);
        }
    }

    /// Refuses an append while the log is full.
    pub(crate) async fn check(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let limit = self.limit.load(Relaxed);
        if limit == u64::MAX || self.newest.load(Relaxed) < self.room_through.load(Relaxed) {
            return Ok(());
        }
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, refused)) = refused.filter(|(since, _)| since.elapsed() < REFUSED_FOR) {
            return Err(refused.error());
        }
        self.measure(connection, limit).await
    }

    async fn measure(&self, connection: &mut PgConnection, limit: u64) -> Result<(), StoreError> {
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (counted, messages, newest) = count(connection, known).await?;
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        let beyond = messages.saturating_sub(i64::try_from(limit).unwrap_or(i64::MAX));
        let left = match beyond {
            ..0 => -beyond,
            // Over the limit there is as much room as maintenance could make.
            _ => deletable(connection, beyond.saturating_add(1).min(DELETABLE_LOOKED_FOR)).await? - beyond,
        };
        self.newest.store(newest, Relaxed);
        self.room_through.store(newest.saturating_add(left), Relaxed);
        if left > 0 {
            return Ok(());
        }
        let holder = holder(connection).await?.unwrap_or_else(|| "nobody in particular".to_owned());
        let refused = Refused { messages: messages.max(0).unsigned_abs(), limit, holder };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), refused.clone()));
        Err(refused.error())
    }
}

impl Refused {
    fn error(self) -> StoreError {
        StoreError::LogFull { messages: self.messages, limit: self.limit, holder: self.holder }
    }
}

/// How many messages there are, and the newest one's position.
async fn count(
    connection: &mut PgConnection,
    known: Option<Counted>,
) -> Result<(Counted, i64, i64), StoreError> {
    let row = sqlx::query(include_str!("../queries/log_count.sql"))
        .bind(known.as_ref().map(|known| known.base.as_str()))
        .bind(known.as_ref().map(|known| known.snapshot.as_str()))
        .bind(known.as_ref().map(|known| known.appended))
        .fetch_one(connection)
        .await
        .map_err(|error| meaning("measuring the log", error))?;
    let appended: i64 = column(&row, "appended")?;
    let counted = Counted { base: column(&row, "base")?, snapshot: column(&row, "snapshot")?, appended };
    Ok((counted, appended - column::<i64>(&row, "removed")?, column(&row, "newest")?))
}

/// How many messages there are.
pub(crate) async fn messages(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let (_, messages, _) = count(connection, None).await?;
    Ok(messages.max(0).unsigned_abs())
}

/// How many of the oldest messages, up to a number, maintenance could delete.
async fn deletable(connection: &mut PgConnection, looked_for: i64) -> Result<i64, StoreError> {
    let row = sqlx::query(include_str!("../queries/log_deletable.sql"))
        .bind(looked_for)
        .fetch_one(connection)
        .await
        .map_err(|error| meaning("measuring the log", error))?;
    column(&row, "deletable")
}

/// What keeps the log from being shorter: the slowest consumer, or where all have passed what could go, the one with the most
/// parked messages.
pub(crate) async fn holder(connection: &mut PgConnection) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(include_str!("../queries/log_holder.sql"))
        .fetch_one(connection)
        .await
        .map_err(|error| meaning("looking for what holds the log", error))?;
    named(&row)
}

fn named(row: &PgRow) -> Result<Option<String>, StoreError> {
    if let Some(consumer) = column::<Option<String>>(row, "slowest")? {
        let (stands, newest): (i64, i64) = (column(row, "oldest")?, column(row, "newest")?);
        return Ok(Some(format!("consumer `{consumer}`, which has not passed {stands} of {newest},")));
    }
    let Some(consumer) = column::<Option<String>>(row, "parker")? else { return Ok(None) };
    let count: i64 = column(row, "parked")?;
    Ok(Some(format!("consumer `{consumer}` with {count} parked or dead messages")))
}
