//! Fault points: a store that fails, panics or stands still at a chosen step.
//!
//! "A fault at each step" is a loop over data: run once and [`trace`](FaultPlan::trace) the steps, then arm one
//! fault per step and see that nothing is lost and nothing happens twice.
//!
//! ```
//! # use std::sync::Arc;
//! # use tidings_core::store::{Limits, Store, StoreError, Work};
//! use tidings_testkit::faults::{Fault, FaultPlan, What, When, faulty};
//!
//! # async fn example(store: Arc<dyn Store>, work: Arc<dyn Work>) -> Result<(), StoreError> {
//! let plan = FaultPlan::new();
//! let store = faulty(store, &plan);
//! store.transact(work.clone(), Limits::default()).await?;
//! for index in 0..plan.trace().len() {
//!     plan.arm(Fault { index, when: When::Before, what: What::Busy });
//!     assert!(store.transact(work.clone(), Limits::default()).await.is_err());
//!     assert!(plan.fired());
//! }
//! # Ok(())
//! # }
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tidings_core::store::{Limits, Store, StoreError, Work};
use tokio::sync::Notify;

use crate::layer::{Layer, Layered};

/// A call of the port at which something may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// `Tx::append`.
    Append,
    /// `Tx::advance`.
    Advance,
    /// `Tx::park`.
    Park,
    /// `Tx::settle`.
    Settle,
    /// `Tx::begin_batch`.
    BeginBatch,
    /// `Tx::record_outcome`.
    RecordOutcome,
    /// `Tx::enqueue`.
    Enqueue,
    /// `Tx::claim_jobs` or `Tx::claim_suspect`.
    ClaimJobs,
    /// `Tx::end_attempts`.
    EndAttempts,
    /// `Tx::report_progress`.
    ReportProgress,
    /// `Tx::move_cron`.
    MoveCron,
    /// `Tx::execute`.
    Execute,
    /// `Tx::fetch`.
    Fetch,
    /// `Tx::savepoint`.
    Savepoint,
    /// `Tx::rollback_to`.
    RollbackTo,
    /// `Tx::release`.
    Release,
    /// `Tx::undo`.
    Undo,
    /// The commit: before it, the work has ended and nothing is kept; after it, everything is.
    Commit,
    /// `Store::register`.
    Register,
    /// `Store::hold`.
    Hold,
    /// `Store::read_after`.
    ReadAfter,
    /// `Store::due`.
    Due,
    /// `JobStore::heartbeat`.
    Heartbeat,
    /// `JobStore::take_over`.
    TakeOver,
}

/// On which side of its step a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// The step does not happen.
    Before,
    /// The step has happened; its answer is lost.
    After,
}

impl When {
    /// Both sides, for loops.
    pub const BOTH: [Self; 2] = [Self::Before, Self::After];
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// [`StoreError::Busy`]. After a commit it would be a lie that no honest store tells; there it becomes
    /// [`StoreError::Unknown`], which is what a connection lost during the commit amounts to.
    Busy,
    /// [`StoreError::TransactionLost`]; after a commit [`StoreError::Unknown`].
    Lost,
    /// A panic inside the work. At steps outside a work, and after a commit, the caller's task panics.
    Panic,
    /// The future of the call is dropped, as a client that went away would; the caller gets
    /// [`StoreError::Undone`], which it would not see in life. After a commit it becomes
    /// [`StoreError::Unknown`].
    Drop,
    /// The step never returns, until the caller's own deadline or drop ends it.
    Hang,
}

impl What {
    /// All that end by themselves, for loops.
    pub const ENDING: [Self; 4] = [Self::Busy, Self::Lost, Self::Panic, Self::Drop];
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The step it strikes, counted from 0 since the plan was armed.
    pub index: usize,
    /// Before or after the step.
    pub when: When,
    /// What goes wrong.
    pub what: What,
}

/// One fault at a step of a kind, such as "the second append".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedFault {
    /// The kind of step.
    pub step: Step,
    /// Which of its kind, counted from 0 since the plan was armed.
    pub nth: usize,
    /// Before or after the step.
    pub when: When,
    /// What goes wrong.
    pub what: What,
}

/// Which faults strike, and which steps have passed. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    struck: Notify,
    dropping: Notify,
}

#[derive(Debug, Default)]
struct State {
    trace: Vec<Step>,
    armed: Option<Armed>,
    fired: bool,
}

#[derive(Clone, Copy, Debug)]
enum Armed {
    At(Fault),
    Named(NamedFault),
}

impl FaultPlan {
    /// A plan without a fault: it only traces.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets one fault strike, once. Forgets the trace and any earlier fault.
    pub fn arm(&self, fault: Fault) {
        *self.state() = State { armed: Some(Armed::At(fault)), ..State::default() };
    }

    /// Lets one fault strike at a step of a kind, once. Forgets the trace and any earlier fault.
    pub fn arm_named(&self, fault: NamedFault) {
        *self.state() = State { armed: Some(Armed::Named(fault)), ..State::default() };
    }

    /// Takes the fault back, and forgets the trace.
    pub fn disarm(&self) {
        *self.state() = State::default();
    }

    /// The steps that have begun since the plan was made or armed.
    #[must_use]
    pub fn trace(&self) -> Vec<Step> {
        self.state().trace.clone()
    }

    /// Whether the fault has struck.
    #[must_use]
    pub fn fired(&self) -> bool {
        self.state().fired
    }

    /// Returns once the fault has struck.
    pub async fn struck(&self) {
        loop {
            let struck = self.shared.struck.notified();
            tokio::pin!(struck);
            struck.as_mut().enable();
            if self.fired() {
                return;
            }
            struck.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The plan itself causes panics; they must not poison its account.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strikes(&self, step: Step, when: When) -> Option<What> {
        let mut state = self.state();
        if when == When::Before {
            state.trace.push(step);
        }
        let index = state.trace.len().saturating_sub(1);
        let nth = state.trace.iter().filter(|passed| **passed == step).count().saturating_sub(1);
        let what = match state.armed? {
            Armed::At(fault) => (fault.index == index && fault.when == when).then_some(fault.what),
            Armed::Named(fault) => {
                (fault.step == step && fault.nth == nth && fault.when == when).then_some(fault.what)
            }
        }?;
        state.armed = None;
        state.fired = true;
        drop(state);
        self.shared.struck.notify_waiters();
        Some(what)
    }

    async fn strike(&self, step: Step, when: When) -> Result<(), StoreError> {
        let Some(what) = self.strikes(step, when) else { return Ok(()) };
        let context = format!("a planted fault {when:?} {step:?}");
        if step == Step::Commit && when == When::After && !matches!(what, What::Panic | What::Hang) {
            return Err(StoreError::Unknown { work: context });
        }
        match what {
            What::Busy => Err(StoreError::Busy { context, source: None }),
            What::Lost => Err(StoreError::TransactionLost { context, source: None }),
            What::Panic => panic!("{context}"),
            What::Drop => {
                self.shared.dropping.notify_one();
                std::future::pending().await
            }
            What::Hang => std::future::pending().await,
        }
    }
}

/// Puts fault points around a store.
#[must_use]
pub fn faulty(inner: Arc<dyn Store>, plan: &FaultPlan) -> Arc<dyn Store> {
    Arc::new(Layered::new(inner, Arc::new(plan.clone())))
}

#[async_trait]
impl Layer for FaultPlan {
    async fn before(&self, step: Step) -> Result<(), StoreError> {
        self.strike(step, When::Before).await
    }

    async fn after(&self, step: Step) -> Result<(), StoreError> {
        self.strike(step, When::After).await
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        tokio::select! {
            answer = inner.transact(work, limits) => answer?,
            () = self.shared.dropping.notified() => return Err(StoreError::Undone),
        }
        self.strike(Step::Commit, When::After).await
    }
}
