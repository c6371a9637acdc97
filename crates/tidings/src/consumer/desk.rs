//! Where one partition of a consumer is worked, if it is this process's turn.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tidings_core::store::{Lease, StoreError, WorkerId};
use tokio::sync::{mpsc, watch};

use super::Control;
use super::careful::Care;
use super::worker::{Ended, Worker};
use crate::app::{Consumer, Shared};
use crate::patience::Patience;
use crate::unit::panicked;

/// What a desk is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is somebody else's turn, or somebody else is still at it.
    Wait,
    /// Take the partition for this worker, and work.
    Hold(WorkerId),
    /// Give back what is held, and go home.
    Stop,
}

/// How others speak to a desk.
pub(crate) struct Desk {
    pub(crate) partition: u16,
    orders: watch::Sender<Order>,
    control: mpsc::Sender<Control>,
}

/// People decide one after the other.
const CONTROLS_WAITING_MAX: usize = 16;

impl Desk {
    /// A desk, and its work until it is told to stop.
    pub(crate) fn set_up(
        shared: &Arc<Shared>,
        consumer: &Arc<Consumer>,
        partition: u16,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (orders, ordered) = watch::channel(Order::Wait);
        let (control, controlled) = mpsc::channel(CONTROLS_WAITING_MAX);
        let work = run(shared.clone(), consumer.clone(), partition, controlled, ordered);
        (Self { partition, orders, control }, work)
    }

    /// Says what is to be done; said again, it is a reason to try again.
    pub(crate) fn order(&self, order: Order) {
        self.orders.send_replace(order);
    }

    /// Whoever decides about a dead letter speaks to it here.
    pub(crate) fn control(&self) -> &mpsc::Sender<Control> {
        &self.control
    }
}

/// The time in which a partition is this process's to work.
pub(super) struct Shift {
    orders: watch::Receiver<Order>,
    worker: WorkerId,
}

impl Shift {
    pub(super) fn is_over(&self) -> bool {
        *self.orders.borrow() != Order::Hold(self.worker) || self.orders.has_changed().is_err()
    }

    pub(super) async fn over(&mut self) {
        // Where nobody gives orders any more it is over, too.
        let own = Order::Hold(self.worker);
        drop(self.orders.wait_for(|order| *order != own).await);
    }
}

/// Works when it is its turn. When its store fails it waits, takes the partition anew and goes on.
async fn run(
    shared: Arc<Shared>,
    consumer: Arc<Consumer>,
    partition: u16,
    mut control: mpsc::Receiver<Control>,
    mut orders: watch::Receiver<Order>,
) {
    let name = consumer.spec.name.clone();
    let (mut patience, mut care) = (Patience::default(), Care::default());
    loop {
        let order = *orders.borrow_and_update();
        let worker = match order {
            Order::Hold(worker) => worker,
            Order::Stop => return,
            Order::Wait => {
                if !next_order(&mut orders, &mut control, &name, partition).await {
                    return;
                }
                continue;
            }
        };
        let ended = match shared.store.hold(&name, partition, worker).await {
            Ok(holding) => {
                let (carried, shift) = (std::mem::take(&mut care), Shift { orders: orders.clone(), worker });
                let mut worker = Worker::new(shared.clone(), consumer.clone(), holding, carried, shift);
                let ended = unbroken(&name, worker.work(&mut control)).await;
                if worker.got_on() {
                    patience = Patience::default();
                }
                if matches!(ended, Ended::Stopped) {
                    give_back(&shared, worker.lease()).await;
                }
                care = worker.into_care();
                ended
            }
            Err(error) if is_no_turn(&error) => {
                tracing::debug!(consumer = %name, partition, error = %error, "it is not this process's turn");
                Ended::NoTurn
            }
            Err(error) => Ended::Trouble(error.into()),
        };
        let pause = match ended {
            // The store is closed, or there is another order.
            Ended::Stopped if *orders.borrow() != order => continue,
            Ended::Stopped | Ended::NoTurn => {
                if !next_order(&mut orders, &mut control, &name, partition).await {
                    return;
                }
                continue;
            }
            Ended::Fenced => {
                tracing::warn!(consumer = %name, partition, "another holder took over");
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
            changed = orders.wait_for(|now| *now != order) => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether somebody else has the partition, or may have it: whoever gives the orders finds out what is to be done.
fn is_no_turn(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::PartitionHeld { .. }
            | StoreError::Outdated { .. }
            | StoreError::Fenced { .. }
            | StoreError::NotFound { .. }
            | StoreError::Closed
    )
}

/// Waits for the next order, and meanwhile sends those away who want something done here; false if there will be none.
async fn next_order(
    orders: &mut watch::Receiver<Order>,
    control: &mut mpsc::Receiver<Control>,
    consumer: &str,
    partition: u16,
) -> bool {
    loop {
        tokio::select! {
            changed = orders.changed() => return changed.is_ok(),
            Some(asked) = control.recv() => {
                let holder = "another process".to_owned();
                let elsewhere = StoreError::PartitionHeld { consumer: consumer.to_owned(), partition, holder };
                if asked.done.send(Err(elsewhere)).is_err() {
                    tracing::debug!(consumer, "whoever decided about a dead letter has gone");
                }
            }
        }
    }
}

async fn give_back(shared: &Shared, lease: &Lease) {
    match shared.store.give_back(lease).await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => {
            let (consumer, partition) = (&lease.consumer, lease.partition);
            tracing::warn!(%consumer, partition, %error, "not given back in order: the next holder goes carefully");
        }
    }
}

/// Works, and answers also if that panics outside of the handlers: nobody waits for the task, and the consumer would be
/// gone without a word.
async fn unbroken(name: &str, work: impl Future<Output = Ended>) -> Ended {
    let worked = AssertUnwindSafe(work).catch_unwind().await;
    worked.unwrap_or_else(|panic| Ended::Panicked(panicked(name, panic.as_ref())))
}
