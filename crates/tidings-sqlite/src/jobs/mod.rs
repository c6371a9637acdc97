//! Jobs: what is asked of them outside of a work's transaction.

mod crons;
mod inspect;
mod lost;
mod manage;
mod names;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Params, params};
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Cancelled, CronSpec, CronTick, Heartbeat, JobStore, Member, StoreError, Watch, WorkerId,
};

use crate::error::from_native;
use crate::rows::message_id;
use crate::store::SqliteStore;
use crate::wake::{Topic, note_queue};

pub(crate) use inspect::{attempts, flow_jobs, is_queue, job, jobs, queues};
pub(crate) use workers::Workers;

#[async_trait]
impl JobStore for SqliteStore {
    async fn enlist(&self, member: &Member, lease: Duration) -> Result<WorkerId, StoreError> {
        let about = member.about.clone();
        let enter = move |connection: &Connection| {
            connection.query_row(include_str!("../../queries/worker_insert.sql"), [&about], |row| row.get(0))
        };
        let worker = WorkerId(self.change("entering a worker", enter).await?);
        self.shared.env.workers.enter(worker, member.clone(), lease);
        Ok(worker)
    }

    async fn heartbeat(&self, worker: WorkerId) -> Result<Heartbeat, StoreError> {
        self.shared.env.workers.renew(worker)?;
        let cancelled = move |connection: &Connection| {
            let sql = include_str!("../../queries/job_cancelled_of_worker.sql");
            let mut statement = connection.prepare_cached(sql)?;
            statement
                .query_map([worker.0], |row| Ok((message_id(row, 0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        };
        Ok(Heartbeat { cancelled: self.ask("looking for jobs to be cancelled", cancelled).await? })
    }

    async fn take_over(&self, worker: WorkerId, now: Timestamp) -> Result<u64, StoreError> {
        lost::take_over(self, worker, now).await
    }

    async fn dismiss(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        lost::dismiss(self, worker, now).await
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
        let (queue, reason) = (queue.to_owned(), reason.to_owned());
        let pause = move |connection: &Connection| {
            let sql = include_str!("../../queries/queue_pause.sql");
            connection.execute(sql, params![queue, now.as_microsecond(), reason])
        };
        self.change("pausing a queue", pause).await.map(drop)
    }

    async fn resume_queue(&self, queue: &str, _now: Timestamp) -> Result<(), StoreError> {
        let name = queue.to_owned();
        let resume = move |connection: &Connection| {
            connection.execute(include_str!("../../queries/queue_resume.sql"), [&name])
        };
        self.change("resuming a queue", resume).await?;
        self.wake_queues([queue]);
        Ok(())
    }

    async fn suspects(&self, queues: &[Arc<str>], names: &[Arc<str>]) -> Result<Vec<Arc<str>>, StoreError> {
        let [queues, names] = [queues, names]
            .map(|names| serde_json::Value::from_iter(names.iter().map(|name| &**name)).to_string());
        let found = move |connection: &Connection| {
            let mut statement =
                connection.prepare_cached(include_str!("../../queries/job_suspect_queues.sql"))?;
            statement.query_map([&queues, &names], |row| row.get(0))?.collect()
        };
        self.ask("looking for suspects", found).await
    }

    async fn register_crons(&self, specs: &[CronSpec], _now: Timestamp) -> Result<Vec<CronTick>, StoreError> {
        crons::register(self, specs).await
    }

    fn watch_queue(&self, queue: &str) -> Box<dyn Watch> {
        self.shared.env.watchers.watch([Topic::Queue(queue.into())])
    }
}

impl SqliteStore {
    /// Runs statements in a transaction of the store's own.
    async fn change<T: Send + 'static>(
        &self,
        what: &'static str,
        run: impl Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let database = self.shared.env.database.clone();
        self.write(what, move |inside| run(inside).map_err(|source| from_native(&database, what, source)))
            .await
    }

    fn wake_queues<'q>(&self, queues: impl IntoIterator<Item = &'q str>) {
        let mut topics = Vec::new();
        queues.into_iter().for_each(|queue| note_queue(&mut topics, queue));
        self.shared.env.watchers.notify(&topics);
    }
}

/// Changes one job by a statement that returns its queue and key, and lets the next one of that key run if it may.
/// Answers with the queue.
fn change_one(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    now: Timestamp,
) -> rusqlite::Result<String> {
    let (queue, key): (String, Option<String>) =
        connection.prepare_cached(sql)?.query_row(params, |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let Some(key) = key {
        let sql = include_str!("../../queries/job_promote.sql");
        connection.prepare_cached(sql)?.execute(params![queue, key, now.as_microsecond()])?;
    }
    Ok(queue)
}
