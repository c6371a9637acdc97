//! Measures the store beside a hand-written group-committing thread on the same disk.
//!
//! `cargo run --release -p tidings-sqlite --example measure -- [callers] [seconds]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement prints, and stops where it fails"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use tidings_core::envelope::{Envelope, MessageKind};
use tidings_core::ids::MessageId;
use tidings_core::store::{Limits, Store, StoreError, TableScope, Tx, Work};
use tidings_core::trace::TraceContext;
use tidings_sqlite::{SqliteConfig, SqliteStore};
use tokio::sync::oneshot;

const ROW: &str = "INSERT INTO orders (id, customer, cents) VALUES ($1, $2, $3)";

fn event() -> Envelope {
    let id = MessageId::new();
    Envelope {
        id,
        kind: MessageKind::Event,
        name: "orders.placed".into(),
        version: 1,
        source: "orders".into(),
        key: None,
        time: Timestamp::now(),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::root(),
        reply_to: None,
        data: r#"{"order_id":"0190163d-8694-739b-aea5-966c26f8ad91","customer_id":"0190163d-8694-739b-aea5-966c26f8ad91","placed_at":"2026-01-01T00:00:00Z"}"#.to_owned(),
    }
}

struct Place {
    with_row: bool,
}

#[async_trait]
impl Work for Place {
    fn name(&self) -> String {
        "place".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let result = self.place(&mut *tx).await;
        (tx, result)
    }
}

impl Place {
    async fn place(&self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        let event = event();
        if self.with_row {
            let row = [event.id.0.into(), "somebody".into(), 1_i64.into()];
            tx.execute(TableScope { module: "orders" }, ROW, &row).await?;
        }
        tx.append(&[event]).await
    }
}

async fn ours(folder: &Path, callers: usize, with_row: bool, how_long: Duration) -> (Rate, f64) {
    let store = SqliteStore::open(SqliteConfig::new(folder.join("ours.db"))).await.unwrap();
    let create = "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, customer TEXT, cents INTEGER)";
    let migration = tidings_core::store::Migration { version: 1, name: "orders", sql: create };
    store.migrate("orders", &[migration], Timestamp::now()).await.unwrap();
    store.own_tables(&[("orders".to_owned(), vec!["orders".to_owned()])]);
    let before = store.stats();
    let rate = drive(callers, how_long, move || {
        let store = store.clone();
        async move {
            let work = Arc::new(Place { with_row });
            store.transact(work, Limits::default()).await.unwrap();
            store
        }
    });
    let (rate, store) = rate.await;
    let stats = store.stats();
    let members =
        (stats.works_committed - before.works_committed) as f64 / (stats.commits - before.commits) as f64;
    store.close().await.unwrap();
    (rate, members)
}

/// The processor time that this process has used, in microseconds: unlike a rate, it can be compared on a busy machine.
fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.split(' ').skip(13).take(2).filter_map(|text| text.parse().ok()).collect();
    fields.iter().sum::<f64>() * 10_000.0
}

struct Rate {
    per_second: f64,
    cpu_us: f64,
}

/// Calls `call` from many tasks for a while; returns the rate and the last thing that a call gave back.
async fn drive<T, F>(
    callers: usize,
    how_long: Duration,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> (Rate, T)
where
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    let (started, cpu) = (Instant::now(), cpu_us());
    for _ in 0..callers {
        let (stop, count, call) = (stop.clone(), count.clone(), call.clone());
        tasks.push(tokio::spawn(async move {
            loop {
                let last = call().await;
                count.fetch_add(1, Relaxed);
                if stop.load(Relaxed) {
                    return last;
                }
            }
        }));
    }
    tokio::time::sleep(how_long).await;
    let calls = count.load(Relaxed) as f64;
    let rate = Rate { per_second: calls / started.elapsed().as_secs_f64(), cpu_us: (cpu_us() - cpu) / calls };
    stop.store(true, Relaxed);
    let mut last = None;
    for task in tasks {
        last = Some(task.await.unwrap());
    }
    (rate, last.unwrap())
}

/// The thread that a team would write by hand: a channel, a savepoint per caller, one commit for all who wait.
fn by_hand(folder: &Path, with_row: bool) -> mpsc::Sender<oneshot::Sender<()>> {
    let connection = Connection::open(folder.join("hand.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.execute_batch(include_str!("../migrations/0001_log.sql")).unwrap();
    connection
        .execute_batch("CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT, cents INTEGER)")
        .unwrap();
    let (sender, receiver) = mpsc::channel::<oneshot::Sender<()>>();
    std::thread::spawn(move || {
        while let Ok(first) = receiver.recv() {
            let mut replies = Vec::new();
            let mut next = Some(first);
            connection.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
            while let Some(reply) = next {
                let alone = replies.is_empty();
                if !alone {
                    connection.prepare_cached("SAVEPOINT a").unwrap().execute([]).unwrap();
                }
                place_by_hand(&connection, with_row);
                if !alone {
                    connection.prepare_cached("RELEASE a").unwrap().execute([]).unwrap();
                }
                replies.push(reply);
                next = if replies.len() < 512 { receiver.try_recv().ok() } else { None };
            }
            connection.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
            for reply in replies {
                let _ = reply.send(());
            }
        }
    });
    sender
}

fn place_by_hand(connection: &Connection, with_row: bool) {
    let event = event();
    if with_row {
        let mut row = connection.prepare_cached(ROW).unwrap();
        row.execute(params![event.id.to_string(), "somebody", 1]).unwrap();
    }
    let mut append = connection.prepare_cached(include_str!("../queries/append.sql")).unwrap();
    let params = params![
        event.id.0.as_bytes(),
        event.kind.as_str(),
        event.name,
        event.version,
        event.source,
        None::<String>,
        event.time.as_microsecond(),
        event.correlation_id.0.as_bytes(),
        None::<Vec<u8>>,
        event.trace.traceparent(),
        None::<String>,
        None::<String>,
        None::<String>,
        event.data
    ];
    append.execute(params).unwrap();
}

async fn hand(folder: &Path, callers: usize, with_row: bool, how_long: Duration) -> Rate {
    let sender = by_hand(folder, with_row);
    let (rate, ()) = drive(callers, how_long, move || {
        let (reply, done) = oneshot::channel();
        sender.send(reply).unwrap();
        async move { done.await.unwrap() }
    })
    .await;
    rate
}

/// The median time of one fdatasync of a small append: the floor under every single commit.
fn fdatasync_ms(folder: &Path) -> f64 {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("sync")).unwrap();
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            file.write_all(&[0; 4_096]).unwrap();
            let started = Instant::now();
            file.sync_data().unwrap();
            started.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let callers = arguments.next().unwrap_or(256) as usize;
    let how_long = Duration::from_secs(arguments.next().unwrap_or(3));
    for round in 1..=3 {
        for with_row in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let sync = fdatasync_ms(folder.path());
            let hand = hand(folder.path(), callers, with_row, how_long).await;
            let (ours, members) = ours(folder.path(), callers, with_row, how_long).await;
            let what = if with_row { "row + event" } else { "event only" };
            println!(
                "round {round}, {callers} callers, {what}: by hand {:.0}/s, {:.1} us of processor; ours {:.0}/s, \
                 {:.1} us; rate {:.0} %, {members:.1} works a commit, fdatasync p50 {sync:.2} ms",
                hand.per_second,
                hand.cpu_us,
                ours.per_second,
                ours.cpu_us,
                100.0 * ours.per_second / hand.per_second
            );
        }
    }
}
