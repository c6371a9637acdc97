//! Lending the writer's transaction to code that is no work: a caller that begins, goes on and commits by itself.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqliteConnection;
use tidings_core::envelope::Envelope;
use tidings_core::store::{Enqueued, JobEnd, JobLease, Limits, NewJob, StoreError};
use tokio::sync::{Mutex, MutexGuard, oneshot};

use super::append::append;
use super::bare::Bare;
use super::connection::{Inner, Typed, connected};
use crate::fullness;
use crate::internal::Named;
use crate::native::lost;
use crate::statements::jobs::{end, enqueue};
use crate::store::SqliteStore;
use crate::wake::note_message;
use crate::writer::Turn;

const NAME: &str = "a transaction begun outside of handlers (`outbox.begin()`)";
/// The same when it is over and cannot be taken back.
const NAME_HELD: &str =
    "a transaction begun outside of handlers (`outbox.begin()`), whose holder has kept its `LentConnection`,";

/// A read-write transaction in the caller's hands. While it lives nobody else writes, so it has a budget: when that is
/// used up, the transaction is rolled back and every later use fails with [`StoreError::Budget`].
///
/// Dropping it rolls it back.
pub struct OwnedSqliteTx {
    lent: Arc<Lent>,
    end: Option<oneshot::Sender<End>>,
}

struct Lent {
    typed: Arc<Typed>,
    inner: Arc<Mutex<Inner>>,
    over: AtomicBool,
    budget: Duration,
}

enum End {
    Commit(oneshot::Sender<Result<(), StoreError>>),
    Rollback(oneshot::Sender<Result<(), StoreError>>),
}

/// The connection of an [`OwnedSqliteTx`], for as long as a few statements take.
///
/// Do not keep it while waiting for anything else. Nobody can take it away from its holder, so the transaction cannot be
/// taken back before this is dropped, though its budget be used up: statements fail from then on, the holder is named in
/// the log every second, and new transactions are refused as [`Blocked`](StoreError::Blocked). Those that wait already go
/// on waiting, within their own limits.
pub struct LentConnection<'a>(MutexGuard<'a, Inner>);

impl Deref for LentConnection<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.0.connection.as_ref().expect("`OwnedSqliteTx::connection` has looked")
    }
}

impl DerefMut for LentConnection<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.0.connection.as_mut().expect("`OwnedSqliteTx::connection` has looked")
    }
}

impl SqliteStore {
    /// Begins a transaction (`BEGIN IMMEDIATE`) for code that runs outside the runtime's works. It waits its turn in the
    /// writer's queue like any work, and has the writer to itself until it ends: keep it short, and await nothing in it
    /// but the database.
    ///
    /// # Errors
    /// As of [`transact`](tidings_core::store::Store::transact).
    pub async fn begin(&self) -> Result<OwnedSqliteTx, StoreError> {
        self.begin_within(Limits::default()).await
    }

    /// As [`begin`](Self::begin), with other limits.
    ///
    /// # Errors
    /// As of [`transact`](tidings_core::store::Store::transact).
    pub async fn begin_within(&self, limits: Limits) -> Result<OwnedSqliteTx, StoreError> {
        let (reply, lent) = oneshot::channel();
        self.queue_write(Turn::Lend(LendJob { reply, limits }))?;
        let lent = async { lent.await.unwrap_or(Err(StoreError::Closed)) };
        let Some(wait) = limits.wait else { return lent.await };
        let timeout = |_| StoreError::Timeout {
            work: NAME.to_owned(),
            waited: wait,
            waited_for: Some(self.shared.writer_awaited()),
        };
        tokio::time::timeout(wait, lent).await.map_err(timeout)?
    }
}

impl OwnedSqliteTx {
    /// The connection, for statements: `sqlx::query(..).execute(&mut *tx.connection().await?)`.
    ///
    /// # Errors
    /// [`StoreError::Budget`] if the transaction was taken back.
    pub async fn connection(&mut self) -> Result<LentConnection<'_>, StoreError> {
        let inner = self.lent.inner.lock().await;
        self.lent.check()?;
        match &inner.connection {
            Some(_) => Ok(LentConnection(inner)),
            None => Err(lost(NAME, None)),
        }
    }

    /// Appends messages. They exist if and only if the transaction commits.
    ///
    /// # Errors
    /// [`StoreError::Budget`], [`StoreError::LogFull`], or what the database says.
    pub async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        let mut inner = self.lent.inner.lock().await;
        self.lent.check()?;
        let (env, connection) = (&self.lent.typed.env, connected(&mut inner)?);
        fullness::check_on(env, connection).await?;
        let done = append(connection, messages).await;
        let newest =
            done.map_err(|source| self.lent.typed.explain("appending to a lent transaction", source))?;
        newest.into_iter().for_each(|newest| env.fullness.appended(newest));
        messages.iter().for_each(|message| note_message(&mut inner.topics, message));
        Ok(())
    }

    /// Enqueues jobs. They exist if and only if the transaction commits.
    ///
    /// # Errors
    /// [`StoreError::Budget`], or what the database says.
    pub async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        let mut inner = self.lent.inner.lock().await;
        enqueue(&mut self.lent.bare(&mut inner)?, jobs).await
    }

    /// Ends attempts of jobs; says of each whether its lease was good.
    ///
    /// # Errors
    /// [`StoreError::Budget`], or what the database says.
    pub async fn end_attempts(
        &mut self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        let mut inner = self.lent.inner.lock().await;
        end(&mut self.lent.bare(&mut inner)?, ends, at).await
    }

    /// Commits; returns when that is durable.
    ///
    /// # Errors
    /// [`StoreError::Budget`] if the transaction was taken back, [`StoreError::TransactionLost`] if a statement ended it,
    /// or what the database says. Nothing is committed then, but after [`StoreError::Unknown`]: the file system failed
    /// during the commit, and it may have happened.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.finish(End::Commit).await
    }

    /// Rolls back; returns when that is done.
    ///
    /// # Errors
    /// [`StoreError::Budget`] if that had happened before.
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.finish(End::Rollback).await
    }

    async fn finish(
        mut self,
        how: impl FnOnce(oneshot::Sender<Result<(), StoreError>>) -> End,
    ) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        if let Some(end) = self.end.take() {
            // Where nobody takes the message any more the answer's channel closes with it.
            let _ = end.send(how(reply));
        }
        answer.await.unwrap_or_else(|_| self.lent.check().and(Err(StoreError::Closed)))
    }
}

impl Lent {
    /// The connection for the store's own statements, unless the transaction was taken back.
    fn bare<'l>(&'l self, inner: &'l mut Inner) -> Result<Bare<'l>, StoreError> {
        self.check()?;
        let Inner { connection, topics, .. } = inner;
        let connection = connection.as_mut().ok_or_else(|| lost(NAME, None))?;
        Ok(Bare { connection, env: &self.typed.env, topics })
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.over.load(Acquire) {
            return Err(StoreError::Budget { work: NAME.to_owned(), budget: self.budget });
        }
        Ok(())
    }
}

/// A caller in line for the transaction.
pub(crate) struct LendJob {
    reply: oneshot::Sender<Result<OwnedSqliteTx, StoreError>>,
    limits: Limits,
}

impl LendJob {
    /// Lends the transaction and waits for its end. Runs on the writer's thread.
    pub(crate) async fn run(self, typed: &Arc<Typed>) {
        if self.reply.is_closed() {
            return;
        }
        if let Err(error) = typed.begin().await {
            drop(self.reply.send(Err(error)));
            return;
        }
        let lent = Arc::new(Lent {
            typed: typed.clone(),
            inner: typed.shared(),
            over: AtomicBool::new(false),
            budget: self.limits.budget,
        });
        typed.slot.begin(Arc::new(Named(NAME)), self.limits.budget);
        let (end, ended) = oneshot::channel();
        let tx = OwnedSqliteTx { lent: lent.clone(), end: Some(end) };
        // A caller that has gone meanwhile drops the transaction, which ends it like any other drop.
        drop(self.reply.send(Ok(tx)));
        let how = wait(typed, ended).await;
        lent.over.store(true, Release);
        end_lent(typed, how).await;
    }
}

/// How the caller wants to end it; `None` if it was dropped or is over its budget.
async fn wait(typed: &Typed, mut ended: oneshot::Receiver<End>) -> Option<End> {
    std::future::poll_fn(|context| {
        if let std::task::Poll::Ready(how) = std::pin::Pin::new(&mut ended).poll(context) {
            return std::task::Poll::Ready(how.ok());
        }
        typed.slot.poll_over(context).map(|()| None)
    })
    .await
}

async fn end_lent(typed: &Typed, how: Option<End>) {
    let (reply, commit) = match how {
        Some(End::Commit(reply)) => (Some(reply), true),
        Some(End::Rollback(reply)) => (Some(reply), false),
        None => (None, false),
    };
    if !commit {
        typed.slot.stop();
        if typed.is_borrowed() {
            typed.slot.rename(Arc::new(Named(NAME_HELD)));
        }
    }
    let result = if commit { typed.commit_lent(NAME).await } else { typed.settle().await };
    typed.slot.end();
    if (!commit || result.is_err())
        && let Err(error) = typed.rollback().await
    {
        tracing::error!(%error, "a lent transaction could not be rolled back");
    }
    if let Some(reply) = reply {
        drop(reply.send(result));
    }
}
