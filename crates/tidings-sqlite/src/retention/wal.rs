//! Keeping the write-ahead log small.

use std::path::{Path, PathBuf};

use tidings_core::store::StoreError;
use tokio::sync::oneshot;

use crate::store::SqliteStore;
use crate::writer::Turn;

/// The write-ahead log beside the database.
pub(crate) struct Wal {
    path: PathBuf,
    bytes_max: u64,
}

impl Wal {
    pub(crate) fn of(database: &Path, bytes_max: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), bytes_max }
    }

    fn bytes(&self) -> u64 {
        // Where it is not there it is as small as it can be.
        std::fs::metadata(&self.path).map_or(0, |found| found.len())
    }
}

/// Empties the log if it has grown large. SQLite's own checkpoints never make the file smaller, and none gets past the
/// snapshot of a reader: one that is left open lets the file grow until the disk is full.
pub(super) async fn shrink(store: &SqliteStore) -> Result<(), StoreError> {
    let wal = &store.shared.wal;
    let bytes = wal.bytes();
    if bytes <= wal.bytes_max {
        return Ok(());
    }
    let (reply, emptied) = oneshot::channel();
    store.queue_write(Turn::Checkpoint(reply))?;
    if emptied.await.unwrap_or(Err(StoreError::Closed))? {
        tracing::debug!(bytes, "the write-ahead log was emptied");
    } else {
        let file = wal.path.display().to_string();
        tracing::warn!(
            bytes,
            file,
            "the write-ahead log is large and cannot be emptied: a transaction that reads, of this process or of another \
             one, has been open for long; end it"
        );
    }
    Ok(())
}
