//! Consumers of the log: one task each, working through the messages after its cursor.
//!
//! A consumer runs what waits in batches, each in one transaction that also moves its cursor. Only failures get rows of
//! their own: the message is parked, its key's later messages wait behind it, and the cursor goes on.

#[cfg(feature = "testing")]
mod again;
mod ahead;
mod careful;
mod carry;
mod deliver;
mod due;
mod failure;
mod fresh;
mod narrow;
mod patience;
mod worker;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tidings_core::envelope::Position;
use tidings_core::store::StoreError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::app::{Consumer, Shared};
use crate::patience::Patience;
use crate::unit::panicked;
#[cfg(feature = "testing")]
pub(crate) use again::again;
use careful::Care;
pub(crate) use failure::Failure;
pub(crate) use patience::pause_before_round;
use worker::{Ended, Worker};

/// What a person wants done with a dead letter.
pub(crate) struct Control {
    pub(crate) position: Position,
    pub(crate) verdict: Verdict,
    pub(crate) done: oneshot::Sender<Result<(), StoreError>>,
}

pub(crate) enum Verdict {
    Retry,
    Discard(String),
}

/// Runs a consumer until told to stop. When its store fails it waits, takes the consumer anew and goes on.
pub(crate) async fn run(
    shared: Arc<Shared>,
    consumer: Arc<Consumer>,
    mut control: mpsc::Receiver<Control>,
    mut stop: watch::Receiver<bool>,
) {
    let name = consumer.spec.name.clone();
    let mut patience = Patience::default();
    let mut care = Care::default();
    loop {
        let ended = match shared.store.hold(&name).await {
            Ok(holding) => {
                let carried = std::mem::take(&mut care);
                let mut worker =
                    Worker::new(shared.clone(), consumer.clone(), holding, carried, stop.clone());
                let ended = unbroken(&name, worker.work(&mut control)).await;
                if worker.got_on() {
                    patience = Patience::default();
                }
                care = worker.into_care();
                ended
            }
            Err(error) => Ended::Trouble(error.into()),
        };
        let pause = match ended {
            Ended::Stopped => return,
            Ended::Fenced => {
                tracing::warn!(consumer = %name, "another holder took over; taking the consumer again");
                patience.next()
            }
            Ended::Trouble(error) => patience.pause(&name, &error),
            Ended::Panicked(error) => {
                tracing::error!(consumer = %name, error = %error, "the consumer itself panicked; taking it again");
                patience.next()
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Works, and answers also if that panics outside of the handlers: nobody waits for the task, and the consumer would be
/// gone without a word.
async fn unbroken(name: &str, work: impl Future<Output = Ended>) -> Ended {
    let worked = AssertUnwindSafe(work).catch_unwind().await;
    worked.unwrap_or_else(|panic| Ended::Panicked(panicked(name, panic.as_ref())))
}
