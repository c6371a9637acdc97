//! A schema of its own for each test, and what tests do with it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidings_core::envelope::{Cursor, Envelope, MessageKind};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    ConsumerKind, ConsumerSpec, Filter, Holding, JobStore as _, Limits, Member, Migration, Start, Store as _,
    StoreError,
};
use tidings_core::trace::TraceContext;
use tidings_core::value::Row;
use tidings_postgres::{PostgresConfig, PostgresStore};
use tidings_testkit::script::{MODULE, Op, Script, query};

/// Long enough for anything on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn url() -> Option<String> {
    let url = std::env::var("TIDINGS_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty());
    assert!(url.is_some() || std::env::var_os("CI").is_none(), "CI must not skip tests");
    url
}

/// A configuration with an empty schema of its own.
pub(crate) fn fresh(url: &str) -> PostgresConfig {
    let schema = Some(format!("it_{}", MessageId::new().0.simple()));
    PostgresConfig { schema, connections_max: 5, ..PostgresConfig::new(url) }
}

pub(crate) async fn open(config: &PostgresConfig) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(config.clone()).await.expect("the server is there"))
}

/// The same database at another address.
pub(crate) fn through(url: &str, address: std::net::SocketAddr) -> String {
    let (before, rest) = url.split_once('@').expect("a URL with a user");
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    format!("{before}@{address}/{path}")
}

/// The server's own address.
pub(crate) async fn address(url: &str) -> std::net::SocketAddr {
    let (_, rest) = url.split_once('@').expect("a URL with a user");
    let host = rest.split(['/', '?']).next().expect("a host");
    tokio::net::lookup_host(host).await.expect("a host").next().expect("an address")
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_769_851_800, 0) + SignedDuration::from_secs(seconds)
}

pub(crate) fn event(key: &str) -> Envelope {
    let id = MessageId::new();
    Envelope {
        id,
        kind: MessageKind::Event,
        name: "orders.placed".into(),
        version: 1,
        source: "test".into(),
        key: Some(Key::new("order", key)),
        time: at(0),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        reply_to: None,
        data: "{}".to_owned(),
    }
}

pub(crate) fn spec(name: &str) -> ConsumerSpec {
    let filter = Filter::all(MessageKind::Event, vec!["orders.placed".into()]);
    ConsumerSpec {
        name: name.into(),
        kind: ConsumerKind::Listener,
        filter,
        start: Start::Beginning,
        aliases: Vec::new(),
        partitions: 1,
    }
}

/// Takes the only partition of a consumer.
pub(crate) async fn hold(store: &PostgresStore, consumer: &str) -> Result<Holding, StoreError> {
    let worker = store.enlist(&Member::named("a test"), PATIENCE).await?;
    store.hold(consumer, 0, worker).await
}

/// How many messages the log has, as a reader sees it.
pub(crate) async fn keys(store: &PostgresStore) -> Vec<String> {
    let filter = spec("any").filter;
    let mut cursor = Cursor("1:1:~1:1:~0~0".to_owned());
    let mut keys = Vec::new();
    loop {
        let batch = store.read_after(&cursor, &filter, 500).await.expect("a batch is read");
        keys.extend(batch.messages.iter().filter_map(|m| Some(m.envelope.key.as_ref()?.as_str().to_owned())));
        cursor = batch.next;
        if batch.at_end {
            return keys;
        }
    }
}

/// Runs a script with its own limits.
pub(crate) async fn run_for(
    store: &PostgresStore,
    ops: impl Into<Vec<Op>>,
    limits: Limits,
) -> Result<(), StoreError> {
    store.transact(Arc::new(Script::named("listener `test.one`", ops)), limits).await
}

pub(crate) fn execute(sql: &'static str) -> Op {
    Op::Execute(sql, Vec::new())
}

/// A table `counter` of the module, with one row.
pub(crate) async fn make_counter(store: &PostgresStore) {
    let sql = "CREATE TABLE counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO counter VALUES (1, 0), (2, 0)";
    let migration = Migration { version: 1, name: "counter", sql };
    store.migrate(MODULE, &[migration], at(0)).await.expect("a migration is applied");
}

pub(crate) async fn counter(store: &PostgresStore) -> i64 {
    let rows: Vec<Row> = query(store, "SELECT n FROM counter WHERE id = 1").await.expect("a table is read");
    rows[0].get("n").expect("a number")
}

/// An error with all its causes, as a user sees it.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
