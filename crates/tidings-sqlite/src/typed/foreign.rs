//! Appending through a transaction that the user began on a pool of their own.

use std::time::Duration;

use sqlx::SqliteConnection;
use tidings_core::envelope::Envelope;
use tidings_core::ids::MessageId;
use tidings_core::store::{Inspect, StoreError};

use super::append::append;
use crate::error::from_sqlx;
use crate::fullness;
use crate::native::note;
use crate::store::SqliteStore;
use crate::wake::Topic;

const WATCH_FIRST: Duration = Duration::from_millis(5);
const WATCH_EACH_MAX: Duration = Duration::from_secs(1);
/// After this long the waiters' own fallback has to find the messages.
const WATCH_MAX: Duration = Duration::from_secs(60);

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
    /// [`StoreError::LogFull`], [`StoreError::Busy`], or what else the database says.
    pub async fn append_on(
        &self,
        connection: &mut SqliteConnection,
        messages: &[Envelope],
    ) -> Result<(), StoreError> {
        let env = &self.shared.env;
        fullness::check_on(env, connection).await?;
        let done = append(connection, messages).await;
        let newest = done.map_err(|source| {
            let context = format!("appending {} messages to a transaction of the caller's", messages.len());
            from_sqlx(&env.database, context, source)
        })?;
        newest.into_iter().for_each(|newest| env.fullness.appended(newest));
        if let Some(last) = messages.last() {
            let mut topics = Vec::new();
            messages.iter().for_each(|message| note(&mut topics, message));
            self.watch_for(last.id, topics);
        }
        Ok(())
    }

    /// Wakes the waiters once the message is there. Holds the store only weakly, so that it can be dropped meanwhile.
    fn watch_for(&self, id: MessageId, topics: Vec<Topic>) {
        let shared = std::sync::Arc::downgrade(&self.shared);
        tokio::spawn(async move {
            let (mut step, mut waited) = (WATCH_FIRST, Duration::ZERO);
            while waited < WATCH_MAX {
                tokio::time::sleep(step).await;
                waited += step;
                step = (step * 2).min(WATCH_EACH_MAX);
                let Some(shared) = shared.upgrade() else { return };
                let store = SqliteStore { shared };
                match store.message(id).await {
                    Ok(Some(_)) => return store.shared.env.watchers.notify(&topics),
                    Ok(None) => {}
                    Err(StoreError::Closed) => return,
                    Err(error) => tracing::warn!(%error, "looking for a foreign commit failed"),
                }
            }
        });
    }
}
