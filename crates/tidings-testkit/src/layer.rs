//! A store inside another: what fault points and planted bugs have in common.
//!
//! [`Layered`] passes every call through a [`Layer`], which may look, fail, or lie. By default a layer changes
//! nothing, so a wrapper states only what it does differently.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tidings_core::envelope::{Cursor, Envelope, Position, Recorded};
use tidings_core::error::Error;
use tidings_core::flow::FlowFacts;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    AttemptRow, Batch, Begun, Cancelled, Claim, Claimed, ClaimedJob, CommandCount, ConsumerSpec,
    ConsumerStatus, Crew, CronSpec, CronTick, Enqueued, EventCount, Filter, FlowSize, Heartbeat, Holding,
    IdempotencyScope, Inspect, JobEnd, JobFilter, JobLease, JobRow, JobStore, Lease, Limits, Maintenance,
    Member, Migration, NewJob, OutcomeRecord, Parked, ParkedKeys, ParkedMessage, ParkedRow, ParkedState,
    QueueStatus, Receipt, Retention, Savepoint, Settled, Store, StoreError, TableScope, Tx, Watch, Work,
    WorkerId,
};
use tidings_core::value::{Row, Value};

use crate::faults::Step;

/// What a wrapper does differently from the store inside.
#[async_trait]
pub trait Layer: Send + Sync + 'static {
    /// Called before each step; an error takes the step's place.
    async fn before(&self, _step: Step) -> Result<(), StoreError> {
        Ok(())
    }

    /// Called after each step that succeeded; an error takes its answer's place.
    async fn after(&self, _step: Step) -> Result<(), StoreError> {
        Ok(())
    }

    /// Runs a work whose transaction is already layered.
    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        inner.transact(work, limits).await
    }

    /// Runs a work against a snapshot.
    async fn read(&self, inner: &dyn Store, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        inner.read(work, limits).await
    }

    /// Moves a cursor.
    async fn advance(
        &self,
        tx: &mut dyn Tx,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        tx.advance(lease, to, handled).await
    }

    /// Parks messages.
    async fn park(&self, tx: &mut dyn Tx, lease: &Lease, parked: &[Parked]) -> Result<(), StoreError> {
        tx.park(lease, parked).await
    }

    /// Called with every worker that is entered.
    fn enlisted(&self, _worker: WorkerId) {}

    /// Tells a worker what its heartbeat brought.
    fn told(&self, heartbeat: Heartbeat) -> Heartbeat {
        heartbeat
    }

    /// Takes over what lost workers had claimed.
    async fn take_over(
        &self,
        inner: &dyn Store,
        worker: WorkerId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        inner.take_over(worker, now).await
    }

    /// Maintains the store.
    async fn maintain(
        &self,
        inner: &dyn Store,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Maintenance, StoreError> {
        inner.maintain(retention, now).await
    }

    /// Enqueues jobs.
    async fn enqueue(&self, tx: &mut dyn Tx, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        tx.enqueue(jobs).await
    }

    /// Claims jobs.
    async fn claim_jobs(&self, tx: &mut dyn Tx, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        tx.claim_jobs(claim).await
    }

    /// Claims a suspect.
    async fn claim_suspect(
        &self,
        tx: &mut dyn Tx,
        worker: WorkerId,
        queues: &[(Arc<str>, Option<u32>)],
        names: &[Arc<str>],
        now: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError> {
        tx.claim_suspect(worker, queues, names, now).await
    }

    /// Keeps a job's progress.
    async fn report_progress(
        &self,
        tx: &mut dyn Tx,
        lease: &JobLease,
        progress: &str,
    ) -> Result<(), StoreError> {
        tx.report_progress(lease, progress).await
    }

    /// Moves a recurring job.
    async fn move_cron(
        &self,
        tx: &mut dyn Tx,
        name: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<bool, StoreError> {
        tx.move_cron(name, from, to).await
    }

    /// Called with every suspect that is given out.
    fn suspected(&self, _suspect: &ClaimedJob) {}

    /// Ends attempts of jobs.
    async fn end_attempts(
        &self,
        tx: &mut dyn Tx,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        tx.end_attempts(ends, at).await
    }

    /// The lease that the store inside is shown.
    fn shown(&self, lease: &Lease) -> Lease {
        lease.clone()
    }

    /// Holds a partition.
    async fn hold(
        &self,
        inner: &dyn Store,
        consumer: &str,
        partition: u16,
        worker: WorkerId,
    ) -> Result<Holding, StoreError> {
        inner.hold(consumer, partition, worker).await
    }

    /// The filter that the store inside is shown.
    fn filter(&self, filter: &Filter) -> Filter {
        filter.clone()
    }

    /// Called with every holding that is given out.
    fn held(&self, _holding: &Holding) {}

    /// Changes a batch before the reader gets it.
    fn batch(&self, batch: Batch) -> Batch {
        batch
    }

    /// Changes what is on record about a flow before the asker gets it.
    fn facts(&self, facts: FlowFacts) -> FlowFacts {
        facts
    }
}

/// A store with a layer around it.
pub struct Layered {
    inner: Arc<dyn Store>,
    layer: Arc<dyn Layer>,
}

impl Layered {
    /// Puts `layer` around `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, layer: Arc<dyn Layer>) -> Self {
        Self { inner, layer }
    }

    async fn stepped<T>(
        &self,
        step: Step,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.layer.before(step).await?;
        let answer = call.await?;
        self.layer.after(step).await?;
        Ok(answer)
    }
}

#[async_trait]
impl Store for Layered {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    async fn transact(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        let work = Arc::new(LayeredWork { inner: work, layer: self.layer.clone() });
        self.layer.transact(self.inner.as_ref(), work, limits).await
    }

    async fn read(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        self.layer.read(self.inner.as_ref(), work, limits).await
    }

    async fn migrate(
        &self,
        module: &str,
        migrations: &[Migration],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.migrate(module, migrations, now).await
    }

    async fn register(&self, spec: &ConsumerSpec, now: Timestamp) -> Result<u16, StoreError> {
        self.stepped(Step::Register, self.inner.register(spec, now)).await
    }

    async fn retire(&self, consumer: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.inner.retire(consumer, reason, now).await
    }

    fn own_tables(&self, owners: &[(String, Vec<String>)]) {
        self.inner.own_tables(owners);
    }

    async fn hold(&self, consumer: &str, partition: u16, worker: WorkerId) -> Result<Holding, StoreError> {
        let held = self.layer.hold(self.inner.as_ref(), consumer, partition, worker);
        let holding = self.stepped(Step::Hold, held).await?;
        self.layer.held(&holding);
        Ok(holding)
    }

    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner.give_back(lease).await
    }

    async fn crew(&self) -> Result<Crew, StoreError> {
        self.inner.crew().await
    }

    fn watch_crew(&self) -> Box<dyn Watch> {
        self.inner.watch_crew()
    }

    async fn read_after(&self, cursor: &Cursor, filter: &Filter, limit: usize) -> Result<Batch, StoreError> {
        let batch = self
            .stepped(Step::ReadAfter, self.inner.read_after(cursor, &self.layer.filter(filter), limit))
            .await?;
        Ok(self.layer.batch(batch))
    }

    async fn due(
        &self,
        consumer: &str,
        partition: u16,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, StoreError> {
        self.stepped(Step::Due, self.inner.due(consumer, partition, now, limit)).await
    }

    async fn parked_keys(&self, consumer: &str, partition: u16) -> Result<ParkedKeys, StoreError> {
        self.inner.parked_keys(consumer, partition).await
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self.inner.as_any()
    }

    fn watch(&self, filter: &Filter) -> Box<dyn Watch> {
        self.inner.watch(filter)
    }

    async fn acknowledge_rejection(&self, id: MessageId) -> Result<(), StoreError> {
        self.inner.acknowledge_rejection(id).await
    }

    async fn maintain(&self, retention: &Retention, now: Timestamp) -> Result<Maintenance, StoreError> {
        self.layer.maintain(self.inner.as_ref(), retention, now).await
    }

    fn is_transient(&self, error: &Error) -> bool {
        self.inner.is_transient(error)
    }

    fn is_store_trouble(&self, error: &Error) -> bool {
        self.inner.is_store_trouble(error)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

#[async_trait]
impl JobStore for Layered {
    async fn enlist(&self, member: &Member, lease: Duration) -> Result<WorkerId, StoreError> {
        let worker = self.inner.enlist(member, lease).await?;
        self.layer.enlisted(worker);
        Ok(worker)
    }

    async fn heartbeat(&self, worker: WorkerId) -> Result<Heartbeat, StoreError> {
        let heartbeat = self.stepped(Step::Heartbeat, self.inner.heartbeat(worker)).await?;
        Ok(self.layer.told(heartbeat))
    }

    async fn take_over(&self, worker: WorkerId, now: Timestamp) -> Result<u64, StoreError> {
        self.stepped(Step::TakeOver, self.layer.take_over(self.inner.as_ref(), worker, now)).await
    }

    async fn dismiss(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        self.inner.dismiss(worker, now).await
    }

    async fn place_jobs(&self, queues: &[(Arc<str>, Arc<str>)]) -> Result<Vec<(Arc<str>, u64)>, StoreError> {
        self.inner.place_jobs(queues).await
    }

    async fn cancel_job(&self, id: MessageId, reason: &str, now: Timestamp) -> Result<Cancelled, StoreError> {
        self.inner.cancel_job(id, reason, now).await
    }

    async fn revive_job(&self, id: MessageId, now: Timestamp) -> Result<(), StoreError> {
        self.inner.revive_job(id, now).await
    }

    async fn discard_job(&self, id: MessageId, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.inner.discard_job(id, reason, now).await
    }

    async fn pause_queue(&self, queue: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.inner.pause_queue(queue, reason, now).await
    }

    async fn resume_queue(&self, queue: &str, now: Timestamp) -> Result<(), StoreError> {
        self.inner.resume_queue(queue, now).await
    }

    async fn suspects(&self, queues: &[Arc<str>], names: &[Arc<str>]) -> Result<Vec<Arc<str>>, StoreError> {
        self.inner.suspects(queues, names).await
    }

    async fn register_crons(&self, crons: &[CronSpec], now: Timestamp) -> Result<Vec<CronTick>, StoreError> {
        self.inner.register_crons(crons, now).await
    }

    fn watch_queue(&self, queue: &str) -> Box<dyn Watch> {
        self.inner.watch_queue(queue)
    }
}

#[async_trait]
impl Inspect for Layered {
    async fn jobs(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRow>, StoreError> {
        self.inner.jobs(filter, limit).await
    }

    async fn job(&self, id: MessageId) -> Result<Option<JobRow>, StoreError> {
        self.inner.job(id).await
    }

    async fn attempts(&self, id: MessageId) -> Result<Vec<AttemptRow>, StoreError> {
        self.inner.attempts(id).await
    }

    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        self.inner.queues().await
    }

    async fn is_queue(&self, name: &str) -> Result<bool, StoreError> {
        self.inner.is_queue(name).await
    }

    async fn flow_jobs(&self, correlation_id: MessageId) -> Result<Vec<JobRow>, StoreError> {
        self.inner.flow_jobs(correlation_id).await
    }

    async fn consumers(&self) -> Result<Vec<ConsumerStatus>, StoreError> {
        self.inner.consumers().await
    }

    async fn parked(
        &self,
        consumer: Option<&str>,
        state: Option<ParkedState>,
        limit: usize,
    ) -> Result<Vec<ParkedRow>, StoreError> {
        self.inner.parked(consumer, state, limit).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Recorded>, StoreError> {
        self.inner.message(id).await
    }

    async fn flow(&self, correlation_id: MessageId) -> Result<Vec<Recorded>, StoreError> {
        self.inner.flow(correlation_id).await
    }

    async fn correlation_of(&self, id: MessageId) -> Result<Option<MessageId>, StoreError> {
        self.inner.correlation_of(id).await
    }

    async fn flows_of_trace(&self, trace_id: u128) -> Result<Vec<MessageId>, StoreError> {
        self.inner.flows_of_trace(trace_id).await
    }

    async fn flow_facts(&self, correlation_id: MessageId) -> Result<FlowFacts, StoreError> {
        Ok(self.layer.facts(self.inner.flow_facts(correlation_id).await?))
    }

    async fn flow_sizes(&self, limit: usize) -> Result<Vec<FlowSize>, StoreError> {
        self.inner.flow_sizes(limit).await
    }

    async fn counts(&self) -> Result<Vec<EventCount>, StoreError> {
        self.inner.counts().await
    }

    async fn receipt(&self, consumer: &str, position: Position) -> Result<Option<Receipt>, StoreError> {
        self.inner.receipt(consumer, position).await
    }

    async fn command_counts(&self) -> Result<Vec<CommandCount>, StoreError> {
        self.inner.command_counts().await
    }

    async fn outcome(
        &self,
        scope: &IdempotencyScope,
        now: Timestamp,
    ) -> Result<Option<OutcomeRecord>, StoreError> {
        self.inner.outcome(scope, now).await
    }

    async fn outcome_of(&self, id: MessageId) -> Result<Option<OutcomeRecord>, StoreError> {
        self.inner.outcome_of(id).await
    }

    async fn unhandled_rejections(&self, limit: usize) -> Result<Vec<OutcomeRecord>, StoreError> {
        self.inner.unhandled_rejections(limit).await
    }
}

struct LayeredWork {
    inner: Arc<dyn Work>,
    layer: Arc<dyn Layer>,
}

#[async_trait]
impl Work for LayeredWork {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn driver(&self) -> &'static str {
        self.inner.driver()
    }

    fn drains_log(&self) -> bool {
        self.inner.drains_log()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let slot = Slot::default();
        let layered = LayeredTx { inner: Some(tx), slot: slot.clone(), layer: self.layer.clone() };
        let (layered, result) = self.inner.run(Box::new(layered)).await;
        drop(layered);
        let inner = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let inner = inner.expect("a work hands back the transaction it was given");
        let result = match result {
            Ok(()) => self.layer.before(Step::Commit).await,
            failed => failed,
        };
        (inner, result)
    }
}

/// Where a layered transaction leaves the inner one when it is dropped: the work hands back a `Box<dyn Tx>`, and
/// `as_any_mut` is not ours to use, because typed access must reach the inner transaction through it.
type Slot = Arc<Mutex<Option<Box<dyn Tx>>>>;

struct LayeredTx {
    inner: Option<Box<dyn Tx>>,
    slot: Slot,
    layer: Arc<dyn Layer>,
}

impl Drop for LayeredTx {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.inner.take();
    }
}

impl LayeredTx {
    fn inner(&mut self) -> &mut dyn Tx {
        self.inner.as_mut().expect("the inner transaction leaves only on drop").as_mut()
    }
}

/// Runs one call of the inner transaction between the layer's two looks at it.
macro_rules! step {
    ($self:ident, $step:expr, $call:expr) => {{
        let layer = $self.layer.clone();
        layer.before($step).await?;
        let answer = $call.await?;
        layer.after($step).await?;
        Ok(answer)
    }};
}

#[async_trait]
impl Tx for LayeredTx {
    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        step!(self, Step::Append, self.inner().append(messages))
    }

    async fn advance(
        &mut self,
        lease: &Lease,
        to: &Cursor,
        handled: Option<&Receipt>,
    ) -> Result<(), StoreError> {
        let lease = self.layer.shown(lease);
        step!(self, Step::Advance, self.layer.clone().advance(self.inner(), &lease, to, handled))
    }

    async fn park(&mut self, lease: &Lease, parked: &[Parked]) -> Result<(), StoreError> {
        let lease = self.layer.shown(lease);
        step!(self, Step::Park, self.layer.clone().park(self.inner(), &lease, parked))
    }

    async fn settle(&mut self, lease: &Lease, position: Position, how: &Settled) -> Result<(), StoreError> {
        let lease = self.layer.shown(lease);
        step!(self, Step::Settle, self.inner().settle(&lease, position, how))
    }

    async fn begin_batch(&mut self, lease: &Lease, begun: &Begun) -> Result<(), StoreError> {
        let lease = self.layer.shown(lease);
        step!(self, Step::BeginBatch, self.inner().begin_batch(&lease, begun))
    }

    async fn record_outcome(&mut self, outcome: &OutcomeRecord) -> Result<(), StoreError> {
        step!(self, Step::RecordOutcome, self.inner().record_outcome(outcome))
    }

    async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        step!(self, Step::Enqueue, self.layer.clone().enqueue(self.inner(), jobs))
    }

    async fn claim_jobs(&mut self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        step!(self, Step::ClaimJobs, self.layer.clone().claim_jobs(self.inner(), claim))
    }

    async fn claim_suspect(
        &mut self,
        worker: WorkerId,
        queues: &[(Arc<str>, Option<u32>)],
        names: &[Arc<str>],
        now: Timestamp,
    ) -> Result<Option<ClaimedJob>, StoreError> {
        let layer = self.layer.clone();
        layer.before(Step::ClaimJobs).await?;
        let suspect = layer.claim_suspect(self.inner(), worker, queues, names, now).await?;
        layer.after(Step::ClaimJobs).await?;
        suspect.iter().for_each(|suspect| layer.suspected(suspect));
        Ok(suspect)
    }

    async fn end_attempts(
        &mut self,
        ends: &[(JobLease, JobEnd)],
        at: Timestamp,
    ) -> Result<Vec<bool>, StoreError> {
        step!(self, Step::EndAttempts, self.layer.clone().end_attempts(self.inner(), ends, at))
    }

    async fn report_progress(&mut self, lease: &JobLease, progress: &str) -> Result<(), StoreError> {
        step!(self, Step::ReportProgress, self.layer.clone().report_progress(self.inner(), lease, progress))
    }

    async fn move_cron(&mut self, name: &str, from: Timestamp, to: Timestamp) -> Result<bool, StoreError> {
        step!(self, Step::MoveCron, self.layer.clone().move_cron(self.inner(), name, from, to))
    }

    /// Two steps, so that something can go wrong between them; but one call to the store inside, as in earnest.
    async fn conclude(&mut self, messages: &[Envelope], outcome: &OutcomeRecord) -> Result<(), StoreError> {
        let layer = self.layer.clone();
        if !messages.is_empty() {
            layer.before(Step::Append).await?;
        }
        layer.before(Step::RecordOutcome).await?;
        self.inner().conclude(messages, outcome).await?;
        layer.after(Step::RecordOutcome).await
    }

    async fn execute(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<u64, StoreError> {
        step!(self, Step::Execute, self.inner().execute(scope, sql, params))
    }

    async fn fetch(
        &mut self,
        scope: TableScope<'_>,
        sql: &str,
        params: &[Value],
    ) -> Result<Vec<Row>, StoreError> {
        step!(self, Step::Fetch, self.inner().fetch(scope, sql, params))
    }

    async fn savepoint(&mut self) -> Result<Savepoint, StoreError> {
        step!(self, Step::Savepoint, self.inner().savepoint())
    }

    async fn rollback_to(&mut self, savepoint: Savepoint) -> Result<(), StoreError> {
        step!(self, Step::RollbackTo, self.inner().rollback_to(savepoint))
    }

    async fn release(&mut self, savepoint: Savepoint) -> Result<(), StoreError> {
        step!(self, Step::Release, self.inner().release(savepoint))
    }

    async fn undo(&mut self) -> Result<(), StoreError> {
        step!(self, Step::Undo, self.inner().undo())
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.inner().as_any_mut()
    }
}
