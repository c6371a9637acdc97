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
use crate::handler::{Called, Erased};
use crate::telemetry;
use crate::unit::{self, Access, Unit};

/// What to attempt.
pub(super) struct Attempt {
    pub(super) lease: Lease,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) slice: Duration,
    /// The delivery that is running, or their number when all that were to run have ended; read when the attempt has
    /// failed.
    pub(super) at: AtomicUsize,
}

pub(super) struct Delivery {
    pub(super) message: Arc<Recorded>,
    pub(super) task: Task,
}

pub(super) enum Task {
    /// Handle a message from the log, then stand behind it.
    Fresh(Cursor),
    /// Its key is held: put it behind, then stand behind it.
    PutBehind(Cursor, Parked),
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
        if let Task::PutBehind(_, parked) = &delivery.task {
            behind.push(parked.clone());
            done += 1;
            continue;
        }
        done += deliver_next(core, consumer, &attempt.deliveries[done..]).await?;
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
    Ok(done)
}

/// Runs one message, or as many of the next as go into one call of a handler of batches. Returns how many.
async fn deliver_next(core: &mut Core, consumer: &Consumer, next: &[Delivery]) -> Result<usize> {
    let message = &next[0].message;
    let (call, batched) = match &consumer.work {
        ConsumerWork::Carry(command) => return carry_out(core, command, message).await.map(|()| 1),
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
            && !matches!(delivery.task, Task::PutBehind(..))
    };
    let count = next.iter().take_while(same).count().max(1);
    let messages: Vec<&Recorded> = next[..count].iter().map(|delivery| &*delivery.message).collect();
    call_one(core, consumer, call, &messages).await.map(|()| count)
}

async fn call_one(
    core: &mut Core,
    consumer: &Consumer,
    call: &Erased<()>,
    messages: &[&Recorded],
) -> Result<()> {
    let Some(mut own) = core.take() else { return Err(lost_context()) };
    let origins: Vec<Origin> = messages.iter().map(|message| Origin::of(message)).collect();
    let (name, handler) = (&messages[0].envelope.name, &consumer.spec.name);
    let span = match &origins[..] {
        [origin] => telemetry::handle_span(name, handler, origin),
        several => telemetry::batch_span(name, handler, several),
    };
    (own.origin, own.batch) = match <[Origin; 1]>::try_from(origins) {
        Ok([origin]) => (origin, Vec::new()),
        // Nobody can say which of them causes what the handler publishes; it may say so itself.
        Err(several) => (Origin::nobody(TraceContext::root()), several),
    };
    let payloads = messages.iter().map(|message| message.envelope.data.as_str().into()).collect();
    let called: Called<()> = call(own, payloads);
    let (own, result) = called.instrument(span).await;
    *core = Some(own);
    result
}

pub(super) fn lost_context() -> Error {
    Error::failed("the context of an earlier message of this batch was lost")
}

/// Writes what the handlers sent, what waits behind, and how far the consumer has come.
async fn write_down(core: &mut CtxCore, attempt: &Attempt, behind: &[Parked], done: usize) -> Result<()> {
    let now = core.now();
    let outgoing = std::mem::take(&mut core.outgoing);
    let tx = core.tx().await;
    if !outgoing.is_empty() {
        tx.append(&outgoing).await?;
    }
    if !behind.is_empty() {
        tx.park(&attempt.lease, behind).await?;
    }
    let done = &attempt.deliveries[..done];
    for delivery in done {
        if let Task::Retry(attempts) = delivery.task {
            let how = Settled::Handled { at: now, attempts: attempts + 1 };
            tx.settle(&attempt.lease, delivery.message.position, &how).await?;
        }
    }
    if let Some(Task::Fresh(cursor) | Task::PutBehind(cursor, _)) = done.last().map(|delivery| &delivery.task)
    {
        tx.advance(&attempt.lease, cursor, receipt(done, now).as_ref()).await?;
    }
    Ok(())
}

fn receipt(done: &[Delivery], at: Timestamp) -> Option<Receipt> {
    let mut handled = done.iter().filter(|delivery| matches!(delivery.task, Task::Fresh(_)));
    let first: Position = handled.next()?.message.position;
    let (last, more) =
        handled.fold((first, 0), |(_, count), delivery| (delivery.message.position, count + 1));
    Some(Receipt { first, last, count: more + 1, at })
}
