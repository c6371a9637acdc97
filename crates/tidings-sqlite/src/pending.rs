//! What is under way, and what waits for its time: for those who have to know when there is nothing left to do.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tidings_core::envelope::Recorded;
use tidings_core::store::{
    ConsumerStatus, CronTick, ParkedRow, ParkedState, QueueStatus, RateLimit, StoreError,
};

use crate::inspect::{consumers, parked_rows};
use crate::rows::{LOG_COLUMNS, recorded, time};
use crate::statements::jobs::rate_allows_at;
use crate::store::SqliteStore;

/// Everything that is not done, as one snapshot shows it; see [`SqliteStore::pending`].
#[derive(Clone, Debug)]
pub struct Pending {
    /// Consumers with messages that they have not read.
    pub unread: Vec<Unread>,
    /// Parked messages that wait for another attempt, oldest first.
    pub retrying: Vec<ParkedRow>,
    /// All queues, with the numbers of their jobs.
    pub queues: Vec<QueueStatus>,
    /// When a queue with a limited rate may start another job, for those that may not now.
    pub held_until: Vec<(Arc<str>, Timestamp)>,
    /// Recurring jobs, with their next times.
    pub crons: Vec<CronTick>,
}

/// What a consumer has not read.
#[derive(Clone, Debug)]
pub struct Unread {
    /// The consumer.
    pub consumer: ConsumerStatus,
    /// The first message.
    pub first: Recorded,
    /// How many parked messages hold the first one's key.
    pub held_by: u64,
}

impl SqliteStore {
    /// Everything that is not done, in one snapshot: asked one after the other, what passes from a consumer to a job could be
    /// missed in both. `rates` are the limits of the queues that have one.
    ///
    /// # Errors
    /// The database's.
    pub async fn pending(
        &self,
        rates: &[(Arc<str>, RateLimit)],
        now: Timestamp,
    ) -> Result<Pending, StoreError> {
        let rates = rates.to_vec();
        self.ask("looking for what is pending", move |connection| pending(connection, &rates, now)).await
    }
}

fn pending(
    connection: &Connection,
    rates: &[(Arc<str>, RateLimit)],
    now: Timestamp,
) -> rusqlite::Result<Pending> {
    let behind = consumers(connection)?.into_iter().filter(|consumer| consumer.lag > 0);
    let unread = behind.filter_map(|consumer| first_unread(connection, consumer).transpose());
    let mut held_until = Vec::new();
    for (queue, limit) in rates {
        let sql = include_str!("../queries/pending_next_free.sql");
        let next_free = connection.prepare_cached(sql)?.query_row([queue], |row| row.get(0)).optional()?;
        let at = rate_allows_at(*limit, next_free.flatten(), now);
        held_until.extend((at > now).then(|| (queue.clone(), at)));
    }
    let mut crons = connection.prepare_cached(include_str!("../queries/crons_get.sql"))?;
    let crons = crons.query_map([], |row| Ok(CronTick { name: row.get(0)?, due: time(row, 1)? }))?;
    Ok(Pending {
        unread: unread.collect::<rusqlite::Result<_>>()?,
        retrying: parked_rows(connection, None, Some(ParkedState::Retrying), i64::MAX)?,
        queues: crate::jobs::queues(connection)?,
        held_until,
        crons: crons.collect::<rusqlite::Result<_>>()?,
    })
}

fn first_unread(connection: &Connection, consumer: ConsumerStatus) -> rusqlite::Result<Option<Unread>> {
    let sql = include_str!("../queries/pending_unread.sql");
    let params = params![consumer.name, consumer.kind.reads().as_str()];
    let read = |row: &rusqlite::Row<'_>| Ok((recorded(row)?, row.get::<_, u32>(LOG_COLUMNS)?));
    let found = connection.prepare_cached(sql)?.query_row(params, read).optional()?;
    Ok(found.map(|(first, held_by)| Unread { consumer, first, held_by: held_by.into() }))
}
