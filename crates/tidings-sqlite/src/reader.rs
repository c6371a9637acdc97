//! The readers: threads with a connection each that cannot write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tidings_core::store::StoreError;
use tokio::runtime::Handle;

use crate::job::Job;
use crate::native::Native;
use crate::queue::Queue;
use crate::writer::{Ended, drive};

type Closure = Box<dyn FnOnce(&Connection) + Send>;

/// What waits for a reader.
pub(crate) enum ReadTurn {
    /// A work of the native driver.
    Native(Job),
    /// A question of the store's own.
    Internal(Closure),
}

pub(crate) struct Reader {
    pub(crate) queue: Arc<Queue<ReadTurn>>,
    pub(crate) native: Arc<Native>,
}

impl Reader {
    pub(crate) fn start(self, handle: Handle) -> std::io::Result<JoinHandle<()>> {
        let builder = std::thread::Builder::new().name("tidings-reader".to_owned());
        builder.spawn(move || handle.block_on(tokio::task::unconstrained(self.run())))
    }

    async fn run(mut self) {
        while let Some(turn) = self.queue.pop_wait() {
            match turn {
                ReadTurn::Native(job) => self.run_native(job).await,
                ReadTurn::Internal(ask) => self.run_internal(ask),
            }
        }
    }

    async fn run_native(&mut self, mut job: Job) {
        if !job.start() {
            return;
        }
        // Deferred: the snapshot is taken by the first statement, and all others see the same.
        if let Err(error) = self.native.begin("BEGIN") {
            return job.reply(Err(error));
        }
        let tx = Box::new(self.native.lend(false));
        let slot = self.native.slot.clone();
        slot.begin(job.work.clone(), job.limits.budget);
        let work = job.work.clone();
        let ended = drive(&work, tx, &slot, job.reply_mut()).await;
        let over = slot.budget_error();
        self.native.take_back();
        slot.end();
        let result = match ended {
            Ended::Finished(result) => result,
            Ended::Panicked(message) => Err(StoreError::Panicked { work: work.name(), message }),
            Ended::Cancelled => Err(StoreError::Closed),
            Ended::OverBudget => Err(over),
        };
        self.end();
        job.settle();
        job.reply(result);
    }

    fn run_internal(&mut self, ask: Closure) {
        let asked = self.native.begin("BEGIN").map(|()| {
            // A panic in here would be a defect of the store; it must not take the thread with it.
            catch_unwind(AssertUnwindSafe(|| self.native.with(ask)))
        });
        if let Err(error) = asked {
            tracing::error!(%error, "a reader could not begin");
        }
        self.end();
    }

    fn end(&self) {
        if let Err(error) = self.native.rollback() {
            tracing::error!(%error, "a reader could not end its transaction");
        }
    }
}
