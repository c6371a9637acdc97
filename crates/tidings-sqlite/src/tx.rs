//! The transaction port over either driver.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tidings_core::envelope::{Cursor, Envelope, Position};
use tidings_core::store::{
    Begun, Claim, Claimed, ClaimedJob, Enqueued, JobEnd, JobLease, Lease, NewJob, OutcomeRecord, Parked,
    Receipt, Savepoint, Settled, StoreError, TableScope, Tx, WorkerId,
};
use tidings_core::value::{Row, Value};

use crate::exec::Exec;
use crate::statements::jobs;
use crate::{fullness, statements};

/// A transaction lent to a work. It is void once the work has ended: kept for longer, it refuses every call.
pub struct SqliteTx<E> {
    pub(crate) exec: E,
    savepoints: u32,
    /// A consumer's work: it appends at the hard limit too.
    drains_log: bool,
}

impl<E> SqliteTx<E> {
    pub(crate) fn new(exec: E, drains_log: bool) -> Self {
        Self { exec, savepoints: 0, drains_log }
    }
}

async fn check_room<E: Exec>(tx: &mut SqliteTx<E>, messages: &[Envelope]) -> Result<(), StoreError> {
    if tx.drains_log || messages.is_empty() { Ok(()) } else { fullness::check(&mut tx.exec).await }
}

#[async_trait]
impl<E: Exec + 'static> Tx for SqliteTx<E> {
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        check_room(self, messages).await?;
        self.exec.append(messages).await
    }

    async fn advance(
        &mut self,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        statements::advance(&mut self.exec, lease, to, handled).await
    }

    async fn park(&mut self, lease: &Lease, parked: &[Parked]) -> Result<(), StoreError> {
        statements::park(&mut self.exec, lease, parked).await
    }

    async fn settle(&mut self, lease: &Lease, position: Position, how: &Settled) -> Result<(), StoreError> {
        statements::settle(&mut self.exec, lease, position, how).await
    }

    async fn begin_batch(&mut self, lease: &Lease, begun: &Begun) -> Result<(), StoreError> {
        statements::begin_batch(&mut self.exec, lease, begun).await
    }

    async fn record_outcome(&mut self, outcome: &OutcomeRecord) -> Result<(), StoreError> {
        statements::conclude(&mut self.exec, &[], outcome).await
    }

    async fn conclude(&mut self, messages: &[Envelope], outcome: &OutcomeRecord) -> Result<(), StoreError> {
        check_room(self, messages).await?;
        statements::conclude(&mut self.exec, messages, outcome).await
    }

    async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        jobs::enqueue(&mut self.exec, jobs).await
    }

    async fn claim_jobs(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        jobs::claim(&mut self.exec, claim).await
    }

    async fn claim_suspect(
        &mut self,
        worker: WorkerId,
        queues: &[(Arc<str>, Option<u32>)],
        names: &[Arc<str>],
        now: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError> {
        jobs::claim_suspect(&mut self.exec, worker, queues, names, now).await
    }

    async fn end_attempts(
        &mut self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        jobs::end(&mut self.exec, ends, at).await
    }

    async fn report_progress(&mut self, lease: &JobLease, progress: &str) -> Result<(), StoreError> {
        jobs::report_progress(&mut self.exec, lease, progress).await
    }

    async fn move_cron(&mut self, name: &str, from: Timestamp, to: Timestamp) -> Result<bool, StoreError> {
        jobs::move_cron(&mut self.exec, name, from, to).await
    }

    async fn execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<u64, StoreError> {
        self.exec.module_execute(scope, sql, params).await
    }

    async fn fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        self.exec.module_fetch(scope, sql, params).await
    }

    async fn savepoint(&mut self) -> Result<Savepoint, StoreError> {
        // Names may repeat one after the other but not inside one another, so the depth would do; a number of its
        // own for each makes a mix-up an error instead of a rollback to the wrong place.
        self.savepoints += 1;
        let savepoint = Savepoint(self.savepoints);
        self.exec.control(&format!("SAVEPOINT {}", name(savepoint))).await?;
        Ok(savepoint)
    }

    async fn rollback_to(&mut self, savepoint: Savepoint) -> Result<(), StoreError> {
        let name = name(savepoint);
        self.exec.control(&format!("ROLLBACK TO {name}")).await?;
        self.exec.control(&format!("RELEASE {name}")).await
    }

    async fn release(&mut self, savepoint: Savepoint) -> Result<(), StoreError> {
        self.exec.control(&format!("RELEASE {}", name(savepoint))).await
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        self.exec.undo().await
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

fn name(savepoint: Savepoint) -> String {
    format!("tidings_{}", savepoint.0)
}
