//! Stress: many writers whose transactions take from nothing to two seconds and end well or badly, readers that are killed
//! and come back, backends that are terminated, and a server that crashes half-way.
//!
//! What was acknowledged is kept outside of the database. What the readers did is kept inside, in the transactions that move
//! their cursors: a reader that is killed in a commit does not know itself what became of it.
//!
//! `TIDINGS_STRESS_SECONDS` says how long the writers write (5), `TIDINGS_TEST_SEED` repeats their choices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tidings_core::ids::MessageId;
use tidings_core::store::{Limits, Start, Store as _, StoreError, Tx, Work};
use tidings_core::value::Value;
use tidings_postgres::{PostgresStore, Reader};
use tidings_testkit::random::Random;
use tidings_testkit::script::{Op, run};
use tokio::task::JoinSet;

use crate::log::{Consumer, event, hold, insert_by_hand, open, open_as, publish};
use crate::server::{Programs, Server, ask};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const WRITERS: u64 = 16;
const READERS: [usize; 4] = [3, 7, 40, 200];

/// A message as its publisher knows it.
#[derive(Clone)]
struct Published {
    id: MessageId,
    key: &'static str,
    /// How many messages of its key were acknowledged when it was published: all of these are its causes.
    seen: usize,
}

/// What became of what was published, by the word of commits.
#[derive(Default)]
struct Account {
    /// Per key, in the order of acknowledgements.
    acknowledged: BTreeMap<&'static str, Vec<MessageId>>,
    /// Those of one transaction each, in the order in which it published them.
    transactions: Vec<Vec<Published>>,
    undone: BTreeSet<MessageId>,
    /// The answer to the commit was lost.
    unknown: BTreeSet<MessageId>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Account>>);

impl Shared {
    fn with<T>(&self, with: impl FnOnce(&mut Account) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn seen(&self, key: &str) -> usize {
        self.with(|account| account.acknowledged.get(key).map_or(0, Vec::len))
    }

    fn acknowledge(&self, published: Vec<Published>) {
        self.with(|account| {
            for message in &published {
                account.acknowledged.entry(message.key).or_default().push(message.id);
            }
            account.transactions.push(published);
        });
    }

    fn undone(&self, published: &[Published]) {
        self.with(|account| account.undone.extend(published.iter().map(|message| message.id)));
    }

    fn unknown(&self, published: &[Published]) {
        self.with(|account| account.unknown.extend(published.iter().map(|message| message.id)));
    }
}

/// Mostly short, sometimes up to two seconds.
fn random_length(random: &mut Random) -> Duration {
    let most = [2_000, 20_000, 200_000, 2_000_000][[0, 0, 0, 1, 1, 1, 1, 2, 2, 3][random.below(10)]];
    Duration::from_micros(random.below(most) as u64)
}

/// One transaction of a writer.
struct Writing {
    account: Shared,
    random: Mutex<Random>,
    published: Mutex<Vec<Published>>,
}

impl Writing {
    async fn publish(&self, tx: &mut dyn Tx, random: &mut Random, keep: bool) -> Result<(), StoreError> {
        let key = KEYS[random.below(KEYS.len())];
        // Seen first, published then.
        let seen = self.account.seen(key);
        let event = event(key);
        let published = Published { id: event.id, key, seen };
        if keep {
            self.published.lock().unwrap_or_else(PoisonError::into_inner).push(published);
        } else {
            self.account.undone(&[published]);
        }
        tx.append(&[event]).await
    }

    async fn step(&self, tx: &mut dyn Tx, random: &mut Random) -> Result<(), StoreError> {
        match random.below(8) {
            0 => {
                let touch = "UPDATE touched SET times = times + 1 WHERE id = $1";
                let scope = tidings_core::store::TableScope { module: "suite" };
                tx.execute(scope, touch, &[Value::Int(random.below(5_000) as i64)]).await.map(|_| ())
            }
            1 => {
                let savepoint = tx.savepoint().await?;
                self.publish(tx, random, false).await?;
                tx.rollback_to(savepoint).await
            }
            2 => {
                let savepoint = tx.savepoint().await?;
                self.publish(tx, random, true).await?;
                tx.release(savepoint).await
            }
            // More than 64, so that the server does not keep them in memory any more.
            3 if random.chance(10) => {
                for _ in 0..70 {
                    let savepoint = tx.savepoint().await?;
                    self.publish(tx, random, true).await?;
                    tx.release(savepoint).await?;
                }
                Ok(())
            }
            _ => self.publish(tx, random, true).await,
        }
    }
}

#[async_trait]
impl Work for Writing {
    fn name(&self) -> String {
        "writing".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        // Run again, it publishes others: what it published before was undone.
        let before = std::mem::take(&mut *self.published.lock().unwrap_or_else(PoisonError::into_inner));
        self.account.undone(&before);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let result = async {
            for _ in 0..=random.below(3) {
                self.step(tx.as_mut(), &mut random).await?;
                tokio::time::sleep(random_length(&mut random)).await;
            }
            if random.chance(15) { Err(StoreError::Undone) } else { Ok(()) }
        };
        let result = result.await;
        (tx, result)
    }
}

async fn write(store: Arc<PostgresStore>, account: Shared, mut random: Random, until: Instant) {
    while Instant::now() < until {
        let own = Random::new(random.draw());
        let writing =
            Arc::new(Writing { account: account.clone(), random: own.into(), published: Mutex::default() });
        let result = store.transact(writing.clone(), Limits::default()).await;
        let published =
            std::mem::take(&mut *writing.published.lock().unwrap_or_else(PoisonError::into_inner));
        match result {
            Ok(()) => account.acknowledge(published),
            Err(StoreError::Undone) => account.undone(&published),
            // A terminated backend or a crash; which of them may have been in the commit.
            Err(_) => account.unknown(&published),
        }
    }
}

/// Commits in two phases: between the two the transaction belongs to nobody, and survives even a crash.
async fn write_prepared(url: String, account: Shared, mut random: Random, until: Instant) {
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        let published = Published { id: MessageId::new(), key: KEYS[0], seen: account.seen(KEYS[0]) };
        match prepared(&url, &published, number, &mut random).await {
            Ok(true) => account.acknowledge(vec![published]),
            Ok(false) => account.undone(&[published]),
            Err(_) => account.unknown(&[published]),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn prepared(
    url: &str,
    published: &Published,
    number: u32,
    random: &mut Random,
) -> Result<bool, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("BEGIN").execute(&mut connection).await?;
    insert_by_hand(&mut connection, published.id).await?;
    let prepare = format!("PREPARE TRANSACTION 'stress {number}'");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut connection).await?;
    tokio::time::sleep(random_length(random)).await;
    let commits = random.chance(80);
    let end = format!("{} PREPARED 'stress {number}'", if commits { "COMMIT" } else { "ROLLBACK" });
    sqlx::raw_sql(AssertSqlSafe(end)).execute(&mut connection).await?;
    Ok(commits)
}

/// Reads and commits, and is killed at random places; ends when there is nothing left after the writers have.
async fn read(store: Arc<PostgresStore>, name: String, limit: usize, mut random: Random, until: Instant) {
    loop {
        let life = Duration::from_micros(random.below(1_500_000) as u64);
        let lived = tokio::time::timeout(life, read_on(&store, &name, limit, &mut random, until)).await;
        if matches!(lived, Ok(Ok(()))) {
            return;
        }
    }
}

async fn read_on(
    store: &PostgresStore,
    name: &str,
    limit: usize,
    random: &mut Random,
    until: Instant,
) -> Result<(), StoreError> {
    const EFFECTS: &str = "INSERT INTO effects (consumer, message)
        SELECT $1, message::uuid FROM json_array_elements_text($2::json) WITH ORDINALITY AS m (message, ord) ORDER BY ord";
    let mut holding = hold(store, name).await?;
    loop {
        let over = Instant::now() > until;
        let batch = store.read_after(&holding.cursor, &crate::log::filter(), limit).await?;
        tokio::time::sleep(Duration::from_micros(random.below(5_000) as u64)).await;
        let ids: Vec<_> = batch.messages.iter().map(|message| message.envelope.id.0.to_string()).collect();
        let ids = serde_json::to_string(&ids).expect("ids are text");
        let effects = Op::Execute(EFFECTS, vec![Value::Text(name.to_owned()), Value::Text(ids)]);
        run(store, [effects, Op::Advance(holding.lease.clone(), batch.next.clone(), None)]).await?;
        holding.cursor = batch.next;
        if over && batch.at_end {
            return Ok(());
        }
    }
}

/// Ends backends of the others, now and then.
async fn terminate(url: String, mut random: Random, until: Instant) {
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(100 + random.below(400) as u64)).await;
        let Ok(mut connection) = PgConnection::connect(&url).await else { continue };
        let one = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1";
        let _refused_while_the_server_recovers = sqlx::query(one).execute(&mut connection).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_out_of_order_under_stress() {
    let Some(programs) = Programs::find() else { return };
    let seconds =
        std::env::var("TIDINGS_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let audit = stress(&programs, seconds, Reader::BetweenSnapshots, true).await;
    say(&format!("stress: {audit}"));
    assert_eq!(audit.wrong(), [0; 5], "lost, doubled, undone, unknown, out of order: {audit}");
}

/// The audit sees what it is there to see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_by_sequence_loses_messages_under_stress() {
    let Some(programs) = Programs::find() else { return };
    let audit = stress(&programs, 3, Reader::BySequence, false).await;
    assert!(audit.lost > 0, "the planted bug loses messages: {audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_by_transaction_id_breaks_order_under_stress() {
    let Some(programs) = Programs::find() else { return };
    let audit = stress(&programs, 3, Reader::ByTransaction, false).await;
    assert!(audit.out_of_order > 0, "the planted bug breaks causal order: {audit}");
}

/// `faults`: backends are terminated, and the server crashes half-way.
async fn stress(programs: &Programs, seconds: u64, reader: Reader, faults: bool) -> Audit {
    let seed = Random::seed(11);
    let random = |number: u64| Random::new(seed.wrapping_mul(1_000).wrapping_add(number));
    let server = Server::start(programs);
    let url = server.database("stress").await;
    server.execute("stress", TABLES).await;
    let (writers, readers) = (open(&url).await, open_as(&url, reader).await);
    let account = Shared::default();
    // The first row lends its columns to those that are written by hand.
    let first = publish(writers.as_ref(), KEYS[0], 1).await[0];
    account.acknowledge(vec![Published { id: first, key: KEYS[0], seen: 0 }]);

    for limit in READERS {
        Consumer::enter(readers.as_ref(), &format!("stress.{limit}"), Start::Beginning).await;
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut tasks, mut reading) = (JoinSet::new(), JoinSet::new());
    for number in 0..WRITERS {
        tasks.spawn(write(writers.clone(), account.clone(), random(number), until));
    }
    tasks.spawn(write_prepared(url.clone(), account.clone(), random(100), until));
    if faults {
        tasks.spawn(terminate(url.clone(), random(101), until));
    }
    for (number, limit) in (200..).zip(READERS) {
        let name = format!("stress.{limit}");
        // Transactions that began in time take two seconds more at most, or eight, with four steps.
        reading.spawn(read(readers.clone(), name, limit, random(number), until + Duration::from_secs(1)));
    }
    tokio::time::sleep(Duration::from_secs(seconds) / 2).await;
    if faults {
        tokio::task::block_in_place(|| server.restart("immediate"));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a writer ends");
    }
    end_prepared(&server).await;
    while let Some(ended) = reading.join_next().await {
        ended.expect("a reader ends");
    }
    // Once more, now that nobody writes.
    for limit in READERS {
        read(readers.clone(), format!("stress.{limit}"), limit, random(300), Instant::now()).await;
    }
    audit(&server, &account).await
}

const TABLES: &str = "
    CREATE TABLE touched (id bigint PRIMARY KEY, times bigint NOT NULL DEFAULT 0);
    INSERT INTO touched (id) SELECT generate_series(0, 4999);
    CREATE TABLE effects (ord bigint GENERATED ALWAYS AS IDENTITY (CACHE 1), consumer text NOT NULL, message uuid NOT NULL)";

/// What was prepared and whose owner lost its connection.
async fn end_prepared(server: &Server) {
    let mut connection = server.connect("stress").await;
    while let Some(name) = ask(&mut connection, "SELECT gid FROM pg_prepared_xacts LIMIT 1").await {
        let rollback = format!("ROLLBACK PREPARED '{name}'");
        sqlx::raw_sql(AssertSqlSafe(rollback)).execute(&mut connection).await.expect("it is rolled back");
    }
}

/// What became of all that was published, summed over the readers.
#[derive(Debug, Default)]
struct Audit {
    transactions: usize,
    acknowledged: usize,
    /// By the word of its transaction.
    rolled_back: usize,
    /// Neither acknowledged nor refused, so both are right.
    of_unknown_fate: usize,
    delivered: usize,
    lost: usize,
    doubled: usize,
    undone: usize,
    unknown: usize,
    out_of_order: usize,
}

impl Audit {
    const fn wrong(&self) -> [usize; 5] {
        [self.lost, self.doubled, self.undone, self.unknown, self.out_of_order]
    }
}

impl std::fmt::Display for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} transactions acknowledged {} messages ({} undone, {} of unknown fate); {} delivered to {} readers together: lost \
             {}, doubled {}, delivered and undone {}, delivered and never published {}, out of order {}",
            self.transactions,
            self.acknowledged,
            self.rolled_back,
            self.of_unknown_fate,
            self.delivered,
            READERS.len(),
            self.lost,
            self.doubled,
            self.undone,
            self.unknown,
            self.out_of_order
        )
    }
}

async fn audit(server: &Server, account: &Shared) -> Audit {
    let mut connection = server.connect("stress").await;
    let account = account.with(std::mem::take);
    let acknowledged: BTreeSet<_> = account.acknowledged.values().flatten().copied().collect();
    let mut audit = Audit {
        transactions: account.transactions.len(),
        acknowledged: acknowledged.len(),
        rolled_back: account.undone.len(),
        of_unknown_fate: account.unknown.len(),
        ..Audit::default()
    };
    for limit in READERS {
        let sql = format!("SELECT message FROM effects WHERE consumer = 'stress.{limit}' ORDER BY ord");
        let delivered: Vec<uuid::Uuid> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .expect("effects are read");
        let place: BTreeMap<_, _> =
            delivered.iter().enumerate().map(|(at, id)| (MessageId(*id), at)).collect();
        let known = |id: &MessageId| {
            acknowledged.contains(id) || account.unknown.contains(id) || account.undone.contains(id)
        };
        audit.delivered += delivered.len();
        audit.doubled += delivered.len() - place.len();
        audit.lost += acknowledged.iter().filter(|id| !place.contains_key(id)).count();
        audit.undone += place.keys().filter(|id| account.undone.contains(id)).count();
        audit.unknown += place.keys().filter(|id| !known(id)).count();
        audit.out_of_order += out_of_order(&account, &place);
    }
    audit
}

/// Messages that were delivered before one that their publisher had seen acknowledged, or had published before.
fn out_of_order(account: &Account, place: &BTreeMap<MessageId, usize>) -> usize {
    let mut breaks = 0;
    for transaction in &account.transactions {
        for (number, message) in transaction.iter().enumerate() {
            let own = place.get(&message.id);
            let seen = &account.acknowledged[message.key][..message.seen];
            let earlier =
                transaction[..number].iter().filter(|one| one.key == message.key).map(|one| &one.id);
            breaks += seen.iter().chain(earlier).filter(|cause| place.get(cause) > own).count();
        }
    }
    breaks
}

pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{text}").expect("stderr takes a line");
}
