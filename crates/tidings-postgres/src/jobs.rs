//! Jobs, which the spike leaves out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tidings_core::ids::MessageId;
use tidings_core::store::{Cancelled, CronSpec, CronTick, Heartbeat, JobStore, StoreError, Watch, WorkerId};

use crate::error::not_in_the_spike;
use crate::store::PostgresStore;

#[async_trait]
impl JobStore for PostgresStore {
    async fn enlist(&self, _about: &str, _lease: Duration) -> Result<WorkerId, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn heartbeat(&self, _worker: WorkerId) -> Result<Heartbeat, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn take_over(&self, _worker: WorkerId, _now: Timestamp) -> Result<u64, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn dismiss(&self, _worker: WorkerId, _now: Timestamp) -> Result<(), StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    async fn place_jobs(&self, _queues: &[(Arc<str>, Arc<str>)]) -> Result<Vec<(Arc<str>, u64)>, StoreError> {
        Err(not_in_the_spike("jobs"))
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

    async fn register_crons(
        &self,
        _crons: &[CronSpec],
        _now: Timestamp,
    ) -> Result<Vec<CronTick>, StoreError> {
        Err(not_in_the_spike("jobs"))
    }

    fn watch_queue(&self, _queue: &str) -> Box<dyn Watch> {
        self.waiter()
    }
}
