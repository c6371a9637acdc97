//! Appending through a transaction that the user began on a pool of their own.

use sqlx::{Connection, SqliteConnection};
use tidings_core::envelope::Envelope;
use tidings_core::store::{Enqueued, NewJob, StoreError};

use super::append::append;
use super::awaited;
use super::bare::Bare;
use crate::error::from_sqlx;
use crate::fullness;
use crate::statements::jobs::enqueue;
use crate::store::SqliteStore;
use crate::wake::note_message;

impl SqliteStore {
    /// Appends messages in a transaction that the caller began on a connection of their own to the same file, and will
    /// commit. The messages exist if and only if that commit happens. This store does not see it happen; it looks for
    /// the messages in growing steps, from 5 ms to 1 s, until they are there or a minute has passed.
    ///
    /// Begin such a transaction with `BEGIN IMMEDIATE` (in sqlx `pool.begin_with("BEGIN IMMEDIATE")`). A plain BEGIN that
    /// reads first and writes later fails at once, whatever the busy timeout, when anything was committed in between
    /// (`SQLITE_BUSY_SNAPSHOT`). [`begin`](Self::begin) lends a transaction that cannot meet this, and groups fairly
    /// with the runtime's own.
    ///
    /// # Errors
    /// [`StoreError::Sql`] if no transaction is open, [`StoreError::LogFull`], [`StoreError::Busy`], or what else the
    /// database says.
    pub async fn append_on(
        &self,
        connection: &mut SqliteConnection,
        messages: &[Envelope],
    ) -> Result<(), StoreError> {
        let env = &self.shared.env;
        refuse_without_transaction(connection, &env.database).await?;
        fullness::check_on(env, connection).await?;
        let done = append(connection, messages).await;
        let newest = done.map_err(|source| {
            let context = format!("appending {} messages to a transaction of the caller's", messages.len());
            from_sqlx(&env.database, context, source)
        })?;
        newest.into_iter().for_each(|newest| env.fullness.appended(newest));
        if let Some(last) = messages.last() {
            let mut topics = Vec::new();
            messages.iter().for_each(|message| note_message(&mut topics, message));
            awaited::watch_for(&self.shared, last.id, topics);
        }
        Ok(())
    }

    /// Enqueues jobs in a transaction that the caller began on a connection of their own; as [`append_on`](Self::append_on).
    ///
    /// # Errors
    /// [`StoreError::Sql`] if no transaction is open, [`StoreError::Busy`], or what else the database says.
    pub async fn enqueue_on(
        &self,
        connection: &mut SqliteConnection,
        jobs: &[NewJob],
    ) -> Result<Vec<Enqueued>, StoreError> {
        let env = &self.shared.env;
        refuse_without_transaction(connection, &env.database).await?;
        let mut topics = Vec::new();
        let enqueued = enqueue(&mut Bare { connection, env, topics: &mut topics }, jobs).await?;
        let mut outcomes = jobs.iter().zip(&enqueued).rev();
        if let Some((last, _)) = outcomes.find(|(_, enqueued)| **enqueued == Enqueued::New) {
            awaited::watch_for(&self.shared, last.id, topics);
        }
        Ok(enqueued)
    }
}

/// Outside a transaction each statement would be its own, and the messages would be out before the caller has committed
/// anything. sqlx knows of the transactions that it began; whether there is another only SQLite can tell.
async fn refuse_without_transaction(
    connection: &mut SqliteConnection,
    database: &str,
) -> Result<(), StoreError> {
    if connection.is_in_transaction() || sqlx::query("BEGIN").execute(&mut *connection).await.is_err() {
        return Ok(());
    }
    let undone = sqlx::query("ROLLBACK").execute(connection).await;
    undone.map_err(|source| {
        from_sqlx(database, "ending a transaction that was begun to look for one", source)
    })?;
    Err(StoreError::Sql {
        context: "no transaction is open on the connection that messages are to be appended on".to_owned(),
        source: "begin one with BEGIN IMMEDIATE (in sqlx `pool.begin_with(\"BEGIN IMMEDIATE\")`), or use `outbox.begin()`"
            .into(),
    })
}
