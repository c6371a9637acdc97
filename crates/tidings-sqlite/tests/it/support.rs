//! A store in a folder of its own, works from closures, and messages to append.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tempfile::TempDir;
use tidings_core::envelope::{Cursor, Envelope, MessageKind, Recorded};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    ConsumerKind, ConsumerSpec, Filter, Limits, Start, Store, StoreError, TableScope, Tx, Work,
};
use tidings_core::trace::TraceContext;
use tidings_sqlite::{SqliteConfig, SqliteStore};

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
    Filter { kind: MessageKind::Event, names: vec![name.into()] }
}

pub(crate) fn listener(name: &str, reads: &str) -> ConsumerSpec {
    ConsumerSpec {
        name: name.into(),
        kind: ConsumerKind::Listener,
        filter: filter(reads),
        start: Start::Now,
        aliases: Vec::new(),
    }
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
