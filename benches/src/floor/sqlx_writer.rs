//! Group commit on sqlx, by hand: a task in place of the thread, otherwise the same.

use std::path::Path;
use std::time::Instant;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tidings::Error;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::log::APPEND;
use super::{GROUP_MAX, Job, Message, connect, make_tables};
use crate::orders::{INSERT_ORDER, Place};

pub(crate) struct SqlxWriter {
    queue: UnboundedSender<Job>,
    task: JoinHandle<Result<(), sqlx::Error>>,
}

impl SqlxWriter {
    pub(crate) async fn start(folder: &Path) -> tidings::Result<Self> {
        make_tables(&connect(folder)?)?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join("floor.db"))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let connection = options.connect().await?;
        let (queue, jobs) = unbounded_channel();
        Ok(Self { queue, task: tokio::spawn(run(connection, jobs)) })
    }

    pub(crate) fn caller(&self) -> SqlxCaller {
        SqlxCaller(self.queue.clone())
    }

    pub(crate) async fn stop(self) -> tidings::Result<()> {
        drop(self.queue);
        Ok(self.task.await??)
    }
}

#[derive(Clone)]
pub(crate) struct SqlxCaller(UnboundedSender<Job>);

impl SqlxCaller {
    pub(crate) async fn write(&self, order: Place, message: Message) -> tidings::Result<()> {
        let (done, answer) = oneshot::channel();
        let job = Job { order: Some(order), message, done };
        self.0.send(job).map_err(|_| Error::failed("the floor's writer has ended"))?;
        answer.await?;
        Ok(())
    }
}

async fn run(mut connection: SqliteConnection, mut jobs: UnboundedReceiver<Job>) -> Result<(), sqlx::Error> {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while let Some(first) = jobs.recv().await {
        control(&mut connection, "BEGIN IMMEDIATE").await?;
        let mut next = Some(first);
        while let Some(job) = next {
            write(&mut connection, &job, !group.is_empty()).await?;
            group.push(job.done);
            next = if group.len() < GROUP_MAX { jobs.try_recv().ok() } else { None };
        }
        control(&mut connection, "COMMIT").await?;
        let now = Instant::now();
        for done in group.drain(..) {
            let _ = done.send(now);
        }
    }
    connection.close().await
}

async fn write(connection: &mut SqliteConnection, job: &Job, shared: bool) -> Result<(), sqlx::Error> {
    if shared {
        control(connection, "SAVEPOINT work").await?;
    }
    if let Some(order) = &job.order {
        sqlx::query(INSERT_ORDER)
            .bind(order.order_id.to_string())
            .bind(order.customer_id.to_string())
            .bind(order.total_cents)
            .bind(order.placed_at.to_string())
            .execute(&mut *connection)
            .await?;
    }
    let Message { id, key, time, data, .. } = &job.message;
    sqlx::query(APPEND)
        .bind(&id.as_bytes()[..])
        .bind(key)
        .bind(time)
        .bind(&id.as_bytes()[..])
        .bind(data)
        .execute(&mut *connection)
        .await?;
    if shared { control(connection, "RELEASE work").await } else { Ok(()) }
}

async fn control(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(connection).await.map(drop)
}
