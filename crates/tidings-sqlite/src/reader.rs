//! The readers: threads with a connection each that cannot write.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::runtime::Handle;

use crate::internal::Named;
use crate::job::Job;
use crate::native::Native;
use crate::queue::Queue;
use crate::typed::{Typed, TypedControl};
use crate::writer::{Driver, NativeControl, run_work};

/// A question of the store's own may take this long; none does in earnest.
const QUESTION_BUDGET: Duration = Duration::from_secs(30);

/// A question of the store's own.
pub(crate) struct Question {
    pub(crate) what: &'static str,
    pub(crate) ask: Box<dyn FnOnce(&Connection) + Send>,
}

/// What waits for a reader.
pub(crate) enum ReadTurn {
    /// A work of the native driver.
    Native(Job),
    /// A work of the typed driver.
    Typed(Job),
    /// A question of the store's own.
    Internal(Question),
}

pub(crate) struct Reader {
    pub(crate) queue: Arc<Queue<ReadTurn>>,
    pub(crate) native: Arc<Native>,
    pub(crate) typed: Arc<Typed>,
}

impl Reader {
    pub(crate) fn start(self, handle: Handle) -> std::io::Result<JoinHandle<()>> {
        let builder = std::thread::Builder::new().name("tidings-reader".to_owned());
        builder.spawn(move || handle.block_on(tokio::task::unconstrained(self.run())))
    }

    async fn run(mut self) {
        while let Some(turn) = self.queue.pop_wait() {
            match turn {
                ReadTurn::Native(job) => self.run_work(NativeControl::new(self.native.clone()), job).await,
                ReadTurn::Typed(job) => self.run_work(TypedControl::new(self.typed.clone()), job).await,
                ReadTurn::Internal(ask) => self.run_internal(ask),
            }
        }
        self.typed.close().await;
    }

    /// Runs a work in a deferred transaction: the snapshot is taken by the first statement, and all others see the same.
    async fn run_work<D: Driver>(&self, mut driver: D, mut job: Job) {
        if !job.start() {
            return;
        }
        let begun = driver.begin_read().await;
        let (work, slot) = (job.work.clone(), &self.native.slot);
        let result = match begun {
            Ok(()) => run_work(&mut driver, slot, &mut job, false).await.0,
            Err(error) => Err(error),
        };
        if let Err(error) = driver.rollback().await {
            tracing::error!(%error, work = work.name(), "a reader could not end its transaction");
        }
        job.settle();
        job.reply(result);
    }

    fn run_internal(&mut self, question: Question) {
        let asked = self.native.begin("BEGIN").map(|()| {
            self.native.slot.begin(Arc::new(Named(question.what)), QUESTION_BUDGET);
            // A panic in here would be a defect of the store; it must not take the thread with it.
            let answered = catch_unwind(AssertUnwindSafe(|| self.native.with(question.ask)));
            self.native.slot.end();
            answered
        });
        if let Err(error) = asked {
            tracing::error!(%error, "a reader could not begin");
        }
        if let Err(error) = self.native.rollback() {
            tracing::error!(%error, "a reader could not end its transaction");
        }
    }
}
