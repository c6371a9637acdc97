//! Stores with a planted bug. Each must be caught by its suite; a suite that passes its twin proves nothing.
//!
//! | twin | the bug | caught by |
//! |---|---|---|
//! | [`CursorApart`] | the cursor moves in a transaction of its own | `fencing::the_cursor_moves_with_the_effects`, `fencing::effects_happen_once_whatever_fails` |
//! | [`NoFence`] | the lease is ignored | `fencing::a_void_lease_writes_nothing`, `fencing::a_new_holder_voids_earlier_leases` |
//! | [`NoFence`] | the same | `partitions::nothing_is_lost_or_doubled_while_holders_change` |
//! | [`Displaces`] | a live holder is displaced | `partitions::a_live_holder_is_not_displaced` |
//! | [`AnyGeneration`] | another version than the last one works | `partitions::the_version_that_was_started_last_works` |
//! | [`NoParts`] | a partition is read whole | `partitions::each_message_is_in_one_partition` |
//! | [`EarlyAck`] | some commits are acknowledged and then lost | `visibility::what_is_acknowledged_survives_a_crash` |
//! | [`SkipsSome`] | a reader loses a message now and then | `concurrent::no_reader_skips_or_repeats_a_committed_message` |
//! | [`Reversed`] | a batch comes newest first | `reading::messages_come_in_the_order_of_their_appending`, `concurrent::no_consumer_sees_an_effect_before_its_cause` |
//! | [`ForgetsBehind`] | what waits behind a parked head is dropped | `parking::a_parked_head_holds_its_key` |
//! | [`CoversParked`] | a batch is receipted whole, with what was parked from it | `receipts::receipts_cover_exactly_what_was_handled` |
//! | [`ClaimsUnread`] | what lies ahead of a consumer is told as handled | `flow::each_handling_is_told_as_it_stands` |
//! | [`AsksTwice`] | a flow's messages are of another moment than what became of them | `flow::a_flow_is_read_as_of_one_moment` |
//! | [`jobs`] | bugs in how jobs are kept | see there |
//!
//! The twins of the traps that only concurrent writers can spring, a reader by sequence number and a reader by
//! transaction id, live in the store that has such writers.
//!
//! Use them through [`LayeredFactory`](crate::factory::LayeredFactory) and
//! [`assert_catches`](crate::suite::assert_catches).

pub mod jobs;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tidings_core::envelope::Cursor;
use tidings_core::flow::{FlowFacts, HandlingState};
use tidings_core::partition::Part;
use tidings_core::store::{
    Batch, Filter, Holding, Lease, Limits, Member, Parked, ParkedState, Receipt, Store, StoreError, Tx, Work,
    WorkerId,
};

use crate::faults::Step;
use crate::layer::Layer;
use crate::script::{Op, Script};

/// Moves cursors in a transaction of their own, whatever becomes of the effects.
#[derive(Default)]
pub struct CursorApart {
    moves: Mutex<Vec<Op>>,
}

#[async_trait]
impl Layer for CursorApart {
    async fn advance(
        &self,
        _tx: &mut dyn Tx,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        let op = Op::Advance(lease.clone(), to.clone(), handled.cloned());
        self.moves.lock().unwrap_or_else(PoisonError::into_inner).push(op);
        Ok(())
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        let result = inner.transact(work, limits).await;
        let moves = std::mem::take(&mut *self.moves.lock().unwrap_or_else(PoisonError::into_inner));
        if !moves.is_empty() {
            inner.transact(Arc::new(Script::named("the cursor", moves)), limits).await?;
        }
        result
    }
}

/// Ignores leases: shows the store the newest lease, whoever asks.
#[derive(Default)]
pub struct NoFence {
    newest: Mutex<BTreeMap<(Arc<str>, u16), Lease>>,
}

impl Layer for NoFence {
    fn held(&self, holding: &Holding) {
        let lease = holding.lease.clone();
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).insert(place(&lease), lease);
    }

    fn shown(&self, lease: &Lease) -> Lease {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.get(&place(lease)).unwrap_or(lease).clone()
    }
}

fn place(lease: &Lease) -> (Arc<str>, u16) {
    (lease.consumer.clone(), lease.partition)
}

/// Gives a partition to whoever asks, although somebody holds it who is alive.
#[derive(Default)]
pub struct Displaces {
    held: Mutex<BTreeMap<(Arc<str>, u16), Lease>>,
}

#[async_trait]
impl Layer for Displaces {
    async fn hold(
        &self,
        inner: &dyn Store,
        consumer: &str,
        partition: u16,
        worker: WorkerId,
    ) -> Result<Holding, StoreError> {
        let place = (consumer.into(), partition);
        let before = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
        if let Some(before) = before {
            inner.give_back(&before).await?;
        }
        inner.hold(consumer, partition, worker).await
    }

    fn held(&self, holding: &Holding) {
        let lease = holding.lease.clone();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(place(&lease), lease);
    }
}

/// Lets also those work who know another version of a consumer than was registered last.
#[derive(Default)]
pub struct AnyGeneration;

#[async_trait]
impl Layer for AnyGeneration {
    async fn hold(
        &self,
        inner: &dyn Store,
        consumer: &str,
        partition: u16,
        worker: WorkerId,
    ) -> Result<Holding, StoreError> {
        match inner.hold(consumer, partition, worker).await {
            Err(StoreError::Outdated { .. }) => {
                let other = inner.enlist(&Member::named("one who says nothing"), Duration::ZERO).await?;
                inner.hold(consumer, partition, other).await
            }
            held => held,
        }
    }
}

/// Reads every partition whole.
#[derive(Default)]
pub struct NoParts;

impl Layer for NoParts {
    fn filter(&self, filter: &Filter) -> Filter {
        filter.of(Part::WHOLE)
    }
}

/// Acknowledges every seventh commit, and loses it: a skipped flush on a machine that loses its power.
#[derive(Default)]
pub struct EarlyAck {
    commits: AtomicUsize,
}

#[async_trait]
impl Layer for EarlyAck {
    async fn before(&self, step: Step) -> Result<(), StoreError> {
        if step == Step::Commit && self.commits.fetch_add(1, Ordering::Relaxed) % 7 == 6 {
            return Err(lost());
        }
        Ok(())
    }

    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        match inner.transact(work, limits).await {
            Err(StoreError::NotFound { what }) if what == LOST => Ok(()),
            other => other,
        }
    }
}

const LOST: &str = "a commit that a planted bug lost";

fn lost() -> StoreError {
    StoreError::NotFound { what: LOST.to_owned() }
}

/// Loses every fortieth message that is read.
#[derive(Default)]
pub struct SkipsSome {
    read: AtomicUsize,
}

impl Layer for SkipsSome {
    fn batch(&self, mut batch: Batch) -> Batch {
        let lost: Vec<_> =
            batch.messages.iter().map(|_| self.read.fetch_add(1, Ordering::Relaxed) % 40 == 39).collect();
        keep_unless(&mut batch, &lost);
        batch
    }
}

fn keep_unless(batch: &mut Batch, drop: &[bool]) {
    let mut flags = drop.iter();
    batch.messages.retain(|_| !flags.next().copied().unwrap_or_default());
    let mut flags = drop.iter();
    batch.cursors.retain(|_| !flags.next().copied().unwrap_or_default());
}

/// Shows the messages of a batch newest first.
#[derive(Default)]
pub struct Reversed;

impl Layer for Reversed {
    fn batch(&self, mut batch: Batch) -> Batch {
        batch.messages.reverse();
        batch
    }
}

/// Drops what is parked behind a head.
#[derive(Default)]
pub struct ForgetsBehind;

#[async_trait]
impl Layer for ForgetsBehind {
    async fn park(&self, tx: &mut dyn Tx, lease: &Lease, parked: &[Parked]) -> Result<(), StoreError> {
        let heads: Vec<_> =
            parked.iter().filter(|parked| parked.state != ParkedState::Behind).cloned().collect();
        tx.park(lease, &heads).await
    }
}

/// Parks nothing and says that it did: the receipts of batches then cover what failed.
#[derive(Default)]
pub struct CoversParked;

#[async_trait]
impl Layer for CoversParked {
    async fn park(&self, _tx: &mut dyn Tx, _lease: &Lease, _parked: &[Parked]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Takes what is not read yet for handled.
#[derive(Default)]
pub struct ClaimsUnread;

#[async_trait]
impl Layer for ClaimsUnread {
    fn facts(&self, mut facts: FlowFacts) -> FlowFacts {
        for message in &mut facts.messages {
            for handling in &mut message.handlings {
                if handling.state == HandlingState::Unread {
                    handling.state = HandlingState::Handled { at: message.time, attempts: None };
                }
            }
        }
        facts
    }
}

/// Asks for a flow's messages first, and later what became of them.
#[derive(Default)]
pub struct AsksTwice {
    before: Mutex<Option<FlowFacts>>,
}

#[async_trait]
impl Layer for AsksTwice {
    fn facts(&self, facts: FlowFacts) -> FlowFacts {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = before.replace(facts.clone()).unwrap_or_else(|| facts.clone());
        for (message, now) in told.messages.iter_mut().zip(facts.messages) {
            message.handlings = now.handlings;
        }
        told
    }
}
