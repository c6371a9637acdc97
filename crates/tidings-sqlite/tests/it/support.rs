//! A store in a folder of its own, works from closures, and messages to append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tempfile::TempDir;
use tidings_core::envelope::{Cursor, Envelope, MessageKind, Recorded};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    ConsumerKind, ConsumerSpec, Filter, Holding, JobStore, Limits, Member, Start, Store, StoreError,
    TableScope, Tx, Work,
};
use tidings_core::trace::TraceContext;
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) const NOW: Timestamp = Timestamp::UNIX_EPOCH;
pub(crate) const SHOP: TableScope<'static> = TableScope { module: "shop" };

/// A store and its folder, which goes when this is dropped.
pub(crate) struct Temp {
    pub(crate) store: SqliteStore,
    pub(crate) folder: TempDir,
}

pub(crate) fn config(folder: &TempDir) -> SqliteConfig {
    SqliteConfig::new(folder.path().join("shop.db"))
}

pub(crate) async fn open() -> Temp {
    open_with(|_| {}).await
}

pub(crate) async fn open_with(change: impl FnOnce(&mut SqliteConfig)) -> Temp {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    change(&mut config);
    let store = SqliteStore::open(config).await.unwrap();
    Temp { store, folder }
}

impl Temp {
    /// Runs SQL on a connection of its own, beside the store.
    pub(crate) fn outside(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.folder.path().join("shop.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    pub(crate) async fn run(&self, work: Arc<dyn Work>) -> Result<(), StoreError> {
        self.store.transact(work, Limits::default()).await
    }

    /// Creates a table of module `shop`.
    pub(crate) async fn table(&self, sql: &'static str) {
        self.run(sql_work("create", sql)).await.unwrap();
    }

    /// Everything under one name, in log order.
    pub(crate) async fn log(&self, name: &str) -> Vec<Recorded> {
        let after = Cursor("0".to_owned());
        self.store.read_after(&after, &filter(name), usize::MAX).await.unwrap().messages
    }

    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.outside().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

type Run = dyn for<'a> Fn(&'a mut dyn Tx) -> BoxFuture<'a, Result<(), StoreError>> + Send + Sync;

struct Closure {
    name: String,
    driver: &'static str,
    run: Box<Run>,
}

#[async_trait]
impl Work for Closure {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn driver(&self) -> &'static str {
        self.driver
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let result = (self.run)(&mut *tx).await;
        (tx, result)
    }
}

/// A work of the native driver.
pub(crate) fn work(
    name: &str,
    run: impl for<'a> Fn(&'a mut dyn Tx) -> BoxFuture<'a, Result<(), StoreError>> + Send + Sync + 'static,
) -> Arc<dyn Work> {
    work_on("native", name, run)
}

/// A work of either driver.
pub(crate) fn work_on(
    driver: &'static str,
    name: &str,
    run: impl for<'a> Fn(&'a mut dyn Tx) -> BoxFuture<'a, Result<(), StoreError>> + Send + Sync + 'static,
) -> Arc<dyn Work> {
    Arc::new(Closure { name: name.to_owned(), driver, run: Box::new(run) })
}

/// A work of one statement of module `shop`.
pub(crate) fn sql_work(name: &str, sql: &'static str) -> Arc<dyn Work> {
    work(name, move |tx| Box::pin(async move { tx.execute(SHOP, sql, &[]).await.map(drop) }))
}

/// A work that appends one event.
pub(crate) fn append_work(name: &'static str) -> Arc<dyn Work> {
    work("append", move |tx| Box::pin(async move { tx.append(&[event(name)]).await }))
}

pub(crate) fn event(name: &str) -> Envelope {
    let id = MessageId::new();
    Envelope {
        id,
        kind: MessageKind::Event,
        name: name.into(),
        version: 1,
        source: "shop".into(),
        key: None,
        time: NOW,
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::root(),
        reply_to: None,
        data: "{}".to_owned(),
    }
}

pub(crate) fn keyed(name: &str, key: &str) -> Envelope {
    Envelope { key: Some(Key::new("order_id", key)), ..event(name) }
}

pub(crate) fn filter(name: &str) -> Filter {
    Filter::all(MessageKind::Event, vec![name.into()])
}

pub(crate) fn listener(name: &str, reads: &str) -> ConsumerSpec {
    ConsumerSpec {
        name: name.into(),
        kind: ConsumerKind::Listener,
        filter: filter(reads),
        start: Start::Now,
        aliases: Vec::new(),
        partitions: 1,
    }
}

/// Holds a consumer for a worker of its own that is not heard of again: whoever comes next may take it.
pub(crate) async fn hold(store: &SqliteStore, consumer: &str) -> Result<Holding, StoreError> {
    let worker = store.enlist(&Member::named("a test"), Duration::ZERO).await?;
    store.hold(consumer, 0, worker).await
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A work that holds the writer until it is told to go on, so that what comes meanwhile waits and forms a group.
pub(crate) struct Gate {
    reached: Arc<AtomicBool>,
    opened: Arc<Notify>,
}

impl Gate {
    /// A gate, and the work that stops at it and then ends with `result`.
    pub(crate) fn work(name: &str, result: Result<(), ()>) -> (Self, Arc<dyn Work>) {
        let gate = Self { reached: Arc::default(), opened: Arc::default() };
        let (reached, opened) = (gate.reached.clone(), gate.opened.clone());
        let work = work(name, move |_| {
            let (reached, opened) = (reached.clone(), opened.clone());
            Box::pin(async move {
                reached.store(true, Ordering::SeqCst);
                opened.notified().await;
                result.map_err(|()| StoreError::Undone)
            })
        });
        (gate, work)
    }

    /// Holds the writer from now on.
    pub(crate) async fn shut(temp: &Temp) -> Self {
        let (gate, work) = Self::work("gate", Err(()));
        drop(spawn(temp, work));
        gate.reached().await;
        gate
    }

    pub(crate) async fn reached(&self) {
        until("the gate is reached", || self.reached.load(Ordering::SeqCst)).await;
    }

    pub(crate) fn open(&self) {
        self.opened.notify_one();
    }
}

/// Queues a work.
pub(crate) fn spawn(temp: &Temp, work: Arc<dyn Work>) -> JoinHandle<Result<(), StoreError>> {
    let store = temp.store.clone();
    tokio::spawn(async move { store.transact(work, Limits::default()).await })
}

/// Runs works that are all waiting when the writer comes to them, so that they share a group.
pub(crate) async fn together(temp: &Temp, works: Vec<Arc<dyn Work>>) -> Vec<Result<(), StoreError>> {
    let gate = Gate::shut(temp).await;
    let mut waiting = Vec::new();
    for work in works {
        waiting.push(spawn(temp, work));
        tokio::task::yield_now().await;
    }
    gate.open();
    let mut results = Vec::new();
    for waiting in waiting {
        results.push(waiting.await.unwrap());
    }
    results
}
