//! One attempt at a job: a task of its own.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use jiff::Timestamp;
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::store::{ClaimedJob, StoreError};
use tidings_core::trace::TraceContext;
use tokio::sync::Notify;
use tracing::Instrument;

use super::JobFacts;
use super::progress::Progress;
use super::wish::after;
use crate::app::Shared;
use crate::consumer::{Failure, pause_before_round};
use crate::ctx::Origin;
use crate::ctx::in_handler::WhileHolding;
use crate::telemetry;
use crate::underway::{Handler, Present};
use crate::unit::panicked;

/// What all that works on one attempt know of it.
pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) facts: Arc<JobFacts>,
    pub(crate) job: ClaimedJob,
    pub(crate) deadline: Timestamp,
    /// Its entry among the handlers that run.
    pub(crate) handler: Arc<Handler>,
    pub(super) progress: Mutex<Progress>,
    /// It is a repetition of one that has ended, and leaves nothing behind.
    pub(super) is_again: bool,
    trace: OnceLock<TraceContext>,
    finish: AtomicU8,
    is_off: AtomicBool,
    told: Notify,
    /// Why it was interrupted, if it was not from outside.
    interrupted: Mutex<Option<StoreError>>,
}

/// How far the one transaction of an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FinishState {
    None,
    Begun,
    Committed,
}

/// How the handler ended.
pub(super) enum Ran {
    /// It is done, and what ends it is yet to be written.
    Done,
    /// It is done, and that was committed with what it wrote.
    Finished,
    /// It failed.
    Failed(Error),
    /// It was stopped by somebody who knows what becomes of the job.
    CalledOff,
}

/// `finish` was begun and given up, and the handler says that all is well.
#[derive(Debug, thiserror::Error)]
#[error(
    "finish was begun and not committed: end with `done.commit().await`, or return the error that kept you from it"
)]
struct NotCommitted;

impl Attempt {
    pub(super) fn new(shared: &Arc<Shared>, facts: &Arc<JobFacts>, job: ClaimedJob) -> (Arc<Self>, Present) {
        let (attempt, present) = Self::enter(shared, facts, job);
        (Arc::new(attempt), present)
    }

    pub(super) fn enter(shared: &Arc<Shared>, facts: &Arc<JobFacts>, job: ClaimedJob) -> (Self, Present) {
        let present = shared.underway.enter(facts.label.clone());
        let attempt = Self {
            shared: shared.clone(),
            facts: facts.clone(),
            deadline: after(shared.clock.now(), facts.timeout),
            job,
            handler: present.handler().clone(),
            progress: Mutex::default(),
            is_again: false,
            trace: OnceLock::new(),
            finish: AtomicU8::new(FinishState::None as u8),
            is_off: AtomicBool::new(false),
            told: Notify::new(),
            interrupted: Mutex::new(None),
        };
        (attempt, present)
    }

    pub(crate) fn id(&self) -> MessageId {
        self.job.lease.id
    }

    /// Where this attempt stands in its trace.
    pub(crate) fn trace(&self) -> &TraceContext {
        self.trace.get_or_init(|| self.job.trace.child())
    }

    /// What causes whatever the job sends, publishes and enqueues.
    pub(crate) fn origin(&self) -> Origin {
        Origin { id: self.id(), correlation_id: self.job.correlation_id, trace: self.trace().clone() }
    }

    pub(super) fn finish_state(&self) -> FinishState {
        match self.finish.load(Ordering::Acquire) {
            state if state == FinishState::Committed as u8 => FinishState::Committed,
            state if state == FinishState::Begun as u8 => FinishState::Begun,
            _ => FinishState::None,
        }
    }

    pub(super) fn set_finish_state(&self, state: FinishState) {
        self.finish.store(state as u8, Ordering::Release);
    }

    /// Has the handler dropped at its next await. What becomes of the job is the caller's to say.
    pub(crate) fn call_off(&self) {
        self.is_off.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    /// As [`call_off`](Self::call_off), and the attempt has failed for this reason.
    pub(super) fn interrupt(&self, why: StoreError) {
        *self.interrupted.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.call_off();
    }

    pub(crate) fn is_called_off(&self) -> bool {
        self.is_off.load(Ordering::Acquire)
    }

    /// Returns when the attempt was called off, or is over.
    pub(crate) async fn called_off(&self) {
        let mut told = pin!(self.told.notified());
        loop {
            told.as_mut().enable();
            if self.is_called_off() {
                return;
            }
            told.as_mut().await;
            told.set(self.told.notified());
        }
    }

    /// Runs the handler, and again while it calls its errors transient, but not for ever.
    pub(super) async fn run(self: &Arc<Self>, present: &Present) -> Ran {
        let mut round = 0;
        loop {
            self.set_finish_state(FinishState::None);
            let ran = self.run_once(present).await;
            let Ran::Failed(error) = &ran else { return ran };
            let Some(pause) = pause_before_round(round).filter(|_| self.is_worth_a_round(error)) else {
                return ran;
            };
            round += 1;
            let (job, id) = (&self.facts.name, self.id());
            tracing::warn!(%job, %id, round, error = %error, pause_ms = pause.as_millis(), "the error is transient; the job is tried again");
            if tokio::time::timeout(pause, self.called_off()).await.is_ok() {
                return self.stopped();
            }
        }
    }

    fn is_worth_a_round(&self, error: &Error) -> bool {
        // A void lease stays void, and a closed store closed.
        !matches!(error.find(), Some(StoreError::Fenced { .. } | StoreError::Closed))
            && Failure::is_passing(error, &*self.shared.store)
    }

    pub(super) async fn run_once(self: &Arc<Self>, present: &Present) -> Ran {
        if self.is_called_off() {
            return self.stopped();
        }
        let called = (self.facts.route.call)(self.clone());
        let handled = WhileHolding { present, future: called }.instrument(telemetry::job_span(self));
        let handled = pin!(AssertUnwindSafe(handled).catch_unwind());
        let result = match select(handled, pin!(self.called_off())).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(panic), _)) => Err(Error::failed(panicked(&self.facts.label, panic.as_ref()))),
            Either::Right(_) => return self.stopped(),
        };
        self.judge(result)
    }

    /// How an attempt ended that was called off. An interruption is nobody's decision, wherever the attempt meets it: the
    /// attempt has failed, and has to say so itself.
    fn stopped(&self) -> Ran {
        let why = self.interrupted.lock().unwrap_or_else(PoisonError::into_inner).take();
        why.map_or(Ran::CalledOff, |why| Ran::Failed(why.into()))
    }

    fn judge(&self, result: Result<()>) -> Ran {
        match (result, self.finish_state()) {
            (Ok(()), FinishState::None) => Ran::Done,
            (Ok(()), FinishState::Begun) => Ran::Failed(Error::failed(NotCommitted)),
            (Ok(()), FinishState::Committed) => Ran::Finished,
            (Err(error), FinishState::Committed) => {
                let (job, id) = (&self.facts.name, self.id());
                tracing::warn!(%job, %id, error = %error, "the job was done already when its handler failed");
                Ran::Finished
            }
            (Err(error), _) => Ran::Failed(error),
        }
    }
}
