//! One attempt: messages through their handlers, in one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tidings_core::envelope::{Cursor, Position, Recorded};
use tidings_core::error::{Error, Result};
use tidings_core::store::{Lease, Limits, Parked, Receipt, Settled};
use tidings_core::trace::TraceContext;
use tracing::Instrument;

use super::carry::carry_out;
use crate::app::{Consumer, ConsumerWork, Shared};
use crate::ctx::{CtxCore, Origin, TxSlot};
use crate::handler::{Called, Erased, Payload};
use crate::telemetry;
use crate::unit::{self, Access, Unit};

/// What to attempt.
pub(super) struct Attempt {
    pub(super) lease: Lease,
    pub(super) deliveries: Vec<Delivery>,
    /// For messages that are new: the cursors behind each, counted from [`first`](Self::first).
    pub(super) cursors: Arc<[Cursor]>,
    pub(super) first: usize,
    pub(super) slice: Duration,
    /// The delivery that is running, or their number when all that were to run have ended; read when the attempt has
    /// failed.
    pub(super) at: AtomicUsize,
    pub(super) ending: Ending,
}

/// What becomes of an attempt that went well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Commit,
    /// It is as if the process had ended before the commit.
    #[cfg(feature = "testing")]
    Undo,
}

impl Attempt {
    /// Where the consumer stands when so many deliveries of new messages are done.
    pub(super) fn cursor_behind(&self, done: usize) -> Option<&Cursor> {
        self.cursors.get((self.first + done).checked_sub(1)?)
    }
}

pub(super) struct Delivery {
    pub(super) message: Arc<Recorded>,
    pub(super) task: Task,
}

pub(super) enum Task {
    /// Handle a message from the log.
    Fresh,
    /// Its key is held: put it behind.
    PutBehind(Parked),
    /// Handle a message that was parked, this often tried before.
    Retry(u32),
}

/// Runs the attempt and says how many deliveries are done; the rest was left for lack of time.
pub(super) async fn attempt(
    shared: &Arc<Shared>,
    consumer: &Arc<Consumer>,
    attempt: Arc<Attempt>,
) -> Result<usize> {
    let limits = Limits { wait: None, ..shared.config.limits() };
    let (within, of) = (shared.clone(), consumer.clone());
    let unit = Unit {
        name: format!("{} `{}`", consumer.spec.kind.as_str(), consumer.spec.name).into(),
        driver: consumer.driver(),
        start: Box::new(move |slot| {
            let (shared, consumer, attempt) = (within.clone(), of.clone(), attempt.clone());
            Box::pin(async move {
                let mut core = new_core(&shared, &consumer, slot);
                let result = deliver_all(&mut core, &consumer, &attempt).await;
                match core {
                    Some(core) => (core.into_tx(), result),
                    None => (None, result),
                }
            })
        }),
    };
    unit::run(shared, unit, limits, Access::Drain).await
}

fn new_core(shared: &Arc<Shared>, consumer: &Consumer, slot: TxSlot) -> Option<Box<CtxCore>> {
    let origin = Origin::nobody(TraceContext::default());
    Some(CtxCore::new(shared.clone(), consumer.module.clone(), origin, slot))
}

/// The context travels through each handler and comes back; it is gone only while a handler has it.
pub(super) type Core = Option<Box<CtxCore>>;

async fn deliver_all(core: &mut Core, consumer: &Consumer, attempt: &Attempt) -> Result<usize> {
    let mut behind = Vec::new();
    let (begun, mut first_write) = (Instant::now(), None);
    let mut done = 0;
    while done < attempt.deliveries.len() {
        attempt.at.store(done, Ordering::Relaxed);
        let delivery = &attempt.deliveries[done];
        if let Task::PutBehind(parked) = &delivery.task {
            behind.push(parked.clone());
            done += 1;
            continue;
        }
        done += deliver_next(core, consumer, &attempt.deliveries[done..], attempt.ending).await?;
        // Others wait for the writer too: what is done is done, the rest comes in the next transaction. Handlers that were
        // slow before they asked for the writer leave the others a transaction of their own as well.
        let Some(core) = core else { continue };
        let held = core.has_tx().then(|| first_write.get_or_insert_with(Instant::now).elapsed());
        let before = core.asked_at().unwrap_or_else(Instant::now).saturating_duration_since(begun);
        if before > attempt.slice || held.is_some_and(|held| held > attempt.slice) {
            break;
        }
    }
    attempt.at.store(done, Ordering::Relaxed);
    if let Some(core) = core {
        write_down(core, attempt, &behind, done).await?;
    }
    #[cfg(feature = "testing")]
    if attempt.ending == Ending::Undo {
        return Err(Error::failed(super::again::Undone));
    }
    Ok(done)
}

/// Runs one message, or as many of the next as go into one call of a handler of batches. Returns how many.
async fn deliver_next(
    core: &mut Core,
    consumer: &Consumer,
    next: &[Delivery],
    ending: Ending,
) -> Result<usize> {
    let message = &next[0].message;
    let (call, batched) = match &consumer.work {
        ConsumerWork::Carry(command) => return carry_out(core, command, message, ending).await.map(|()| 1),
        ConsumerWork::TakeReply(reply) => (&reply.call, false),
        ConsumerWork::Listen(routes) => {
            let unknown = || Error::permanent(format!("no handler for event `{}`", message.envelope.name));
            let route = routes.get(&*message.envelope.name).ok_or_else(unknown)?;
            (&route.call, route.batched)
        }
    };
    let same = |delivery: &&Delivery| {
        batched
            && delivery.message.envelope.name == message.envelope.name
            && !matches!(delivery.task, Task::PutBehind(_))
    };
    let count = next.iter().take_while(same).count().max(1);
    call_one(core, consumer, call, &next[..count]).await.map(|()| count)
}

async fn call_one(
    core: &mut Core,
    consumer: &Consumer,
    call: &Erased<()>,
    deliveries: &[Delivery],
) -> Result<()> {
    let Some(mut own) = core.take() else { return Err(lost_context()) };
    let (name, handler) = (&deliveries[0].message.envelope.name, &consumer.spec.name);
    let span = match deliveries {
        [one] => {
            (own.origin, own.batch) = (Origin::of(&one.message), Vec::new());
            telemetry::handle_span(name, handler, &own.origin)
        }
        several => {
            // Nobody can say which of them causes what the handler publishes; it may say so itself.
            own.origin = Origin::nobody(TraceContext::root());
            own.batch = several.iter().map(|delivery| Origin::of(&delivery.message)).collect();
            telemetry::batch_span(name, handler, &own.batch)
        }
    };
    let payloads = deliveries.iter().map(|delivery| Payload::Message(delivery.message.clone())).collect();
    let called: Called<()> = call(own, payloads);
    let (own, result) = called.instrument(span).await;
    *core = Some(own);
    result
}

pub(super) fn lost_context() -> Error {
    Error::failed("the context of an earlier message of this batch was lost")
}

/// Writes what the handlers sent and enqueued, what waits behind, and how far the consumer has come.
async fn write_down(core: &mut CtxCore, attempt: &Attempt, behind: &[Parked], done: usize) -> Result<()> {
    let now = core.now();
    core.write_jobs().await?;
    let outgoing = std::mem::take(&mut core.outgoing);
    let tx = core.tx().await;
    if !outgoing.is_empty() {
        tx.append(&outgoing).await?;
    }
    if !behind.is_empty() {
        tx.park(&attempt.lease, behind).await?;
    }
    let deliveries = &attempt.deliveries[..done];
    for delivery in deliveries {
        if let Task::Retry(attempts) = delivery.task {
            let how = Settled::Handled { at: now, attempts: attempts + 1 };
            tx.settle(&attempt.lease, delivery.message.position, &how).await?;
        }
    }
    if let Some(cursor) = attempt.cursor_behind(done) {
        tx.advance(&attempt.lease, cursor, receipt(deliveries, now).as_ref()).await?;
    }
    Ok(())
}

fn receipt(done: &[Delivery], at: Timestamp) -> Option<Receipt> {
    let mut handled = done.iter().filter(|delivery| matches!(delivery.task, Task::Fresh));
    let first: Position = handled.next()?.message.position;
    let (last, more) =
        handled.fold((first, 0), |(_, count), delivery| (delivery.message.position, count + 1));
    Some(Receipt { first, last, count: more + 1, at })
}
