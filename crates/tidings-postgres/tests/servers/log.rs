//! What the tests here do with a log: publish, read, and move on.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection};
use tidings_core::envelope::{Cursor, Envelope, MessageKind, Recorded};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{
    Batch, ConsumerKind, ConsumerSpec, Filter, Holding, Lease, Member, Receipt, Start, Store, StoreError,
};
use tidings_core::trace::TraceContext;
use tidings_postgres::{PostgresConfig, PostgresStore, Reader};
use tidings_testkit::script::{Op, run};

pub(crate) const NAME: &str = "orders.placed";

pub(crate) async fn open(url: &str) -> Arc<PostgresStore> {
    open_as(url, Reader::BetweenSnapshots).await
}

pub(crate) async fn open_as(url: &str, reader: Reader) -> Arc<PostgresStore> {
    let config = PostgresConfig { connections_max: 24, reader, ..PostgresConfig::new(url) };
    Arc::new(PostgresStore::open(config).await.expect("the server is there"))
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::constant(1_769_851_800, 0) + SignedDuration::from_secs(seconds)
}

pub(crate) fn event(key: &str) -> Envelope {
    let id = MessageId::new();
    Envelope {
        id,
        kind: MessageKind::Event,
        name: NAME.into(),
        version: 1,
        source: "suite".into(),
        key: Some(Key::new("order", key)),
        time: at(0),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        reply_to: None,
        data: "{}".to_owned(),
    }
}

/// Publishes `count` events in a transaction of their own.
pub(crate) async fn publish(store: &dyn Store, key: &str, count: usize) -> Vec<MessageId> {
    let events: Vec<_> = (0..count).map(|_| event(key)).collect();
    let ids = events.iter().map(|event| event.id).collect();
    run(store, [Op::Append(events)]).await.expect("an append commits");
    ids
}

/// Writes a message as somebody would who uses neither this store nor its statements. It is like the log's first, but for its
/// id.
pub(crate) async fn insert_by_hand(connection: &mut PgConnection, id: MessageId) -> Result<(), sqlx::Error> {
    insert_like_the_first(connection, &format!("'{}'::uuid", id.0), 1).await
}

/// Writes many messages like the log's first, in one transaction.
pub(crate) async fn fill_up(connection: &mut PgConnection, count: u32) -> Result<(), sqlx::Error> {
    insert_like_the_first(connection, "gen_random_uuid()", count).await
}

async fn insert_like_the_first(
    connection: &mut PgConnection,
    id: &str,
    count: u32,
) -> Result<(), sqlx::Error> {
    let columns = "SELECT string_agg(column_name, ', ') FROM information_schema.columns
                   WHERE table_name = 'tidings_log' AND column_name NOT IN ('id', 'position', 'xid')";
    let columns: String = sqlx::query_scalar(columns).fetch_one(&mut *connection).await?;
    let insert = format!(
        "INSERT INTO tidings_log (id, {columns})
         SELECT {id}, {columns} FROM (SELECT * FROM tidings_log ORDER BY position LIMIT 1) first, generate_series(1, {count})"
    );
    sqlx::raw_sql(AssertSqlSafe(insert)).execute(connection).await.map(|_| ())
}

pub(crate) fn filter() -> Filter {
    Filter::all(MessageKind::Event, vec![NAME.into()])
}

/// Holds a consumer as a worker whose lease has lapsed already, so that the next may take it.
pub(crate) async fn hold(store: &dyn Store, consumer: &str) -> Result<Holding, StoreError> {
    let worker = store.enlist(&Member::named("a test"), Duration::ZERO).await?;
    store.hold(consumer, 0, worker).await
}

/// A consumer that is held, and the messages that it has committed.
pub(crate) struct Consumer {
    pub(crate) lease: Lease,
    pub(crate) cursor: Cursor,
    pub(crate) seen: Vec<Recorded>,
}

impl Consumer {
    pub(crate) async fn enter(store: &dyn Store, name: &str, start: Start) -> Self {
        let spec = ConsumerSpec {
            name: name.into(),
            kind: ConsumerKind::Listener,
            filter: filter(),
            start,
            aliases: Vec::new(),
            partitions: 1,
        };
        store.register(&spec, at(0)).await.expect("a consumer is registered");
        Self::hold(store, name).await
    }

    pub(crate) async fn hold(store: &dyn Store, name: &str) -> Self {
        let holding = hold(store, name).await.expect("a registered consumer can be held");
        Self { lease: holding.lease, cursor: holding.cursor, seen: Vec::new() }
    }

    /// Takes hold of the consumer anew, and goes on with what it has seen.
    pub(crate) async fn held_again(self, store: &dyn Store) -> Self {
        let again = Self::hold(store, &self.lease.consumer).await;
        Self { seen: self.seen, ..again }
    }

    /// Reads the next batch, and commits nothing.
    pub(crate) async fn read(&self, store: &dyn Store, limit: usize) -> Batch {
        store.read_after(&self.cursor, &filter(), limit).await.expect("a batch is read")
    }

    pub(crate) fn advance(&self, batch: &Batch) -> Op {
        let (first, last) = (batch.messages.first(), batch.messages.last());
        let receipt = first.zip(last).map(|(first, last)| Receipt {
            first: first.position,
            last: last.position,
            count: u32::try_from(batch.messages.len()).expect("a batch is small"),
            at: at(1),
        });
        Op::Advance(self.lease.clone(), batch.next.clone(), receipt)
    }

    /// Commits what it has read.
    pub(crate) async fn commit(&mut self, store: &dyn Store, batch: Batch) -> Result<(), StoreError> {
        run(store, [self.advance(&batch)]).await?;
        self.cursor = batch.next;
        self.seen.extend(batch.messages);
        Ok(())
    }

    pub(crate) async fn take(&mut self, store: &dyn Store, limit: usize) -> bool {
        let batch = self.read(store, limit).await;
        let at_end = batch.at_end;
        self.commit(store, batch).await.expect("a batch commits");
        at_end
    }

    pub(crate) async fn take_all(&mut self, store: &dyn Store, limit: usize) {
        while !self.take(store, limit).await {}
    }

    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.seen.iter().map(|message| message.envelope.id).collect()
    }
}
