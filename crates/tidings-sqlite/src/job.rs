//! One caller's work on its way through a queue, and who may still change its fate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire};
use std::time::Instant;

use tidings_core::store::{Limits, StoreError, Work};
use tokio::sync::oneshot;

const WAITING: u8 = 0;
const RUNNING: u8 = 1;
/// Done, and about to be committed: too late to cancel.
const SETTLED: u8 = 2;
const CANCELLED: u8 = 3;

/// The thread's side.
pub(crate) struct Job {
    pub(crate) work: Arc<dyn Work>,
    pub(crate) limits: Limits,
    reply: oneshot::Sender<Result<(), StoreError>>,
    state: Arc<AtomicU8>,
}

/// The caller's side. Dropping it cancels what has not reached its commit.
pub(crate) struct Ticket {
    reply: oneshot::Receiver<Result<(), StoreError>>,
    state: Arc<AtomicU8>,
}

pub(crate) fn job(work: Arc<dyn Work>, limits: Limits) -> (Job, Ticket) {
    let (sender, receiver) = oneshot::channel();
    let state = Arc::new(AtomicU8::new(WAITING));
    (Job { work, limits, reply: sender, state: state.clone() }, Ticket { reply: receiver, state })
}

impl Job {
    /// Begins to run it, for the first time or again; false if the caller has gone.
    pub(crate) fn start(&self) -> bool {
        let begin = |state| (state != CANCELLED).then_some(RUNNING);
        !self.reply.is_closed() && self.state.fetch_update(AcqRel, Acquire, begin).is_ok()
    }

    /// Takes it past the point of no return; false if the caller has gone before.
    pub(crate) fn settle(&self) -> bool {
        self.state.compare_exchange(RUNNING, SETTLED, AcqRel, Acquire).is_ok()
    }

    /// The channel whose closing says that the caller has gone.
    pub(crate) fn reply_mut(&mut self) -> &mut oneshot::Sender<Result<(), StoreError>> {
        &mut self.reply
    }

    /// Answers; a caller that has gone does not hear it.
    pub(crate) fn reply(self, result: Result<(), StoreError>) {
        let _ = self.reply.send(result);
    }
}

impl Ticket {
    /// Waits for the answer within the caller's limits. `awaited` says what a work without a turn waits for.
    pub(crate) async fn answer(
        mut self,
        work: &dyn Work,
        limits: Limits,
        awaited: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        let Some(wait) = limits.wait else {
            return (&mut self.reply).await.unwrap_or(Err(StoreError::Closed));
        };
        let started = Instant::now();
        match tokio::time::timeout(wait, &mut self.reply).await {
            Ok(answer) => answer.unwrap_or(Err(StoreError::Closed)),
            Err(_) => match self.cancel() {
                Ok(state) => Err(StoreError::Timeout {
                    work: work.name(),
                    waited: started.elapsed(),
                    waited_for: (state == WAITING).then(awaited),
                }),
                Err(_settled) => Err(StoreError::Unknown { work: work.name() }),
            },
        }
    }

    /// Cancels what can still be cancelled, and says what it was; an error if the commit is under way.
    fn cancel(&self) -> Result<u8, u8> {
        let cancel = |state| (state != SETTLED).then_some(CANCELLED);
        self.state.fetch_update(AcqRel, Acquire, cancel)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Too late is too late: then the commit happens without anybody waiting for it.
        let _too_late = self.cancel();
    }
}
