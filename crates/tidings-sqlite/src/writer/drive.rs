//! Running one work to its end, whatever that is.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidings_core::store::{StoreError, Tx, Work};
use tokio::sync::oneshot;

use super::Driver;
use crate::job::Job;
use crate::watchdog::Slot;

/// The clock of a work that has had its turn. It runs until this is dropped: a task or a statement that the work left
/// behind may still hold the connection, and whoever goes on with the transaction then waits for that.
pub(crate) struct Clock<'s>(&'s Slot);

impl Drop for Clock<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs one work in the open transaction and takes the transaction back.
pub(crate) async fn run_work<'s, D: Driver>(
    driver: &mut D,
    slot: &'s Slot,
    job: &mut Job,
    nested: bool,
) -> (Result<(), StoreError>, Clock<'s>) {
    let clock = Clock(slot);
    let tx = match driver.lend(nested, job.work.drains_log()).await {
        Ok(tx) => tx,
        Err(error) => return (Err(error), clock),
    };
    let (work, budget) = (job.work.clone(), job.limits.budget);
    slot.begin(work.clone(), budget);
    let ended = drive(&work, tx, slot, job.reply_mut()).await;
    if !matches!(ended, Ended::Finished(_)) {
        slot.stop();
    }
    driver.take_back(nested && matches!(ended, Ended::Finished(_))).await;
    let result = match ended {
        Ended::Finished(result) => result,
        Ended::Panicked(message) => Err(StoreError::Panicked { work: work.name(), message }),
        Ended::Cancelled => Err(StoreError::Closed),
        Ended::OverBudget => Err(StoreError::Budget { work: work.name(), budget }),
    };
    (result, clock)
}

/// How a work ended.
enum Ended {
    /// By itself.
    Finished(Result<(), StoreError>),
    /// It panicked, with this message.
    Panicked(String),
    /// Its caller has gone.
    Cancelled,
    /// It ran over its budget.
    OverBudget,
}

type Running<'a> = Pin<Box<dyn Future<Output = (Box<dyn Tx>, Result<(), StoreError>)> + Send + 'a>>;

/// Polls the work until it ends, its caller goes, or its budget is used up. Its transaction is dropped here in any case.
async fn drive(
    work: &Arc<dyn Work>,
    tx: Box<dyn Tx>,
    slot: &Slot,
    reply: &mut oneshot::Sender<Result<(), StoreError>>,
) -> Ended {
    let mut running: Running<'_> = work.run(tx);
    let ended = poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
            Ok(Poll::Ready((_tx, result))) => return Poll::Ready(Ended::Finished(result)),
            Ok(Poll::Pending) => {}
            Err(panic) => return Poll::Ready(Ended::Panicked(message(panic.as_ref()))),
        }
        poll_interruption(slot, reply, context)
    })
    .await;
    // What a cancelled work holds may panic as it is dropped; that concerns nobody else either.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(running)));
    match (ended, dropped) {
        (Ended::Finished(_), _) if slot.is_over() => Ended::OverBudget,
        (Ended::Finished(result), _) => Ended::Finished(result),
        (ended, _) => ended,
    }
}

fn poll_interruption(
    slot: &Slot,
    reply: &mut oneshot::Sender<Result<(), StoreError>>,
    context: &mut Context<'_>,
) -> Poll<Ended> {
    if slot.poll_over(context).is_ready() {
        return Poll::Ready(Ended::OverBudget);
    }
    reply.poll_closed(context).map(|()| Ended::Cancelled)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no message)".to_owned())
}
