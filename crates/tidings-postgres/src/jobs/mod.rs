//! Jobs.
//!
//! Most of it is in the functions of `migrations/0002_jobs*.sql`, because what belongs together is then one round trip, and
//! no process that stands still between two statements holds what others wait for.

mod claim;
mod crons;
mod end;
mod enqueue;
pub(crate) mod inspect;
mod lives;
mod manage;
mod names;
mod rate;
mod retention;
pub(crate) mod schema;
mod sweeps;
mod tx;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Cancelled, Claim, Claimed, CronSpec, CronTick, EndAndClaim, Heartbeat, JobEnd, JobLease, JobStore,
    Member, StoreError, Watch, WorkerId,
};

use crate::error::meaning;
use crate::pool::Alone as _;
use crate::store::PostgresStore;
use crate::watch::Touched;

pub(crate) use lives::Lives;
pub(crate) use retention::delete_ended;
pub(crate) use sweeps::Sweeps;
pub(crate) use tx::{
    claim_jobs, claim_suspect, end_attempts, enqueue, move_cron, queues_of, report_progress,
};

/// What the store keeps in memory of jobs.
#[derive(Default)]
pub(crate) struct Jobs {
    pub(crate) sweeps: Sweeps,
    pub(crate) lives: Lives,
}

/// So often a statement is run that others were in the way of.
const TRIES_MAX: u32 = 8;
/// Before it is run again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

#[async_trait]
impl JobStore for PostgresStore {
    async fn enlist(&self, member: &Member, lease: Duration) -> Result<WorkerId, StoreError> {
        let worker = workers::enlist(self, member, lease).await?;
        self.is_enlisted_as(worker);
        self.crew_has_changed();
        Ok(worker)
    }

    async fn heartbeat(&self, worker: WorkerId) -> Result<Heartbeat, StoreError> {
        workers::heartbeat(self, worker).await
    }

    async fn take_over(&self, worker: WorkerId, now: Timestamp) -> Result<u64, StoreError> {
        workers::take_over(self, worker, now).await
    }

    async fn dismiss(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        workers::dismiss(self, worker, now).await?;
        self.crew_has_changed();
        Ok(())
    }

    async fn place_jobs(&self, queues: &[(Arc<str>, Arc<str>)]) -> Result<Vec<(Arc<str>, u64)>, StoreError> {
        names::place(self, queues).await
    }

    async fn cancel_job(&self, id: MessageId, reason: &str, now: Timestamp) -> Result<Cancelled, StoreError> {
        manage::cancel(self, id, reason, now).await
    }

    async fn revive_job(&self, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
        manage::revive(self, id, now).await
    }

    async fn discard_job(&self, id: MessageId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        manage::discard(self, id, reason, now).await
    }

    async fn pause_queue(&self, queue: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        manage::pause(self, queue, Some(reason), now).await
    }

    async fn resume_queue(&self, queue: &str, now: Timestamp) -> Result<(), StoreError> {
        manage::pause(self, queue, None, now).await
    }

    async fn suspects(&self, queues: &[Arc<str>], names: &[Arc<str>]) -> Result<Vec<Arc<str>>, StoreError> {
        workers::suspects(self, queues, names).await
    }

    async fn register_crons(&self, crons: &[CronSpec], _now: Timestamp) -> Result<Vec<CronTick>, StoreError> {
        crons::register(self, crons).await
    }

    fn watch_queue(&self, queue: &str) -> Box<dyn Watch> {
        self.queue_waiter(queue)
    }
}

impl PostgresStore {
    /// Runs one statement, as often as others were in the way of it.
    async fn statement<'q>(
        &self,
        context: &str,
        query: impl Fn() -> Query<'q, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut tries = 1;
        loop {
            let run = query().all(self.pool());
            match self.answer(context, async { Ok(run.await) }).await? {
                Ok(rows) => return Ok(rows),
                Err(error) if tries < TRIES_MAX && was_in_the_way(&error) => tries += 1,
                Err(error) => return Err(meaning(context.to_owned(), error)),
            }
            tokio::time::sleep(TRY_AGAIN_AFTER * tries).await;
        }
    }

    fn wake_queues<Q: AsRef<str>>(&self, queues: &[Q]) {
        let mut touched = Touched::default();
        for queue in queues {
            touched.queue(&queue.as_ref().into());
        }
        self.committed(&touched);
    }
}

#[async_trait]
impl EndAndClaim for PostgresStore {
    async fn end_and_claim(
        &self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
        claim: Option<&Claim<'_>>,
    ) -> Result<(Vec<bool>, Claimed), StoreError> {
        let work = || {
            claim
                .map_or_else(|| "the ends of attempts".to_owned(), |claim| format!("queue `{}`", claim.queue))
        };
        let mut connection = self
            .queues
            .lone()
            .await
            .map_err(|error| meaning(format!("a connection for {}", work()), error))?;
        let settling = async {
            match claim {
                Some(claim) => claim::end_and_claim(&mut connection, &self.jobs().sweeps, ends, at, claim)
                    .await
                    .map(|settled| (settled.good, settled.claimed, settled.queues)),
                None => end::end(&mut connection, ends, at)
                    .await
                    .map(|(good, queues)| (good, Claimed::default(), queues)),
            }
        };
        let Ok(settled) = tokio::time::timeout(self.config.answer_timeout, settling).await else {
            self.doubts.lost();
            connection.give_up();
            return Err(StoreError::Unknown { work: work() });
        };
        let (good, claimed, queues) = settled.map_err(|error| unknown_if_cut_off(error, work))?;
        let mut done = std::pin::pin!(connection.done());
        match tokio::time::timeout(self.config.answer_timeout, &mut done).await {
            Ok(done) => done.map_err(|error| unknown_if_cut_off(meaning(work(), error), work))?,
            Err(_elapsed) => {
                self.doubts.lost();
                return Err(StoreError::Unknown { work: work() });
            }
        }
        self.wake_queues(&queues);
        Ok((good, claimed))
    }
}

/// A connection that broke after the statement was sent: whether it was committed is anybody's guess.
fn unknown_if_cut_off(error: StoreError, work: impl FnOnce() -> String) -> StoreError {
    let is_cut_off = matches!(
        &error,
        StoreError::Busy { source: Some(source), .. } | StoreError::Sql { source, .. }
            if matches!(source.downcast_ref(), Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)))
    );
    if is_cut_off { StoreError::Unknown { work: work() } } else { error }
}

/// Serialisation failures and deadlocks: the statement was undone, and may succeed when it is run again.
fn was_in_the_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "40001" | "40P01"))
}
