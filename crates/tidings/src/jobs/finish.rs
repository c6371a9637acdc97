//! The one transaction of a job.
//!
//! A job does its work outside of any transaction, on the async runtime. For its end the store lends it one: the store's
//! work ([`FinishWork`]) sends the transaction through a channel to the job's own task, and waits until it comes back. So a
//! handler sees a guard, and needs no closure; the future of an async closure that borrows is not known to be `Send` for
//! every lifetime, and such a handler could not be registered.

use std::future::pending;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::{Either, select};
use tidings_core::error::{Error, Result};
use tidings_core::store::{JobEnd, StoreError, Tx, Work};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::attempt::{Attempt, FinishState};
use crate::ctx::{BoxFuture, Ctx, CtxCore, Driver, Portable, TxSlot, in_handler};

/// The one transaction of a job: its end, together with what it writes, publishes, sends and enqueues. Made by
/// [`JobCtx::finish`](crate::JobCtx::finish).
///
/// It is a [`Ctx`] to work with, and is ended by [`commit`](Self::commit). Dropped without it, everything is rolled back, and
/// the job is not done. While it is there nobody else writes: await nothing in it but the database.
///
/// ```
/// use tidings::{Event, JobCtx, Result, sql};
///
/// async fn book<E: Event>(ctx: &mut JobCtx, receipt: String, booked: E) -> Result<()> {
///     let mut done = ctx.finish().await?;
///     sql("INSERT INTO receipts (receipt) VALUES ($1)").bind(receipt).execute(done.tx()).await?;
///     done.publish(booked).await?;
///     done.commit().await
/// }
/// ```
#[must_use = "the job is done when this is committed"]
pub struct Finish<'c, D = Portable> {
    // Dropped in this order: the transaction, and then what tells the store that it will not come back.
    ctx: Ctx<D>,
    lent: Lent,
    of: PhantomData<&'c mut D>,
}

impl<D: Driver> Finish<'_, D> {
    pub(super) async fn begin(attempt: &Arc<Attempt>) -> Result<Self> {
        if attempt.finish_state() == FinishState::Committed {
            return Err(Error::permanent(format!("{} has finished already", attempt.facts.label)));
        }
        let (tx, mut lent) = borrow(attempt, D::NAME).await?;
        attempt.set_finish_state(FinishState::Begun);
        let slot = TxSlot::default();
        slot.put(tx);
        let (shared, module) = (attempt.shared.clone(), attempt.facts.module.clone());
        let mut core = CtxCore::new(shared, module, attempt.origin(), slot);
        // First of all, so that a void lease fails before anything of the handler's.
        let ends = [(attempt.job.lease, JobEnd::Completed)];
        let now = core.now();
        // Once the attempt has ended it cannot report any more.
        lent.reported = attempt.take_progress();
        if let Some(progress) = &lent.reported {
            core.tx().await.report_progress(&attempt.job.lease, progress).await?;
        }
        if core.tx().await.end_attempts(&ends, now).await? != [true] {
            return Err(StoreError::Fenced { consumer: attempt.facts.name.to_string() }.into());
        }
        Ok(Self { ctx: Ctx::wrap(core), lent, of: PhantomData })
    }

    /// Commits; returns when that is durable. The job is done then, whatever its handler returns.
    ///
    /// # Errors
    /// The database's. Nothing was written then, and the job will be tried again.
    pub async fn commit(self) -> Result<()> {
        let Self { ctx, lent, .. } = self;
        let mut core = ctx.unwrap();
        write_down(&mut core).await?;
        lent.give_back(core.into_tx()).await
    }
}

impl<D> Deref for Finish<'_, D> {
    type Target = Ctx<D>;

    fn deref(&self) -> &Ctx<D> {
        &self.ctx
    }
}

impl<D> DerefMut for Finish<'_, D> {
    fn deref_mut(&mut self) -> &mut Ctx<D> {
        &mut self.ctx
    }
}

async fn write_down(core: &mut CtxCore) -> Result<()> {
    core.write_jobs().await?;
    let outgoing = std::mem::take(&mut core.outgoing);
    if !outgoing.is_empty() {
        core.tx().await.append(&outgoing).await?;
    }
    Ok(())
}

/// A transaction on loan, with the way to give it back.
type Loan = (Box<dyn Tx>, oneshot::Sender<Box<dyn Tx>>);

/// What the borrower has beside the transaction. Dropped, it cancels what was not committed.
struct Lent {
    attempt: Arc<Attempt>,
    // Dropped before the transaction is cancelled, by which the work tells that from being over its budget.
    give_back: Option<oneshot::Sender<Box<dyn Tx>>>,
    done: BoxFuture<Result<(), StoreError>>,
    /// The report of progress that is written with it.
    reported: Option<String>,
}

async fn borrow(attempt: &Arc<Attempt>, driver: &'static str) -> Result<(Box<dyn Tx>, Lent)> {
    let (lend, loan) = oneshot::channel();
    let work = Arc::new(FinishWork { attempt: attempt.clone(), driver, lend: Mutex::new(Some(lend)) });
    let (store, limits) = (attempt.shared.store.clone(), attempt.shared.config.limits());
    let done: BoxFuture<_> = Box::pin(async move { store.transact(work, limits).await });
    let unlent = |done: Result<(), StoreError>| Error::from(done.err().unwrap_or(StoreError::Closed));
    let ((tx, give_back), done) = match select(loan, done).await {
        Either::Left((Ok(loan), done)) => (loan, done),
        Either::Left((Err(_), done)) => return Err(unlent(done.await)),
        Either::Right((done, _)) => return Err(unlent(done)),
    };
    attempt.handler.holds_tx(true);
    in_handler::enter(attempt.handler.name());
    Ok((tx, Lent { attempt: attempt.clone(), give_back: Some(give_back), done, reported: None }))
}

impl Lent {
    async fn give_back(mut self, tx: Option<Box<dyn Tx>>) -> Result<()> {
        if let Some((tx, give_back)) = tx.zip(self.give_back.take()) {
            // Where nobody takes it any more the store knows why.
            let _ = give_back.send(tx);
        }
        (&mut self.done).await?;
        self.attempt.set_finish_state(FinishState::Committed);
        self.reported = None;
        Ok(())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.attempt.handler.holds_tx(false);
        in_handler::leave(self.attempt.handler.name());
        if let Some(progress) = self.reported.take() {
            self.attempt.put_progress_back(progress);
        }
    }
}

/// Lends its transaction to the job's own task.
struct FinishWork {
    attempt: Arc<Attempt>,
    driver: &'static str,
    /// Gone after the first run.
    lend: Mutex<Option<oneshot::Sender<Loan>>>,
}

/// A transaction that is out on loan.
struct Out<'w> {
    work: &'w FinishWork,
    returned: oneshot::Receiver<Box<dyn Tx>>,
}

impl Drop for Out<'_> {
    /// Whoever still has the transaction when the store takes it away has had it for too long.
    fn drop(&mut self) {
        if let Err(TryRecvError::Empty) = self.returned.try_recv() {
            let budget = self.work.attempt.shared.config.limits().budget;
            self.work.attempt.interrupt(StoreError::Budget { work: self.work.name(), budget });
        }
    }
}

#[async_trait]
impl Work for FinishWork {
    fn name(&self) -> String {
        self.attempt.facts.label.to_string()
    }

    fn driver(&self) -> &'static str {
        self.driver
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let Some(lend) = self.lend.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            // The statements were the handler's, and only a new attempt can make them again.
            let context =
                format!("finishing {} beside work that lost the transaction", self.attempt.facts.label);
            return (tx, Err(StoreError::Busy { context, source: None }));
        };
        let (give_back, returned) = oneshot::channel();
        if let Err((tx, _)) = lend.send((tx, give_back)) {
            return (tx, Err(StoreError::Undone));
        }
        let mut out = Out { work: self, returned };
        match (&mut out.returned).await {
            Ok(tx) => (tx, Ok(())),
            // It was dropped without a commit, and with it whoever waits for this work: the store cancels it.
            Err(_) => pending().await,
        }
    }
}
