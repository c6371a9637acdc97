//! A log that is dumped in one cluster and restored in another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tidings_core::ids::MessageId;
use tidings_core::store::{Inspect as _, Limits, Parked, ParkedState, Settled, Start, Store as _};
use tidings_postgres::PostgresStore;
use tidings_testkit::script::{Gate, Op, Script, run};
use tokio::task::JoinHandle;

use crate::log::{Consumer, at, event, fill_up, insert_by_hand, open, publish};
use crate::server::{Programs, Server};
use crate::stress::say;

/// What was published, in the order of commits, each with how many had been committed when it was published.
#[derive(Clone, Default)]
struct Account(Vec<(MessageId, usize)>);

impl Account {
    fn committed(&mut self, published: usize, ids: Vec<MessageId>) {
        self.0.extend(ids.into_iter().map(|id| (id, published)));
    }

    async fn publish(&mut self, store: &PostgresStore, key: &str, count: usize) {
        let published = self.0.len();
        self.committed(published, publish(store, key, count).await);
    }

    /// A message of these that comes before one that its publisher may have seen.
    fn effect_before_cause(&self, ids: &[MessageId]) -> Option<MessageId> {
        let place: BTreeMap<_, _> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let breaks = |(id, published): &&(MessageId, usize)| {
            let Some(own) = place.get(id) else { return false };
            self.0[..*published].iter().any(|(cause, _)| place.get(cause).is_some_and(|cause| cause > own))
        };
        self.0.iter().find(breaks).map(|(id, _)| *id)
    }
}

/// A transaction that has published and stays open.
struct Late {
    published: usize,
    ids: Vec<MessageId>,
    gate: Gate,
    ends: JoinHandle<()>,
}

impl Late {
    async fn begin(store: &Arc<PostgresStore>, account: &Account, key: &str) -> Self {
        let gate = Gate::new();
        let events = vec![event(key), event(key)];
        let ids = events.iter().map(|event| event.id).collect();
        let script = Script::named("late", [Op::Append(events), Op::Gate(gate.clone())]);
        let store = store.clone();
        let ends = tokio::spawn(async move {
            store
                .transact(Arc::new(script), Limits::default())
                .await
                .expect("who is late commits all the same");
        });
        gate.reached().await;
        Self { published: account.0.len(), ids, gate, ends }
    }

    async fn commit(self, account: &mut Account) {
        self.gate.open();
        self.ends.await.expect("who is late ends");
        account.committed(self.published, self.ids);
    }
}

const CONSUMERS: [&str; 5] = ["test.all", "test.some", "test.half", "test.none", "test.new"];

/// What there was before the dump.
struct Before {
    account: Account,
    consumers: Vec<Consumer>,
}

/// A log with unread messages, holes, and parked ones.
async fn fill(store: &Arc<PostgresStore>) -> Before {
    let mut account = Account::default();
    let mut consumers = Vec::new();
    for name in &CONSUMERS[..4] {
        consumers.push(Consumer::enter(store.as_ref(), name, Start::Beginning).await);
    }
    account.publish(store, "a", 3).await;
    let never = Late::begin(store, &account, "a").await;
    let first = Late::begin(store, &account, "b").await;
    account.publish(store, "a", 4).await;
    let second = Late::begin(store, &account, "c").await;
    account.publish(store, "c", 5).await;
    for (consumer, rows) in consumers[..3].iter_mut().zip([100, 4, 5]) {
        consumer.take(store.as_ref(), rows).await;
    }
    first.commit(&mut account).await;
    // One stands in the middle of a window whose end has not seen the first, which has lower positions.
    consumers[0].take_all(store.as_ref(), 100).await;
    consumers[1].take(store.as_ref(), 4).await;
    let new = Consumer::enter(store.as_ref(), CONSUMERS[4], Start::Now).await;
    consumers.push(new);
    second.commit(&mut account).await;
    account.publish(store, "b", 6).await;
    consumers[0].take(store.as_ref(), 3).await;
    consumers[2].take(store.as_ref(), 2).await;
    consumers[4].take(store.as_ref(), 4).await;
    park_two(store, &consumers[0]).await;
    never.ends.abort();
    Before { account, consumers }
}

async fn park_two(store: &Arc<PostgresStore>, consumer: &Consumer) {
    let parked = consumer.seen[2..4].iter().map(|message| Parked {
        position: message.position,
        key: message.envelope.key.clone(),
        state: ParkedState::Retrying,
        attempts: 1,
        due: Some(at(10)),
        error: "planned".to_owned(),
        at: at(0),
        releases_key: false,
    });
    let park = Op::Park(consumer.lease.clone(), parked.collect());
    run(store.as_ref(), [park]).await.expect("parking commits");
}

/// Everything about a log that must not change, as text.
async fn described(store: &PostgresStore) -> String {
    let consumers = store.consumers().await.expect("consumers are listed");
    let mut text = format!("{consumers:#?}");
    for status in &consumers {
        let parked = store.parked(Some(&status.name), None, 100).await.expect("parked messages are listed");
        text += &format!("{parked:#?}");
        for position in 1..60 {
            let position = tidings_core::envelope::Position(position);
            let receipt = store.receipt(&status.name, position).await.expect("a receipt is looked up");
            text += &format!("{} {position:?} {:?}\n", status.name, receipt.map(|receipt| receipt.at));
        }
    }
    text
}

/// What each consumer had not committed is delivered, once, and nothing before its causes. Says whether it came in the order
/// of positions.
async fn audit(store: &Arc<PostgresStore>, before: Before) -> bool {
    let wanted: BTreeSet<_> = before.account.0.iter().map(|(id, _)| *id).collect();
    let mut in_order = true;
    for consumer in before.consumers {
        let name = consumer.lease.consumer.clone();
        let had = consumer.seen.len();
        let mut consumer = consumer.held_again(store.as_ref()).await;
        consumer.take_all(store.as_ref(), 4).await;
        let ids = consumer.ids();
        let seen: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(seen.len(), ids.len(), "{name}: nothing is doubled");
        if &*name == CONSUMERS[4] {
            // Registered after 14 messages were committed.
            assert_eq!(seen.len(), wanted.len() - 14, "{name}: nothing is lost of what came after it");
        } else {
            assert_eq!(seen, wanted, "{name}: nothing is lost, and nothing is there that was not committed");
        }
        assert_eq!(
            before.account.effect_before_cause(&ids),
            None,
            "{name}: no effect comes before its cause"
        );
        in_order &= consumer.seen[had..].is_sorted_by_key(|message| message.position);
    }
    in_order
}

#[derive(Clone, Copy)]
enum Counter {
    Lower,
    Higher,
}

async fn restored(counter: Counter) {
    let Some(programs) = Programs::find() else { return };
    let (old, new) = (Server::start(&programs), Server::start(&programs));
    match counter {
        Counter::Lower => old.use_ids_up(3_000).await,
        Counter::Higher => new.use_ids_up(3_000).await,
    }
    let url = old.database("shop").await;
    let store = open(&url).await;
    let before = fill(&store).await;
    let description = described(&store).await;

    let url = old.dump_to("shop", &new, "restored").await;
    let restored = open(&url).await;
    assert_eq!(
        described(&restored).await,
        description,
        "lag, receipts and parked messages are what they were"
    );
    for consumer in &before.consumers {
        let fenced =
            run(restored.as_ref(), [Op::Advance(consumer.lease.clone(), consumer.cursor.clone(), None)])
                .await;
        assert!(fenced.is_err(), "a lease of the old cluster is void: {fenced:?}");
    }
    let settle = Consumer::hold(restored.as_ref(), CONSUMERS[0]).await;
    let parked = before.consumers[0].seen[2].position;
    let handled = Settled::Handled { at: at(20), attempts: 2 };
    run(restored.as_ref(), [Op::Settle(settle.lease, parked, handled)])
        .await
        .expect("a parked message is settled");

    // Once is enough: nothing moves when it is opened again, or when consumers go on.
    let again = open(&url).await;
    let mut before = before;
    before.account.publish(&again, "a", 3).await;
    let in_order = audit(&again, before).await;
    let last = old.ask("shop", "SELECT max(position)::text FROM tidings_log").await.expect("there are rows");
    let xids = format!(
        "SELECT string_agg(xid::text, ' ' ORDER BY position) FROM tidings_log WHERE position <= {last}"
    );
    let kept = old.ask("shop", &xids).await == new.ask("restored", &xids).await;
    match counter {
        Counter::Lower => assert!(in_order && !kept, "rows are rewritten, and read by position"),
        Counter::Higher => assert!(kept, "ids that lie in the past anyway are kept"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_ids_are_lower_delivers_the_rest() {
    restored(Counter::Lower).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_ids_are_higher_delivers_the_rest() {
    restored(Counter::Higher).await;
}

/// Processes whose pool reaches the restored log behind the address of the old one publish before anybody has noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_before_anybody_notices_is_delivered() {
    let Some(programs) = Programs::find() else { return };
    let (old, new) = (Server::start(&programs), Server::start(&programs));
    old.use_ids_up(3_000).await;
    let store = open(&old.database("shop").await).await;
    let mut before = fill(&store).await;
    let url = old.dump_to("shop", &new, "restored").await;

    for savepoint in ["", "SAVEPOINT one;"] {
        let id = MessageId::new();
        let mut stranger = new.connect("restored").await;
        let begin = sqlx::AssertSqlSafe(format!("BEGIN; {savepoint}"));
        sqlx::raw_sql(begin).execute(&mut stranger).await.expect("a transaction begins");
        insert_by_hand(&mut stranger, id).await.expect("a row is written");
        sqlx::raw_sql("COMMIT").execute(&mut stranger).await.expect("it commits");
        let published = before.account.0.len();
        before.account.committed(published, vec![id]);
    }
    assert!(audit(&open(&url).await, before).await, "all is read by position");
}

/// A cluster so young that it has not used as many ids up as there are classes of rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_very_young_cluster_uses_ids_up_first() {
    let Some(programs) = Programs::find() else { return };
    let (old, new) = (Server::start(&programs), Server::start(&programs));
    old.use_ids_up(3_000).await;
    let store = open(&old.database("shop").await).await;
    let mut account = Account::default();
    let mut consumers = Vec::new();
    for number in 0..800 {
        account.publish(&store, "a", 1).await;
        let reader = if number % 4 == 0 { Start::Beginning } else { Start::Now };
        let consumer = Consumer::enter(store.as_ref(), &format!("test.{number}"), reader).await;
        consumers.push((number, consumer));
    }
    let url = old.dump_to("shop", &new, "restored").await;
    let restored = open(&url).await;
    for (number, consumer) in consumers.into_iter().step_by(67) {
        let mut consumer = consumer.held_again(restored.as_ref()).await;
        consumer.take_all(restored.as_ref(), 500).await;
        let from = if number % 4 == 0 { 0 } else { number + 1 };
        let wanted: Vec<_> = account.0[from..].iter().map(|(id, _)| *id).collect();
        assert_eq!(consumer.ids(), wanted, "consumer {number} gets exactly what is its");
    }
}

/// How long it takes. `TIDINGS_RESTORE_ROWS` says for how many messages (20,000), half of which one of two consumers has read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_rebased_in_one_go() {
    let Some(programs) = Programs::find() else { return };
    let rows =
        std::env::var("TIDINGS_RESTORE_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let (old, new) = (Server::start(&programs), Server::start(&programs));
    old.use_ids_up(3_000).await;
    let store = open(&old.database("shop").await).await;
    publish(store.as_ref(), "a", 1).await;
    let mut by_hand = old.connect("shop").await;
    fill_up(&mut by_hand, rows / 2).await.expect("rows are written");
    let behind = Consumer::enter(store.as_ref(), "test.behind", Start::Now).await;
    fill_up(&mut by_hand, rows / 2).await.expect("rows are written");
    let ahead = Consumer::enter(store.as_ref(), "test.ahead", Start::Now).await;
    drop((store, behind, ahead));

    let url = old.dump_to("shop", &new, "restored").await;
    let began = Instant::now();
    let restored = open(&url).await;
    let took = began.elapsed();
    say(&format!("restore: a log of {rows} messages, half of them unread, is re-based in {took:.1?}"));
    let lag = |name: &str| {
        let sql = format!(
            "SELECT count(*)::text FROM tidings_log, tidings_partitions
             WHERE consumer = '{name}' AND NOT tidings_passed(cursor, xid, position)"
        );
        let new = &new;
        async move { new.ask("restored", &sql).await }
    };
    assert_eq!(lag("test.behind").await, Some((rows / 2).to_string()), "half is unread");
    assert_eq!(lag("test.ahead").await.as_deref(), Some("0"), "nothing is unread");
    let mut ahead = Consumer::hold(restored.as_ref(), "test.ahead").await;
    let fresh = publish(restored.as_ref(), "a", 2).await;
    ahead.take_all(restored.as_ref(), 10).await;
    assert_eq!(ahead.ids(), fresh, "what is new is delivered");
}
