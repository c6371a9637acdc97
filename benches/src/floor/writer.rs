//! Group commit on rusqlite, by hand.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use tidings::Error;
use tokio::sync::oneshot;

use super::log::{append, connect, control, insert_order, make_tables};
use super::{GROUP_MAX, Job, Message};
use crate::orders::Place;

pub(crate) struct Writer {
    queue: Sender<Job>,
    thread: JoinHandle<rusqlite::Result<()>>,
}

impl Writer {
    /// Starts the thread. After each commit it calls `committed`.
    pub(crate) fn start(folder: &Path, committed: impl Fn() + Send + 'static) -> tidings::Result<Self> {
        let connection = connect(folder)?;
        make_tables(&connection)?;
        let (queue, jobs) = channel();
        let thread = std::thread::spawn(move || run(&connection, &jobs, &committed));
        Ok(Self { queue, thread })
    }

    /// A handle for one caller.
    pub(crate) fn caller(&self) -> WriterCaller {
        WriterCaller(self.queue.clone())
    }

    /// Waits until the thread has ended. Every caller must be gone.
    pub(crate) fn stop(self) -> tidings::Result<()> {
        drop(self.queue);
        Ok(self.thread.join().map_err(|_| Error::failed("the floor's writer panicked"))??)
    }
}

#[derive(Clone)]
pub(crate) struct WriterCaller(Sender<Job>);

impl WriterCaller {
    /// Writes; answers with the moment at which the commit had returned.
    pub(crate) async fn write(&self, order: Option<Place>, message: Message) -> tidings::Result<Instant> {
        let (done, answer) = oneshot::channel();
        self.0
            .send(Job { order, message, done })
            .map_err(|_| Error::failed("the floor's writer has ended"))?;
        Ok(answer.await?)
    }
}

fn run(connection: &Connection, jobs: &Receiver<Job>, committed: &dyn Fn()) -> rusqlite::Result<()> {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while let Ok(first) = jobs.recv() {
        control(connection, "BEGIN IMMEDIATE")?;
        let mut next = Some(first);
        while let Some(job) = next {
            write(connection, &job, !group.is_empty())?;
            group.push(job.done);
            next = if group.len() < GROUP_MAX { jobs.try_recv().ok() } else { None };
        }
        control(connection, "COMMIT")?;
        let now = Instant::now();
        committed();
        for done in group.drain(..) {
            let _ = done.send(now);
        }
    }
    Ok(())
}

/// A single insert fails alone; a row and its event go into a savepoint, unless nobody else is in the transaction.
fn write(connection: &Connection, job: &Job, shared: bool) -> rusqlite::Result<()> {
    let Some(order) = &job.order else { return append(connection, &job.message) };
    if shared {
        control(connection, "SAVEPOINT work")?;
    }
    insert_order(connection, order)?;
    append(connection, &job.message)?;
    if shared { control(connection, "RELEASE work") } else { Ok(()) }
}

/// The least there is: row, event and commit by the very thread that wants them; nobody hands over anything.
pub(crate) fn write_directly(
    connection: &Connection,
    order: &Place,
    message: &Message,
) -> rusqlite::Result<()> {
    control(connection, "BEGIN IMMEDIATE")?;
    insert_order(connection, order)?;
    append(connection, message)?;
    control(connection, "COMMIT")
}
