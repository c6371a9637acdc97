//! Reading the log, ahead of its handling.

use std::collections::VecDeque;
use std::sync::Arc;

use tidings_core::envelope::{Cursor, Recorded};
use tidings_core::error::Result;
use tidings_core::store::Filter;

use super::deliver::Attempt;
use crate::app::Shared;

/// A batch that was read. Messages of the log do not change, so it can wait.
pub(super) struct Read {
    pub(super) waiting: Waiting,
    /// Behind everything that was looked at.
    pub(super) next: Cursor,
    pub(super) at_end: bool,
}

/// Messages that were read and are not out of the way yet.
pub(super) struct Waiting {
    pub(super) messages: VecDeque<Arc<Recorded>>,
    /// Behind each message of the batch, those that are out of the way included.
    pub(super) cursors: Arc<[Cursor]>,
    pub(super) passed: usize,
}

impl Waiting {
    pub(super) fn pass(&mut self, done: usize) {
        self.messages.drain(..done);
        self.passed += done;
    }

    /// The first message, and the cursor behind it.
    pub(super) fn first(&self) -> Option<(Arc<Recorded>, Cursor)> {
        Some((self.messages.front()?.clone(), self.cursors.get(self.passed)?.clone()))
    }
}

pub(super) async fn read(shared: &Shared, filter: &Filter, after: &Cursor, limit: usize) -> Result<Read> {
    let batch = shared.store.read_after(after, filter, limit).await?;
    let messages = batch.messages.into_iter().map(Arc::new).collect();
    let waiting = Waiting { messages, cursors: batch.cursors.into(), passed: 0 };
    Ok(Read { waiting, next: batch.next, at_end: batch.at_end })
}

/// Reads the batch behind the one that is being handled, unless that is the last; and meanwhile lets go of what was handled
/// before, which takes a while for a large batch.
pub(super) async fn read_ahead(
    shared: Arc<Shared>,
    filter: &Filter,
    after: Option<Cursor>,
    limit: usize,
    spent: Vec<Arc<Attempt>>,
) -> Result<Option<Read>> {
    let Some(after) = after else { return Ok(None) };
    let reading = read(&shared, filter, &after, limit);
    let (read, ()) = futures_util::future::join(reading, async { drop(spent) }).await;
    read.map(Some)
}
