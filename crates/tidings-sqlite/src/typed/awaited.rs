//! Waiting for commits that the store does not see: of transactions on a user's own connection.
//!
//! However many there are, one task looks for them, and it ends when there are none.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidings_core::ids::MessageId;
use tidings_core::store::StoreError;

use crate::store::{Shared, SqliteStore};
use crate::wake::Topic;

const STEP_FIRST: Duration = Duration::from_millis(5);
const STEP_MAX: Duration = Duration::from_secs(1);
/// After this long the waiters' own fallback has to find the messages.
const AWAITED_MAX: Duration = Duration::from_secs(60);

/// What is looked for.
#[derive(Default)]
pub(crate) struct Awaited {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pending: Vec<Pending>,
    /// The task is there.
    watched: bool,
    /// Something was added since the task last looked.
    added: bool,
}

struct Pending {
    id: MessageId,
    topics: Vec<Topic>,
    until: Instant,
}

/// Wakes the waiters once the message is there.
pub(super) fn watch_for(shared: &Arc<Shared>, id: MessageId, topics: Vec<Topic>) {
    let mut state = shared.awaited.lock();
    state.pending.push(Pending { id, topics, until: Instant::now() + AWAITED_MAX });
    state.added = true;
    if !std::mem::replace(&mut state.watched, true) {
        tokio::spawn(watch(Arc::downgrade(shared)));
    }
}

/// Looks in growing steps, from the first one again whenever something was added. Holds the store only weakly, so that it
/// can be dropped meanwhile.
async fn watch(store: Weak<Shared>) {
    let mut step = STEP_FIRST;
    loop {
        tokio::time::sleep(step).await;
        let Some(shared) = store.upgrade() else { return };
        let Some(ids) = shared.awaited.ids() else { return };
        let store = SqliteStore { shared };
        match store.ask("looking for foreign commits", move |connection| committed(connection, &ids)).await {
            Ok(found) => store.shared.env.watchers.notify(&store.shared.awaited.take(&found)),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "looking for foreign commits failed"),
        }
        step = if store.shared.awaited.take_added() { STEP_FIRST } else { (step * 2).min(STEP_MAX) };
    }
}

fn committed(connection: &Connection, ids: &[MessageId]) -> rusqlite::Result<HashSet<MessageId>> {
    let mut statement = connection.prepare_cached(include_str!("../../queries/log_has.sql"))?;
    let mut found = HashSet::new();
    for id in ids {
        if statement.exists([id.0.as_bytes()])? {
            found.insert(*id);
        }
    }
    Ok(found)
}

impl Awaited {
    /// What to look for now; `None` if there is nothing, and then the task is no longer there.
    fn ids(&self) -> Option<Vec<MessageId>> {
        let mut state = self.lock();
        let now = Instant::now();
        state.pending.retain(|pending| pending.until > now);
        state.watched = !state.pending.is_empty();
        state.watched.then(|| state.pending.iter().map(|pending| pending.id).collect())
    }

    /// Takes out what was found, and tells whom to wake.
    fn take(&self, found: &HashSet<MessageId>) -> Vec<Topic> {
        let mut topics: Vec<Topic> = Vec::new();
        for pending in self.lock().pending.extract_if(.., |pending| found.contains(&pending.id)) {
            for topic in pending.topics {
                if !topics.contains(&topic) {
                    topics.push(topic);
                }
            }
        }
        topics
    }

    fn take_added(&self) -> bool {
        std::mem::take(&mut self.lock().added)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
