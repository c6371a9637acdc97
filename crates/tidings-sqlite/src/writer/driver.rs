//! What the writer and the readers ask of a driver: the control of its one transaction.

use std::sync::Arc;

use tidings_core::store::{StoreError, Tx};

use super::{Turn, Writer};
use crate::job::Job;
use crate::native::Native;
use crate::wake::Topic;

/// The control of one driver's transaction.
pub(crate) trait Driver {
    async fn begin(&mut self) -> Result<(), StoreError>;
    /// Begins a transaction that only reads.
    async fn begin_read(&mut self) -> Result<(), StoreError>;
    async fn commit(&mut self) -> Result<(), StoreError>;
    /// Ends the transaction, if it is still there.
    async fn rollback(&mut self) -> Result<(), StoreError>;
    /// Begins a savepoint around the next work.
    async fn enclose_work(&mut self) -> Result<(), StoreError>;
    async fn keep_work(&mut self) -> Result<(), StoreError>;
    async fn undo_work(&mut self) -> Result<(), StoreError>;
    /// Whether the database, or a work, has ended the transaction.
    async fn is_lost(&mut self) -> bool;
    async fn lend(&mut self, nested: bool, drains_log: bool) -> Result<Box<dyn Tx>, StoreError>;
    /// Voids what was lent. A work that `ended_enclosed`, by itself and inside a savepoint, may have left something
    /// running that the savepoint's end will wait for.
    async fn take_back(&mut self, ended_enclosed: bool);
    /// The trouble of the database that ended the last work's transaction, if that was it.
    async fn ended_by(&mut self) -> Option<StoreError>;
    async fn take_topics(&mut self) -> Vec<Topic>;
    /// The next waiting work, if it is of this driver.
    fn next(&self, writer: &Writer) -> Option<Job>;
}

/// The native driver never waits.
pub(crate) struct NativeControl {
    native: Arc<Native>,
}

impl NativeControl {
    pub(crate) fn new(native: Arc<Native>) -> Self {
        Self { native }
    }
}

impl Driver for NativeControl {
    async fn begin(&mut self) -> Result<(), StoreError> {
        self.native.begin("BEGIN IMMEDIATE")
    }

    async fn begin_read(&mut self) -> Result<(), StoreError> {
        self.native.begin("BEGIN")
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.native.commit()
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.native.rollback()
    }

    async fn enclose_work(&mut self) -> Result<(), StoreError> {
        self.native.enclose_work()
    }

    async fn keep_work(&mut self) -> Result<(), StoreError> {
        self.native.keep_work()
    }

    async fn undo_work(&mut self) -> Result<(), StoreError> {
        self.native.undo_work()
    }

    async fn is_lost(&mut self) -> bool {
        self.native.is_lost()
    }

    async fn lend(&mut self, nested: bool, drains_log: bool) -> Result<Box<dyn Tx>, StoreError> {
        Ok(Box::new(self.native.lend(nested, drains_log)))
    }

    async fn take_back(&mut self, _ended_enclosed: bool) {
        self.native.take_back();
    }

    async fn ended_by(&mut self) -> Option<StoreError> {
        self.native.ended_by()
    }

    async fn take_topics(&mut self) -> Vec<Topic> {
        self.native.take_topics()
    }

    fn next(&self, writer: &Writer) -> Option<Job> {
        match writer.queue.pop_if(|turn| matches!(turn, Turn::Native(_)))? {
            Turn::Native(job) => Some(job),
            _ => None,
        }
    }
}
