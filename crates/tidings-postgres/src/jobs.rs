//! Jobs, which the spike leaves out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Cancelled, CronSpec, CronTick, Heartbeat, JobStore, Member, StoreError, Watch, WorkerId,
};

use crate::error::not_in_the_spike;
use crate::store::PostgresStore;
use crate::workers;

#[async_trait]
impl JobStore for PostgresStore {
    async fn enlist(&self, member: &Member, lease: Duration) -> Result<WorkerId, StoreError> {
        let worker = workers::enlist(self.pool(), member, lease).await?;
        self.crew_has_changed();
        Ok(worker)
    }

    async fn heartbeat(&self, worker: WorkerId) -> Result<Heartbeat, StoreError> {
        workers::heartbeat(self.pool(), worker).await?;
        Ok(Heartbeat::default())
    }

    async fn take_over(&self, worker: WorkerId, _now: Timestamp) -> Result<u64, StoreError> {
        workers::take_over(self.pool(), worker).await?;
        Ok(0)
    }

    async fn dismiss(&self, worker: WorkerId, _now: Timestamp) -> Result<(), StoreError> {
        workers::dismiss(self.pool(), worker).await?;
        self.crew_has_changed();
        Ok(())
    }

    async fn place_jobs(&self, queues: &[(Arc<str>, Arc<str>)]) -> Result<Vec<(Arc<str>, u64)>, StoreError> {
        if queues.is_empty() { Ok(Vec::new()) } else { Err(not_in_the_spike("jobs")) }
    }

    async fn cancel_job(
        &self,
        _id: MessageId,
        _reason: &str,
        _now: Timestamp,
    ) -> Result<Cancelled, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn revive_job(&self, _id: MessageId, _now: Timestamp) -> Result<(), StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn discard_job(&self, _id: MessageId, _reason: &str, _now: Timestamp) -> Result<(), StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn pause_queue(&self, _queue: &str, _reason: &str, _now: Timestamp) -> Result<(), StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn suspects(&self, _queues: &[Arc<str>], _names: &[Arc<str>]) -> Result<Vec<Arc<str>>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn resume_queue(&self, _queue: &str, _now: Timestamp) -> Result<(), StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn register_crons(&self, crons: &[CronSpec], _now: Timestamp) -> Result<Vec<CronTick>, StoreError> {
        if crons.is_empty() { Ok(Vec::new()) } else { Err(not_in_the_spike("jobs")) }
    }

    fn watch_queue(&self, queue: &str) -> Box<dyn Watch> {
        self.queue_waiter(queue)
    }
}
