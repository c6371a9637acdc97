//! The store: what the runtime holds.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use tidings_core::envelope::Cursor;
use tidings_core::error::Error;
use tidings_core::ids::MessageId;
use tidings_core::store::{
    Batch, ConsumerSpec, Crew, Filter, Holding, Lease, Limits, Maintenance, Migration, ParkedKeys,
    ParkedMessage, Retention, Store, StoreError, Watch, Work, WorkerId,
};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::checker::Checker;
use crate::config::SqliteConfig;
use crate::env::Env;
use crate::error::{code_of, from_native, is_busy, is_trouble};
use crate::fullness::Fullness;
use crate::guard::Owners;
use crate::internal::{Inside, Internal};
use crate::job::job;
use crate::jobs::Workers;
use crate::native::Native;
use crate::open::{Opened, open};
use crate::queue::{Queue, Refused};
use crate::reader::{Question, ReadTurn, Reader};
use crate::retention::Wal;
use crate::stats::{Counters, Stats};
use crate::typed::{Awaited, Typed};
use crate::wake::{Topic, Watchers};
use crate::watchdog::{Slot, Watchdog};
use crate::writer::{Ending, Turn, Writer};
use crate::{consumers, migrate, outcomes, retention};

/// How long a question waits for its answer.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// An open database. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) env: Arc<Env>,
    pub(crate) unclean: bool,
    pub(crate) wal: Wal,
    /// Messages in transactions of users' own connections, that may commit.
    pub(crate) awaited: Awaited,
    /// The log's messages were counted since it was opened.
    pub(crate) counted_again: AtomicBool,
    writes: Arc<Queue<Turn>>,
    reads: Arc<Queue<ReadTurn>>,
    /// The runtime's own questions: consumers must not wait for a user's long query.
    questions: Arc<Queue<ReadTurn>>,
    watchdog: Watchdog,
    writer_slot: Arc<Slot>,
    reader_slots: Vec<Arc<Slot>>,
    pub(crate) ending: Arc<Ending>,
    closed: AtomicBool,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the database and starts the store's threads. Works run on the current tokio runtime, whose time driver
    /// must be enabled.
    ///
    /// # Errors
    /// [`StoreError::Held`] if another runtime has the file, [`StoreError::Corrupt`], [`StoreError::ReadOnly`],
    /// [`StoreError::NewerSchema`], or [`StoreError::Sql`] with the operating system's word, each naming the file.
    pub async fn open(mut config: SqliteConfig) -> Result<Self, StoreError> {
        let handle = Handle::current();
        let opening = handle.spawn_blocking(move || open(&mut config).map(|opened| (config, opened)));
        let (config, opened) = opening.await.map_err(thread_error)??;
        Self::start(config, opened, &handle)
    }

    fn start(config: SqliteConfig, opened: Opened, handle: &Handle) -> Result<Self, StoreError> {
        let env = Arc::new(Env {
            database: config.path.display().to_string(),
            owners: Owners::new(config.guard_tables),
            checker: Checker::new(config.clone()),
            fullness: Fullness::default(),
            watchers: Watchers::default(),
            counters: Counters::default(),
            workers: Workers::new(config.lease_clock.clone()),
        });
        let watchdog = Watchdog::start(config.block_grace).map_err(thread_error)?;
        let writes = Arc::new(Queue::new(config.queue_max));
        let reads = Arc::new(Queue::new(config.queue_max));
        let questions = Arc::new(Queue::new(config.queue_max));
        let ending = Arc::new(Ending { was_clean: !opened.unclean, ..Ending::default() });
        let writer_slot = watchdog.slot();
        let start_reader = |connection: Connection, queue: &Arc<Queue<ReadTurn>>, slot: Arc<Slot>| {
            let typed = Arc::new(Typed::new(&config, env.clone(), slot.clone(), true));
            let native = Native::new(connection, env.clone(), slot, true)?;
            Reader { queue: queue.clone(), native, typed }.start(handle.clone()).map_err(thread_error)
        };
        let mut readers = vec![start_reader(opened.asker, &questions, watchdog.slot())?];
        let mut reader_slots = Vec::new();
        for connection in opened.readers {
            let slot = watchdog.slot();
            reader_slots.push(slot.clone());
            readers.push(start_reader(connection, &reads, slot)?);
        }
        let wal = Wal::of(&config.path, config.wal_bytes_max);
        let writer = Writer {
            env: env.clone(),
            queue: writes.clone(),
            slot: writer_slot.clone(),
            native: Native::new(opened.writer, env.clone(), writer_slot.clone(), false)?,
            typed: Arc::new(Typed::new(&config, env.clone(), writer_slot.clone(), false)),
            config,
            ending: ending.clone(),
            _lock: opened.lock,
        };
        let writer = writer.start(handle.clone()).map_err(thread_error)?;
        let shared = Shared {
            env,
            unclean: opened.unclean,
            wal,
            awaited: Awaited::default(),
            counted_again: AtomicBool::new(false),
            writes,
            reads,
            questions,
            watchdog,
            writer_slot,
            reader_slots,
            ending,
            closed: AtomicBool::new(false),
            threads: Mutex::new(Some(Threads { writer, readers })),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The cursor before the oldest message there can be, for reading the whole log.
    #[must_use]
    pub fn beginning() -> Cursor {
        Cursor("0".to_owned())
    }

    /// What the writer has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.env.counters.read()
    }

    /// Refuses a statement of `module` that touches a table which is not the module's own; for typed statements, which
    /// SQLite's authorizer does not see. A statement is prepared for this once.
    ///
    /// # Errors
    /// [`StoreError::ForeignTable`], naming the owner and the remedy.
    pub fn check_tables(&self, module: &str, sql: &str) -> Result<(), StoreError> {
        self.shared.env.checker.check(&self.shared.env.owners, module, sql)
    }

    /// Runs a transaction of the store's own. It has no budget: a migration takes as long as it takes, and nothing would
    /// be won by breaking it off.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        name: &str,
        run: impl Fn(&Inside<'_>) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let internal = Arc::new(Internal::new(name, run));
        match self.transact(internal.clone(), Limits { budget: Duration::MAX, wait: None }).await {
            Ok(()) | Err(StoreError::Undone) => internal.take().unwrap_or(Err(StoreError::Closed)),
            Err(error) => Err(error),
        }
    }

    /// Asks a question of the runtime's own, against one snapshot, on a reader that no query of a user can hold.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.answer(what, ask, |turn| self.shared.questions.push(turn).map_err(refusal)).await
    }

    /// Asks for a person, who may want to know things that take long to find out: it waits with the users' queries.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        what: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.answer(what, ask, |turn| self.queue_read(turn)).await
    }

    async fn answer<T: Send + 'static>(
        &self,
        what: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        queue: impl FnOnce(ReadTurn) -> Result<(), StoreError>,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        let closure = move |connection: &Connection| {
            // Whoever asked may have stopped waiting.
            if !sender.is_closed() {
                drop(sender.send(ask(connection)));
            }
        };
        queue(ReadTurn::Internal(Question { what, ask: Box::new(closure) }))?;
        match tokio::time::timeout(ANSWER_WAIT, answer).await {
            Ok(Ok(answered)) => {
                answered.map_err(|source| from_native(&self.shared.env.database, what, source))
            }
            Ok(Err(_)) => Err(StoreError::Closed),
            Err(_) => {
                let context = format!("{what} has waited for a reader for {ANSWER_WAIT:?}");
                Err(StoreError::Busy { context, source: None })
            }
        }
    }

    /// Puts something in line for the users' readers, unless all of them are stuck.
    fn queue_read(&self, turn: ReadTurn) -> Result<(), StoreError> {
        let mut stuck = None;
        for slot in &self.shared.reader_slots {
            match self.shared.watchdog.check(slot) {
                Ok(()) => return self.shared.reads.push(turn).map_err(refusal),
                Err(error) => stuck = Some(error),
            }
        }
        Err(stuck.unwrap_or(StoreError::Closed))
    }

    /// Puts something in line for the writer, unless the writer is stuck.
    pub(crate) fn queue_write(&self, turn: Turn) -> Result<(), StoreError> {
        self.shared.watchdog.check(&self.shared.writer_slot)?;
        self.shared.writes.push(turn).map_err(refusal)
    }
}

impl Shared {
    /// What waits for the writer waits for whatever the writer does now.
    pub(crate) fn writer_awaited(&self) -> String {
        match self.writer_slot.name() {
            Some(holder) => format!("the writer, which {holder} held"),
            None => "the writer".to_owned(),
        }
    }
}

fn refusal(refused: Refused) -> StoreError {
    match refused {
        Refused::Full { waiting } => StoreError::Overloaded { waiting },
        Refused::Closed => StoreError::Closed,
    }
}

fn thread_error(source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Sql { context: "cannot start the store's threads".to_owned(), source: source.into() }
}

/// A driver that this store does not have.
fn unknown_driver(driver: &str) -> StoreError {
    StoreError::NotFound { what: format!("the driver `{driver}` (there are `native` and `sqlx`)") }
}

#[async_trait]
impl Store for SqliteStore {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    async fn transact(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        let (job, ticket) = job(work.clone(), limits);
        match work.driver() {
            "native" => self.queue_write(Turn::Native(job))?,
            "sqlx" => self.queue_write(Turn::Typed(job))?,
            other => return Err(unknown_driver(other)),
        }
        ticket.answer(&*work, limits, || self.shared.writer_awaited()).await
    }

    async fn read(&self, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        let (job, ticket) = job(work.clone(), limits);
        match work.driver() {
            "native" => self.queue_read(ReadTurn::Native(job))?,
            "sqlx" => self.queue_read(ReadTurn::Typed(job))?,
            other => return Err(unknown_driver(other)),
        }
        ticket.answer(&*work, limits, || "a reader, of which all are busy".to_owned()).await
    }

    async fn migrate(
        &self,
        module: &str,
        migrations: &[Migration],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        migrate::migrate(self, module, migrations, now).await
    }

    async fn register(&self, spec: &ConsumerSpec, now: Timestamp) -> Result<u16, StoreError> {
        consumers::register(self, spec, now).await
    }

    async fn retire(&self, consumer: &str, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        consumers::retire(self, consumer, reason, now).await
    }

    fn own_tables(&self, owners: &[(String, Vec<String>)]) {
        self.shared.env.owners.declare(owners);
    }

    async fn hold(&self, consumer: &str, partition: u16, worker: WorkerId) -> Result<Holding, StoreError> {
        consumers::hold(self, consumer, partition, worker).await
    }

    async fn give_back(&self, lease: &Lease) -> Result<(), StoreError> {
        // Whether the last holder ended in order is asked of the process, which is the only one.
        self.shared.env.workers.gave_back(&lease.consumer, lease.fence);
        Ok(())
    }

    async fn crew(&self) -> Result<Crew, StoreError> {
        let generations = self.ask("listing consumers", consumers::generations).await?;
        Ok(self.shared.env.workers.crew(generations))
    }

    fn watch_crew(&self) -> Box<dyn Watch> {
        // There is no other process, and this one knows what it does.
        self.shared.env.watchers.watch([])
    }

    async fn read_after(&self, cursor: &Cursor, filter: &Filter, limit: usize) -> Result<Batch, StoreError> {
        consumers::read_after(self, cursor, filter, limit).await
    }

    async fn due(
        &self,
        consumer: &str,
        _partition: u16,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ParkedMessage>, StoreError> {
        consumers::due(self, consumer, now, limit).await
    }

    async fn parked_keys(&self, consumer: &str, _partition: u16) -> Result<ParkedKeys, StoreError> {
        consumers::parked_keys(self, consumer).await
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn watch(&self, filter: &Filter) -> Box<dyn Watch> {
        let topic = |name: &Arc<str>| Topic::Messages(filter.kind, name.clone());
        self.shared.env.watchers.watch(filter.names.iter().map(topic))
    }

    async fn acknowledge_rejection(&self, id: MessageId) -> Result<(), StoreError> {
        outcomes::acknowledge(self, id).await
    }

    async fn maintain(&self, retention: &Retention, now: Timestamp) -> Result<Maintenance, StoreError> {
        retention::maintain(self, retention, now).await
    }

    fn is_transient(&self, error: &Error) -> bool {
        let store = error.find::<StoreError>().is_some_and(StoreError::is_transient);
        store || code_of(error).is_some_and(is_busy)
    }

    fn is_store_trouble(&self, error: &Error) -> bool {
        // What this store has classified it has looked at more closely: a query that writes is read-only, too.
        match error.find::<StoreError>() {
            Some(error) => error.is_trouble_of_the_store(),
            None => code_of(error).is_some_and(is_trouble),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        if self.shared.closed.swap(true, AcqRel) {
            return Ok(());
        }
        self.shared.ending.orderly.store(true, Release);
        self.shared.close_queues();
        let threads = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(threads) = threads else { return Ok(()) };
        // Joining blocks, and a work may need this very thread to make progress.
        let joining = Handle::current().spawn_blocking(move || threads.join());
        joining.await.map_err(thread_error)?;
        Ok(())
    }
}

impl Threads {
    fn join(self) {
        for thread in self.readers.into_iter().chain([self.writer]) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

impl Shared {
    fn close_queues(&self) {
        self.reads.close();
        self.questions.close();
        self.writes.close();
    }
}

impl Drop for Shared {
    /// Without [`Store::close`] the file counts as left in disorder. The threads finish what waits and go.
    fn drop(&mut self) {
        self.close_queues();
    }
}
