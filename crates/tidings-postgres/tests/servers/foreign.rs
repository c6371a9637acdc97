//! Transactions that stay open all along delay nobody, and make reading no slower with the number of rows written since.
//!
//! There are three: one that has written and publishes nothing, one that holds a snapshot, and one that has published. What a
//! read costs is told by the server's counts of rows looked at, not by the clock.
//!
//! `TIDINGS_FOREIGN_SECONDS` says how long they stay open (8), `TIDINGS_FOREIGN_RATE` how many transactions publish per second
//! meanwhile (200).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tidings_core::ids::MessageId;
use tidings_core::store::Start;
use tidings_postgres::PostgresStore;
use tokio::task::JoinSet;

use crate::log::{Consumer, fill_up, insert_by_hand, open, publish};
use crate::server::{Programs, Server, ask};
use crate::stress::say;

fn parameter(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// When each message was acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<MessageId, Instant>>>;

async fn write(store: Arc<PostgresStore>, acknowledged: Acknowledged, pause: Duration, until: Instant) {
    let mut next = Instant::now();
    while next < until {
        tokio::time::sleep_until(next.into()).await;
        let ids = publish(store.as_ref(), "a", 1).await;
        let now = Instant::now();
        acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(ids.into_iter().map(|id| (id, now)));
        // Who is late does not catch up: what is measured is not the load.
        next = (next + pause).max(now);
    }
}

/// A run is told in so many parts.
const PARTS: u32 = 4;

/// What a part of the run came to.
#[derive(Debug, Default)]
struct Part {
    delivered: usize,
    late_max: Duration,
    looked_at: i64,
}

impl Part {
    fn per_message(&self) -> f64 {
        self.looked_at as f64 / self.delivered.max(1) as f64
    }
}

/// How many entries of the log's indexes, and rows of the log without an index, were looked at so far.
async fn looked_at(connection: &mut PgConnection) -> i64 {
    // Backends report about once a second; over a part of a run that does not matter much.
    let sql = "SELECT (sum(idx_tup_read) + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname = 'tidings_log'))::text
               FROM pg_stat_user_indexes WHERE relname = 'tidings_log'";
    ask(connection, sql).await.and_then(|count| count.parse().ok()).expect("the server counts")
}

/// Reads until a moment, and takes note of how late each message comes.
async fn read(
    store: &PostgresStore,
    consumer: &mut Consumer,
    acknowledged: &Acknowledged,
    until: Instant,
) -> Part {
    let mut part = Part::default();
    while Instant::now() < until {
        let before = consumer.seen.len();
        consumer.take(store, 100).await;
        let now = Instant::now();
        for id in &consumer.ids()[before..] {
            let at = acknowledged.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
            part.late_max = part.late_max.max(at.map_or(Duration::ZERO, |at| now - at));
        }
        part.delivered += consumer.seen.len() - before;
        if consumer.seen.len() == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    part
}

/// Writes or reads something else, and stays open until its connection is dropped.
async fn stay_open(server: &Server, statements: &'static str) -> PgConnection {
    let mut connection = server.connect("strangers").await;
    sqlx::raw_sql(statements).execute(&mut connection).await.expect("a statement runs");
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_transactions_delay_nobody_and_make_reading_no_slower() {
    let Some(programs) = Programs::find() else { return };
    let seconds = parameter("TIDINGS_FOREIGN_SECONDS", 8);
    let rate = parameter("TIDINGS_FOREIGN_RATE", 200);
    const WRITERS: u64 = 4;
    let server = Server::start(&programs);
    let url = server.database("strangers").await;
    server.execute("strangers", "CREATE TABLE other (id bigint PRIMARY KEY)").await;
    let store = open(&url).await;
    // A log that was there before: as long as it is a few pages PostgreSQL rightly reads all of them.
    publish(store.as_ref(), "a", 1).await;
    let mut counting = server.connect("strangers").await;
    fill_up(&mut counting, 20_000).await.expect("rows are written");
    server.execute("strangers", "VACUUM ANALYZE").await;
    let mut consumer = Consumer::enter(store.as_ref(), "test.reader", Start::Now).await;

    let writes = stay_open(&server, "BEGIN; INSERT INTO other VALUES (1)").await;
    let holds = stay_open(&server, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM other").await;
    let mut publishes = stay_open(&server, "BEGIN").await;
    let late = MessageId::new();
    insert_by_hand(&mut publishes, late).await.expect("a row is written");

    let acknowledged = Acknowledged::default();
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let pause = Duration::from_secs(WRITERS) / u32::try_from(rate).expect("a rate is a small number");
        writers.spawn(write(store.clone(), acknowledged.clone(), pause, until));
    }
    let mut parts = Vec::new();
    let mut counted = looked_at(&mut counting).await;
    for number in 1..=PARTS {
        let end = began + Duration::from_secs(seconds) * number / PARTS;
        let mut part = read(&store, &mut consumer, &acknowledged, end).await;
        let before = std::mem::replace(&mut counted, looked_at(&mut counting).await);
        part.looked_at = counted - before;
        parts.push(part);
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer ends");
    }
    consumer.take_all(store.as_ref(), 100).await;
    let all = acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut seen = consumer.ids();
    seen.sort_unstable();
    assert_eq!(
        seen,
        all.keys().copied().collect::<Vec<_>>(),
        "everything that was committed is delivered, once"
    );

    sqlx::raw_sql("COMMIT").execute(&mut publishes).await.expect("who is late commits");
    consumer.take_all(store.as_ref(), 100).await;
    assert_eq!(consumer.ids().last(), Some(&late), "what is committed after all that comes then");
    assert_eq!(consumer.ids().len(), all.len() + 1, "and nothing else does");
    drop((writes, holds));

    for (number, part) in (1..).zip(&parts) {
        say(&format!(
            "foreign transactions, {seconds} s, part {number}: {} delivered, the latest {:?} after its commit, {:.2} entries \
             looked at for each",
            part.delivered,
            part.late_max,
            part.per_message()
        ));
    }
    let (first, last) = (&parts[0], &parts[PARTS as usize - 1]);
    let slower = last.per_message() > 2.0 * first.per_message() + 5.0;
    assert!(!slower, "reading does not cost more with every row: {parts:?}");
    assert!(parts.iter().all(|part| part.late_max < Duration::from_secs(10)), "nobody waits: {parts:?}");
}
