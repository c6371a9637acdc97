//! Many writers at once, with transactions of random length, size and end. The suites keep their own account of what
//! was acknowledged, outside the database under test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tidings_core::envelope::Recorded;
use tidings_core::ids::MessageId;
use tidings_core::store::{Limits, Start, Store, StoreError, Tx, Work};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::factory::StoreFactory;
use crate::random::Random;
use crate::script::{Op, Script};
use crate::suite::support::*;

const READS: [&str; 1] = ["orders.placed"];
const WRITERS: u64 = 8;

/// Readers that run all the while, with windows of several sizes, see every committed message exactly once and no other.
pub async fn no_reader_skips_or_repeats_a_committed_message(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let seed = Random::seed(1);
    let done = watch::Sender::new(false);
    let readers = start_readers(&store, &[1, 3, 50], &done).await;

    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(
            async move { write_at_random(store, Random::new(seed.wrapping_mul(1_000) + writer)).await },
        );
    }
    let mut acknowledged = BTreeSet::new();
    while let Some(written) = writers.join_next().await {
        acknowledged.extend(written.expect("a writer ends"));
    }
    for (limit, read) in what_all_read(&store, readers, &done).await {
        let seen: BTreeSet<_> = ids(&read).into_iter().collect();
        let skipped = acknowledged.difference(&seen).count();
        assert_eq!(skipped, 0, "no reader skips a committed message; window {limit}, seed {seed}");
        assert_eq!(seen.len(), read.len(), "no reader sees a message twice; window {limit}, seed {seed}");
        let unknown = seen.difference(&acknowledged).count();
        assert_eq!(unknown, 0, "no reader sees what was not committed; window {limit}, seed {seed}");
    }
}

async fn start_readers(
    store: &Arc<dyn Store>,
    limits: &[usize],
    done: &watch::Sender<bool>,
) -> Vec<JoinHandle<(usize, Vec<Recorded>)>> {
    let mut readers = Vec::new();
    for limit in limits.iter().copied() {
        let name = format!("suite.reader-{limit}");
        let consumer = Consumer::enter(store.as_ref(), &name, &READS, Start::Beginning).await;
        let reading = read_until(store.clone(), consumer, limit, done.subscribe());
        readers.push(tokio::spawn(async move { (limit, reading.await) }));
    }
    readers
}

/// What each reader has read once the writers are done, and what one reads that comes only then, by its window.
async fn what_all_read(
    store: &Arc<dyn Store>,
    readers: Vec<JoinHandle<(usize, Vec<Recorded>)>>,
    done: &watch::Sender<bool>,
) -> Vec<(usize, Vec<Recorded>)> {
    done.send_replace(true);
    let mut all = Vec::new();
    for reader in readers.into_iter().chain(start_readers(store, &[77], done).await) {
        all.push(reader.await.expect("a reader ends"));
    }
    all
}

/// Reads on and on; ends at an end that was told after the writers were done.
async fn read_until(
    store: Arc<dyn Store>,
    mut consumer: Consumer,
    limit: usize,
    done: watch::Receiver<bool>,
) -> Vec<Recorded> {
    let mut read = Vec::new();
    loop {
        let last_round = *done.borrow();
        let (messages, cursor) = read_to_end(store.as_ref(), &consumer.cursor, &consumer.filter, limit).await;
        read.extend(messages);
        consumer.cursor = cursor;
        if last_round {
            return read;
        }
        // Not to wait for anything: it leaves the processors to the writers.
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
}

async fn write_at_random(store: Arc<dyn Store>, mut random: Random) -> Vec<MessageId> {
    let mut acknowledged = Vec::new();
    for _ in 0..30 {
        let (mut ops, mut messages) = (Vec::new(), Vec::new());
        for _ in 0..=random.below(3) {
            let batch: Vec<_> =
                (0..=random.below(4)).map(|_| event("orders.placed", &random.below(5).to_string())).collect();
            messages.extend(ids_of(&batch));
            ops.push(Op::Append(batch));
            if random.chance(50) {
                ops.push(Op::Linger(Duration::from_micros(random.below(2_000) as u64)));
            }
        }
        let fails = random.chance(20);
        if fails {
            ops.push(if random.chance(20) { Op::Panic("planned by the suite") } else { Op::Fail });
        }
        let result = store.transact(Arc::new(Script::named("writer", ops)), Limits::default()).await;
        assert_eq!(result.is_err(), fails, "a work fails by itself only: {result:?}");
        if result.is_ok() {
            acknowledged.extend(messages);
        }
    }
    acknowledged
}

/// If B was published after A was visible to its publisher, no consumer sees B first (promise 4), however long before
/// that the publisher of B began its transaction.
pub async fn no_consumer_sees_an_effect_before_its_cause(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let seed = Random::seed(2);
    let done = watch::Sender::new(false);
    let readers = start_readers(&store, &[1, 4, 100], &done).await;
    let account = Account::default();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, account) = (store.clone(), account.clone());
        let random = Random::new(seed.wrapping_mul(2_000) + writer);
        writers.spawn(async move { publish_after_seeing(store, account, random).await });
    }
    while let Some(written) = writers.join_next().await {
        written.expect("a writer ends");
    }
    for (limit, read) in what_all_read(&store, readers, &done).await {
        let breaks = account.out_of_order(&read);
        assert!(
            breaks.is_empty(),
            "no consumer sees an effect before its cause; window {limit}, seed {seed}: {breaks:?}"
        );
    }
}

/// Per key, the messages in the order in which their commits were acknowledged.
#[derive(Clone, Default)]
struct Account(Arc<Mutex<BTreeMap<String, Vec<MessageId>>>>);

impl Account {
    fn seen(&self, key: &str) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).map_or(0, Vec::len)
    }

    fn acknowledge(&self, key: &str, id: MessageId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default().push(id);
    }

    /// The messages that were read before one that their publisher had seen. A message says in its data how many of its
    /// key were acknowledged when it was published.
    fn out_of_order(&self, read: &[Recorded]) -> Vec<String> {
        let account = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place: BTreeMap<_, _> =
            read.iter().enumerate().map(|(index, m)| (m.envelope.id, index)).collect();
        let mut breaks = Vec::new();
        for (index, message) in read.iter().enumerate() {
            let Some(key) = &message.envelope.key else { continue };
            let seen: usize = message.envelope.data.parse().expect("the suite wrote a number");
            let causes = account.get(key.as_str()).map_or(&[][..], |all| &all[..seen]);
            let late = causes.iter().filter(|cause| place.get(*cause).is_none_or(|at| *at > index)).count();
            if late > 0 {
                breaks.push(format!("message {index} of {key} came before {late} of its {seen} causes"));
            }
        }
        breaks
    }
}

async fn publish_after_seeing(store: Arc<dyn Store>, account: Account, mut random: Random) {
    for _ in 0..30 {
        let work = Arc::new(LateEffect {
            key: ["a", "b"][random.below(2)],
            id: MessageId::new(),
            linger: Duration::from_micros(random.below(4_000) as u64),
            touch_first: random.chance(70),
            account: account.clone(),
        });
        store.transact(work.clone(), Limits::default()).await.expect("a writer without faults commits");
        account.acknowledge(&work.stored_key(), work.id);
    }
}

/// Writes something early, waits, and then publishes what may be caused by what was acknowledged meanwhile.
struct LateEffect {
    key: &'static str,
    id: MessageId,
    linger: Duration,
    touch_first: bool,
    account: Account,
}

impl LateEffect {
    fn stored_key(&self) -> String {
        format!("order:{}", self.key)
    }
}

#[async_trait]
impl Work for LateEffect {
    fn name(&self) -> String {
        "late effect".to_owned()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let result = async {
            if self.touch_first {
                tx.append(&[keyless("orders.touched")]).await?;
            }
            tokio::time::sleep(self.linger).await;
            let mut effect = event("orders.placed", self.key);
            effect.id = self.id;
            effect.data = self.account.seen(&self.stored_key()).to_string();
            tx.append(&[effect]).await
        };
        let result = result.await;
        (tx, result)
    }
}

/// Works that run at the same time, some of which end badly, are each acknowledged as what became of them.
pub async fn many_works_commit_or_fail_one_by_one(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let mut works = JoinSet::new();
    for number in 0..200_usize {
        let store = store.clone();
        works.spawn(async move {
            let message = event("orders.placed", &number.to_string());
            let mut ops = vec![Op::Append(vec![message.clone()])];
            match number % 5 {
                1 => ops.push(Op::Fail),
                2 => ops.insert(0, Op::Undone(vec![Op::Append(events("orders.placed", 2))])),
                3 => ops.push(Op::Panic("planned by the suite")),
                _ => {}
            }
            let work = Arc::new(Script::named(format!("work {number}"), ops));
            let result = store.transact(work, Limits::default()).await;
            let fails = matches!(number % 5, 1 | 3);
            assert_eq!(result.is_err(), fails, "an error undoes only its own work: {number}, {result:?}");
            result.is_ok().then_some(message.id)
        });
    }
    let mut acknowledged = BTreeSet::new();
    while let Some(result) = works.join_next().await {
        match result {
            Ok(id) => acknowledged.extend(id),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let store = database.crash().await;
    let found: BTreeSet<_> = ids(&everything(store.as_ref(), &READS).await).into_iter().collect();
    assert_eq!(found, acknowledged, "exactly the acknowledged works are in the log");
}
