//! The writer: one thread that owns the write connections and gives each work its turn.

mod checkpoint;
mod drive;
mod driver;
mod group;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire};
use std::thread::JoinHandle;

pub(crate) use drive::run_work;
pub(crate) use driver::{Driver, NativeControl};
pub(crate) use group::commit_error;
use tidings_core::store::StoreError;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::config::SqliteConfig;
use crate::env::Env;
use crate::job::Job;
use crate::lock_file::LockFile;
use crate::native::Native;
use crate::queue::Queue;
pub(crate) use crate::typed::TypedControl;
use crate::typed::{LendJob, Typed};
use crate::watchdog::Slot;

/// What waits for the writer.
pub(crate) enum Turn {
    /// A work of the native driver.
    Native(Job),
    /// A work of the typed driver.
    Typed(Job),
    /// A transaction to be lent to a caller outside the runtime.
    Lend(LendJob),
    /// Emptying the write-ahead log, which needs a moment without a transaction; answers whether it is empty.
    Checkpoint(oneshot::Sender<Result<bool, StoreError>>),
}

/// What decides how the file is marked at the end.
#[derive(Default)]
pub(crate) struct Ending {
    /// The store was closed in order, not dropped.
    pub(crate) orderly: AtomicBool,
    /// A consumer was held since the store was opened.
    pub(crate) held: AtomicBool,
    /// The runtime before this one ended in order.
    pub(crate) was_clean: bool,
}

pub(crate) struct Writer {
    pub(crate) env: Arc<Env>,
    pub(crate) config: SqliteConfig,
    pub(crate) queue: Arc<Queue<Turn>>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) native: Arc<Native>,
    pub(crate) typed: Arc<Typed>,
    pub(crate) ending: Arc<Ending>,
    /// Given back last of all.
    pub(crate) _lock: LockFile,
}

impl Writer {
    pub(crate) fn start(self, handle: Handle) -> std::io::Result<JoinHandle<()>> {
        let builder = std::thread::Builder::new().name("tidings-writer".to_owned());
        // The whole loop is one future: what a work awaits parks this thread, what is ready costs no hop, and the
        // cooperative budget of the runtime does not apply to a thread of our own.
        builder.spawn(move || handle.block_on(tokio::task::unconstrained(self.run())))
    }

    async fn run(mut self) {
        while let Some(turn) = self.queue.pop_wait() {
            match turn {
                Turn::Native(job) => self.run_native(job).await,
                Turn::Typed(job) => self.run_typed(job).await,
                Turn::Lend(job) => job.run(&self.typed).await,
                Turn::Checkpoint(reply) => drop(reply.send(self.checkpoint())),
            }
        }
        self.typed.close().await;
        self.finish();
    }

    /// Marks the file. A start that failed before any consumer was held has looked into nothing: what the runtime before
    /// it left behind is still there, so its mark is, too.
    fn finish(self) {
        if !self.ending.orderly.load(Acquire) {
            return;
        }
        let clean = self.ending.was_clean || self.ending.held.load(Acquire);
        let sql = include_str!("../../queries/runtime_set_clean.sql");
        let marked = self
            .native
            .begin("BEGIN IMMEDIATE")
            .and_then(|()| {
                let done = self.native.with(|connection| connection.execute(sql, [clean]));
                done.map_err(|source| crate::error::from_native(&self.env.database, sql, source))
            })
            .and_then(|_| self.native.commit());
        if let Err(error) = marked {
            tracing::error!(%error, "the store could not be marked as closed in order");
        }
    }
}
