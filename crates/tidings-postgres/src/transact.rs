//! Works on connections: begun, bounded, run again where that helps, committed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use sqlx::Postgres;
use sqlx::pool::PoolConnection;
use tidings_core::store::{Limits, StoreError, Work};

use crate::TYPED;
use crate::config::Isolation;
use crate::error::{Sort, meaning, sort};
use crate::pool::beginning;
use crate::store::PostgresStore;
use crate::tx::{Again, PgTx, Purpose};
use crate::watch::Touched;

/// How much longer than a work may take its transaction may stand still.
const IDLE_SLACK: Duration = Duration::from_secs(2);

/// The first pause before a work runs again; it doubles each time.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What one run of a work came to.
enum Ran {
    Ended(Result<(), StoreError>),
    /// It got in another's way, or its connection was lost before the commit; the error says so.
    Again(StoreError),
}

/// The time that a caller gives a work in all.
struct Turn {
    begun: Instant,
    wait: Option<Duration>,
}

impl Turn {
    /// What is left, `or` where there is no bound.
    fn left(&self, or: Duration) -> Duration {
        self.wait.map_or(or, |wait| wait.saturating_sub(self.begun.elapsed()))
    }

    fn timeout(&self, work: &dyn Work, waited_for: Option<String>) -> StoreError {
        StoreError::Timeout { work: work.name(), waited: self.begun.elapsed(), waited_for }
    }
}

impl PostgresStore {
    /// Runs a work in a transaction that may write, again where that helps, and commits it. Says what it has written.
    pub(crate) async fn write(&self, work: &dyn Work, limits: Limits) -> Result<Touched, StoreError> {
        let isolation = if work.runs_handlers() { self.config.isolation } else { Isolation::ReadCommitted };
        let purpose = Purpose {
            begin: self.begin_statement(isolation.begin(), limits),
            fullness: self.fullness.clone(),
            jobs: self.jobs.clone(),
            drains_log: work.drains_log(),
            reads_only: false,
        };
        let turn = Turn { begun: Instant::now(), wait: limits.wait };
        let mut pause = PAUSE_MIN;
        for run in 0.. {
            let mut written = Touched::default();
            let error = match self.run_once(work, limits, &turn, &purpose, &mut written).await {
                Ran::Ended(result) => return result.map(|()| written),
                Ran::Again(error) => error,
            };
            let pause_now = jittered(pause);
            if run >= self.config.reruns_max || turn.left(Duration::MAX) <= pause_now {
                return Err(error);
            }
            tracing::debug!(work = work.name(), %error, "a work runs again");
            tokio::time::sleep(pause_now).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        unreachable!("the runs are counted")
    }

    /// Runs a work against one snapshot. What it has read it need not commit.
    pub(crate) async fn look(&self, work: &dyn Work, limits: Limits) -> Result<(), StoreError> {
        let purpose = Purpose {
            begin: self.begin_statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", limits),
            fullness: self.fullness.clone(),
            jobs: self.jobs.clone(),
            drains_log: true,
            reads_only: true,
        };
        let turn = Turn { begun: Instant::now(), wait: limits.wait };
        let tx = self.begin(work, &turn, &purpose).await?;
        let (mut tx, result) = self.run(work, limits, tx).await?;
        tx.rollback().await;
        result
    }

    /// Begins a transaction that may write, for a caller who goes on and commits by itself.
    pub(crate) async fn begin_for(&self, work: &dyn Work, limits: Limits) -> Result<PgTx, StoreError> {
        let purpose = Purpose {
            begin: self.begin_statement(self.config.isolation.begin(), limits),
            fullness: self.fullness.clone(),
            jobs: self.jobs.clone(),
            drains_log: false,
            reads_only: false,
        };
        let turn = Turn { begun: Instant::now(), wait: limits.wait };
        self.begin(work, &turn, &purpose).await
    }

    /// Commits such a transaction, and wakes whoever waits for what it has written.
    pub(crate) async fn commit_for(&self, tx: PgTx, work: &dyn Work) -> Result<(), StoreError> {
        let written = tx.kept.touched.clone();
        tx.commit(work.name(), self.config.answer_timeout).await?;
        self.committed(&written);
        Ok(())
    }

    async fn run_once(
        &self,
        work: &dyn Work,
        limits: Limits,
        turn: &Turn,
        purpose: &Purpose,
        written: &mut Touched,
    ) -> Ran {
        let tx = match self.begin(work, turn, purpose).await {
            Ok(tx) => tx,
            Err(error) => return Ran::Ended(Err(error)),
        };
        let (mut tx, result) = match self.run(work, limits, tx).await {
            Ok(ended) => ended,
            Err(error) => return Ran::Ended(Err(error)),
        };
        *written = tx.kept.touched.clone();
        // Whatever the work has made of it: nothing that it did can be committed.
        if let Some(again) = tx.kept.again {
            match again {
                Again::Conflict => tx.rollback().await,
                // Closed as it is dropped, and the others are looked at before they are used.
                Again::Lost => self.doubts.lost(),
                Again::Stale => self.doubts.stale(),
            }
            return Ran::Again(lost_to(again, work, result.err()));
        }
        match result {
            Ok(()) => match tx.commit(work.name(), turn.left(self.config.answer_timeout)).await {
                // The server has answered that it did not commit, because of another transaction.
                Err(error @ StoreError::Busy { .. }) => Ran::Again(error),
                ended => Ran::Ended(ended),
            },
            Err(error) => {
                tx.rollback().await;
                Ran::Ended(Err(error))
            }
        }
    }

    /// The statement that begins a transaction. The server's own bound on idleness is set once per connection; a work that may
    /// take longer brings its own.
    fn begin_statement(&self, begin: &str, limits: Limits) -> String {
        let idle = limits.budget.saturating_add(IDLE_SLACK);
        let begin = beginning(begin, self.config.behind_pooler);
        if idle <= self.config.idle_in_transaction_max && !self.config.behind_pooler {
            return begin;
        }
        let idle = idle.max(self.config.idle_in_transaction_max).as_millis().min(i32::MAX as u128);
        format!("{begin}; SET LOCAL idle_in_transaction_session_timeout = {idle}")
    }

    /// Begins a transaction, within the time the work may wait. A connection that turns out to be dead is passed over: after a
    /// restart of the server all of them are.
    async fn begin(&self, work: &dyn Work, turn: &Turn, purpose: &Purpose) -> Result<PgTx, StoreError> {
        if !matches!(work.driver(), "native" | TYPED) {
            let what = format!("the driver `{}` (there are `native` and `{TYPED}`)", work.driver());
            return Err(StoreError::NotFound { what });
        }
        let mut dead = 0;
        loop {
            let connection = self.connection(work, turn).await?;
            let begun = PgTx::begin(connection, purpose.clone());
            let Ok(begun) = tokio::time::timeout(turn.left(self.config.answer_timeout), begun).await else {
                return Err(turn.timeout(work, Some("the server's answer to BEGIN".to_owned())));
            };
            match begun {
                Ok(tx) => return Ok(tx),
                Err(error) if sort(&error) == Sort::Lost && dead < self.config.connections_max => {
                    self.doubts.lost();
                    dead += 1;
                }
                Err(error) => return Err(meaning(format!("beginning {}", work.name()), error)),
            }
        }
    }

    async fn connection(&self, work: &dyn Work, turn: &Turn) -> Result<PoolConnection<Postgres>, StoreError> {
        let left = turn.left(self.config.acquire_timeout).min(self.config.acquire_timeout);
        let acquired = tokio::time::timeout(left, self.pool.acquire()).await;
        match acquired.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Ok(connection) => Ok(connection),
            Err(sqlx::Error::PoolTimedOut) => Err(turn.timeout(work, Some(self.waited_for()))),
            Err(error) => Err(meaning(format!("connecting for {}", work.name()), error)),
        }
    }

    /// What keeps one from getting a connection.
    fn waited_for(&self) -> String {
        let all = self.pool.is_exhausted(self.config.connections_max);
        match all {
            true => format!(
                "a connection, and all {} are busy (`connections_max`) or cannot be made",
                self.config.connections_max
            ),
            false => "a connection, which the server does not give".to_owned(),
        }
    }

    /// Runs a work against a transaction. When it panics or takes too long, the connection is closed and with it the
    /// transaction.
    async fn run(
        &self,
        work: &dyn Work,
        limits: Limits,
        tx: PgTx,
    ) -> Result<(PgTx, Result<(), StoreError>), StoreError> {
        let running = AssertUnwindSafe(work.run(Box::new(tx))).catch_unwind();
        let Ok(ended) = tokio::time::timeout(limits.budget, running).await else {
            return Err(StoreError::Budget { work: work.name(), budget: limits.budget });
        };
        let (tx, result) = ended.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            StoreError::Panicked { work: work.name(), message: text.to_owned() }
        })?;
        Ok((PgTx::take(tx)?, result))
    }
}

/// The error of a work that would have run again.
fn lost_to(again: Again, work: &dyn Work, error: Option<StoreError>) -> StoreError {
    match error {
        Some(error @ StoreError::Busy { .. }) => error,
        other => {
            let what = match again {
                Again::Conflict => "got in the way of another transaction",
                Again::Lost => "has lost its connection to the server",
                Again::Stale => "found its tables changed",
            };
            let context = format!("{} {what}; nothing was written", work.name());
            StoreError::Busy { context, source: other.map(Into::into) }
        }
    }
}

/// Between half and one and a half of a pause, so that two who met do not meet again.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1_000;
    pause / 2 + pause.mul_f64(random as f64 / 1_000.0)
}
