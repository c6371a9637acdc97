//! The hard limit of the log.
//!
//! The log is full when it cannot be shortened below the limit. Measuring that reads consumers and parked messages, so
//! it is done seldom: each measure tells up to which position there is room in any case, and until the log has come there
//! an append costs one comparison. Cursors only move forward, so a measure may grow too strict, never too lax; where a
//! consumer is entered at an earlier place it is [forgotten](Fullness::forget).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use sqlx::SqliteConnection;
use tidings_core::store::StoreError;
use tidings_core::value::Value;

use crate::env::Env;
use crate::error::from_sqlx;
use crate::exec::Statements;
use crate::typed;

const ROOM: &str = include_str!("../queries/log_room.sql");

pub(crate) struct Fullness {
    /// As the last maintenance was told; before it there is none.
    limit: AtomicU64,
    /// The newest position appended, committed or not.
    newest: AtomicI64,
    /// Up to here there is room.
    room_through: AtomicI64,
}

impl Default for Fullness {
    fn default() -> Self {
        Self {
            limit: AtomicU64::new(u64::MAX),
            newest: AtomicI64::new(0),
            room_through: AtomicI64::new(i64::MIN),
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
    }

    /// Takes note of an append. A position that is rolled back makes the next measure come early.
    pub(crate) fn appended(&self, newest: i64) {
        self.newest.store(newest, Relaxed);
    }

    fn has_room(&self) -> bool {
        self.limit.load(Relaxed) == u64::MAX || self.newest.load(Relaxed) < self.room_through.load(Relaxed)
    }

    fn judge(&self, row: Option<&[Value]>) -> Result<(), StoreError> {
        let Some(room) = row.and_then(Room::read) else { return Ok(()) };
        let limit = self.limit.load(Relaxed);
        let left = i64::try_from(limit).unwrap_or(i64::MAX).saturating_sub(room.held());
        self.newest.store(room.newest, Relaxed);
        self.room_through.store(room.newest.saturating_add(left), Relaxed);
        if left > 0 {
            return Ok(());
        }
        let messages = room.messages.unsigned_abs();
        Err(StoreError::LogFull { messages, limit, holder: room.holder() })
    }
}

/// Refuses an append while the log is full.
pub(crate) async fn check<E: Statements>(exec: &mut E) -> Result<(), StoreError> {
    if exec.env().fullness.has_room() {
        return Ok(());
    }
    let rows = exec.query(ROOM, &[]).await?;
    exec.env().fullness.judge(rows.first().map(Vec::as_slice))
}

/// As [`check`], on a connection that is nobody's work.
pub(crate) async fn check_on(env: &Env, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if env.fullness.has_room() {
        return Ok(());
    }
    let rows = sqlx::query(ROOM).fetch_all(connection).await;
    let rows = rows.and_then(|rows| rows.iter().map(typed::read_row).collect::<Result<Vec<_>, _>>());
    let rows = rows.map_err(|source| from_sqlx(&env.database, "measuring the log", source))?;
    env.fullness.judge(rows.first().map(Vec::as_slice))
}

/// What keeps the log from being shorter.
struct Room {
    newest: i64,
    messages: i64,
    slowest: Option<(String, i64)>,
    parked: i64,
    parked_most: Option<(String, i64)>,
}

impl Room {
    fn read(row: &[Value]) -> Option<Self> {
        let [Value::Int(newest), Value::Int(messages), name, cursor, Value::Int(parked), consumer, count] =
            row
        else {
            return None;
        };
        let pair = |name: &Value, number: &Value| match (name, number) {
            (Value::Text(name), Value::Int(number)) => Some((name.clone(), *number)),
            _ => None,
        };
        Some(Self {
            newest: *newest,
            messages: *messages,
            slowest: pair(name, cursor),
            parked: *parked,
            parked_most: pair(consumer, count),
        })
    }

    /// How many messages no maintenance can delete now.
    fn held(&self) -> i64 {
        // Behind a consumer that was entered at the beginning there may be gaps, where older messages were deleted.
        (self.lag() + self.parked).min(self.messages)
    }

    fn lag(&self) -> i64 {
        self.slowest.as_ref().map_or(0, |(_, cursor)| (self.newest - cursor).max(0))
    }

    fn holder(&self) -> String {
        match (&self.slowest, &self.parked_most) {
            (_, Some((name, count))) if self.parked > self.lag() => parked_holder(name, *count),
            (Some((name, cursor)), _) => lagging_holder(name, *cursor, self.newest),
            _ => "nobody in particular".to_owned(),
        }
    }
}

pub(crate) fn lagging_holder(name: &str, cursor: i64, newest: i64) -> String {
    format!("consumer `{name}`, which stands at {cursor} of {newest},")
}

pub(crate) fn parked_holder(name: &str, count: i64) -> String {
    format!("consumer `{name}` with {count} parked or dead messages")
}
