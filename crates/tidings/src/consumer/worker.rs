//! The loop of one holder of a partition.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidings_core::envelope::{Cursor, Position};
use tidings_core::error::{Error, Result};
use tidings_core::key::Key;
use tidings_core::store::{Filter, Holding, Lease, Settled, StoreError, Watch};
use tokio::sync::mpsc;

use super::ahead::Read;
use super::careful::Care;
use super::deliver::Attempt;
use super::desk::Shift;
use super::{Control, Verdict};
use crate::app::{Consumer, Shared};
use crate::unit::{self, Access, Unit, UnitFuture};

/// A cursor that only passed messages of others is written this seldom: it saves work after a restart and lets
/// retention go on, but no correctness hangs on it.
const IDLE_CURSOR_EVERY: SignedDuration = SignedDuration::from_secs(60);

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) consumer: Arc<Consumer>,
    pub(super) lease: Lease,
    /// What it reads: the consumer's messages of this partition.
    pub(super) filter: Filter,
    /// Everything before it is handled or parked, or belongs to others.
    pub(super) cursor: Cursor,
    /// The cursor as it was last written.
    pub(super) written: Cursor,
    written_at: Timestamp,
    /// What was read while the messages before it were handled.
    pub(super) ahead: Option<Read>,
    /// Attempts at the batch before, let go of while the writer is busy with the next.
    pub(super) spent: Vec<Arc<Attempt>>,
    /// Keys that hold back later messages, with the number of their parked messages.
    pub(super) parked_keys: HashMap<Key, usize>,
    pub(super) next_due: Option<Timestamp>,
    pub(super) care: Care,
    /// The key whose parked messages are too many; until they are fewer nothing new is read.
    pub(super) blocked: bool,
    /// Messages for the next attempt; smaller than the configured batch while a failure is being narrowed down.
    pub(super) limit: usize,
    /// The lone message that is being tried again at once, with the rounds it has had.
    pub(super) transient: Option<(Position, u32)>,
    got_on: bool,
    shift: Shift,
}

/// Why a worker ended.
pub(super) enum Ended {
    /// Somebody else has the partition.
    NoTurn,
    Stopped,
    Fenced,
    Trouble(Error),
    /// Outside of the handlers, whose panics are failures of what they handle.
    Panicked(StoreError),
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        consumer: Arc<Consumer>,
        holding: Holding,
        mut care: Care,
        shift: Shift,
    ) -> Self {
        let batch = shared.config.listeners.batch.max(1);
        care.held(&holding, batch);
        Self {
            care,
            parked_keys: holding.parked.keys.into_iter().collect(),
            next_due: holding.parked.next_due,
            written: holding.cursor.clone(),
            cursor: holding.cursor,
            lease: holding.lease,
            filter: consumer.spec.filter.of(holding.part),
            written_at: shared.clock.now(),
            ahead: None,
            spent: Vec::new(),
            blocked: false,
            limit: batch,
            transient: None,
            got_on: false,
            shared,
            consumer,
            shift,
        }
    }

    /// The right under which it has worked.
    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// What the next holder within this process goes on with.
    pub(super) fn into_care(self) -> Care {
        self.care
    }

    /// Whether anything was achieved since the consumer was taken.
    pub(super) fn got_on(&self) -> bool {
        self.got_on
    }

    pub(super) async fn work(&mut self, control: &mut mpsc::Receiver<Control>) -> Ended {
        match self.work_on(control).await {
            Ok(()) => Ended::Stopped,
            Err(error) => match error.find::<StoreError>() {
                Some(StoreError::Fenced { .. }) => Ended::Fenced,
                Some(StoreError::Closed) => Ended::Stopped,
                _ => Ended::Trouble(error),
            },
        }
    }

    async fn work_on(&mut self, control: &mut mpsc::Receiver<Control>) -> Result<()> {
        let mut watch = self.shared.store.watch(&self.filter);
        self.settle_suspect().await?;
        while !self.is_stopped() {
            while let Ok(order) = control.try_recv() {
                self.obey(order).await?;
            }
            if self.is_due() {
                self.work_due(control).await?;
            } else if self.blocked || self.work_fresh(control).await? {
                self.rest(watch.as_mut(), control).await?;
            }
            self.got_on = true;
        }
        self.write_cursor().await
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.shift.is_over()
    }

    /// Whether the worker is to stop, or a person has decided something: both are looked at between attempts, so that
    /// neither waits for a whole batch to be narrowed down.
    pub(super) fn is_called_away(&self, control: &mpsc::Receiver<Control>) -> bool {
        self.is_stopped() || !control.is_empty()
    }

    /// Waits, but not past the stop.
    pub(super) async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.shift.over() => {}
        }
    }

    fn is_due(&self) -> bool {
        self.next_due.is_some_and(|due| due <= self.shared.clock.now())
    }

    /// Waits until there may be something to do.
    async fn rest(&mut self, watch: &mut dyn Watch, control: &mut mpsc::Receiver<Control>) -> Result<()> {
        let now = self.shared.clock.now();
        // Maintenance must not find an idle consumer in its way.
        let maintained =
            SignedDuration::try_from(Duration::from_secs(self.shared.config.retention.every_seconds));
        let every = IDLE_CURSOR_EVERY.min(maintained.unwrap_or(IDLE_CURSOR_EVERY));
        if self.cursor != self.written && now.duration_since(self.written_at) >= every {
            self.write_cursor().await?;
        }
        let due = self.next_due.unwrap_or(Timestamp::MAX);
        let order = tokio::select! {
            () = watch.changed(), if !self.blocked => None,
            () = self.shared.clock.sleep_until(due), if self.next_due.is_some() => None,
            order = control.recv() => order,
            () = self.shift.over() => None,
        };
        match order {
            Some(order) => self.obey(order).await,
            None => Ok(()),
        }
    }

    /// Writes the cursor if it has moved past messages of others.
    async fn write_cursor(&mut self) -> Result<()> {
        if self.cursor == self.written {
            return Ok(());
        }
        let (lease, cursor) = (self.lease.clone(), self.cursor.clone());
        self.write(move |tx| {
            let (lease, cursor) = (lease.clone(), cursor.clone());
            Box::pin(async move { tx.advance(&lease, &cursor, None).await })
        })
        .await?;
        self.note_written(self.cursor.clone());
        Ok(())
    }

    pub(super) fn note_written(&mut self, cursor: Cursor) {
        self.written = cursor.clone();
        self.cursor = cursor;
        self.written_at = self.shared.clock.now();
    }

    /// Carries out what a person decided about a dead letter.
    async fn obey(&mut self, order: Control) -> Result<()> {
        let now = self.shared.clock.now();
        let how = match order.verdict {
            Verdict::Retry => Settled::Revive { due: now },
            Verdict::Discard(reason) => Settled::Discarded { at: now, reason },
        };
        let (lease, position) = (self.lease.clone(), order.position);
        let written = self
            .write(move |tx| {
                let (lease, how) = (lease.clone(), how.clone());
                Box::pin(async move { tx.settle(&lease, position, &how).await })
            })
            .await;
        let answer = match written {
            Ok(()) => self.reload_parked().await,
            Err(error) => Err(error),
        };
        let (told, kept) = split(answer);
        if order.done.send(told).is_err() {
            tracing::debug!(consumer = %self.lease.consumer, "whoever decided about a dead letter has gone");
        }
        kept
    }

    /// Reads anew which keys are held and when something is due.
    pub(super) async fn reload_parked(&mut self) -> Result<()> {
        let parked = self.shared.store.parked_keys(&self.lease.consumer, self.lease.partition).await?;
        self.parked_keys = parked.keys.into_iter().collect();
        self.next_due = parked.next_due;
        self.blocked = false;
        Ok(())
    }

    /// Runs a few statements in a transaction of their own.
    pub(super) async fn write<F>(&self, statements: F) -> Result<()>
    where
        F: for<'t> Fn(
                &'t mut dyn tidings_core::store::Tx,
            ) -> futures_util::future::BoxFuture<'t, Result<(), StoreError>>
            + Send
            + Sync
            + 'static,
    {
        let statements = Arc::new(statements);
        let unit = Unit {
            name: self.consumer.spec.name.clone(),
            driver: self.consumer.driver(),
            start: Box::new(move |slot| {
                let statements = statements.clone();
                let future: UnitFuture<()> = Box::pin(async move {
                    let mut tx = slot.take().await;
                    let result = statements(tx.as_mut()).await.map_err(Error::from);
                    (Some(tx), result)
                });
                future
            }),
        };
        unit::run(&self.shared, unit, self.shared.config.limits(), Access::Own).await
    }
}

/// One error for two listeners: the person who asked, and the worker if it cannot go on.
fn split(result: Result<()>) -> (Result<(), StoreError>, Result<()>) {
    match result {
        Ok(()) => (Ok(()), Ok(())),
        Err(error) => match error.into_source().downcast::<StoreError>() {
            Ok(error) if matches!(*error, StoreError::NotFound { .. }) => (Err(*error), Ok(())),
            Ok(error) => (Err(StoreError::Closed), Err((*error).into())),
            Err(other) => (Err(StoreError::Closed), Err(Error::failed(other))),
        },
    }
}
