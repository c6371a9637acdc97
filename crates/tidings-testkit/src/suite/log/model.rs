//! Random histories against a model so simple that it is easily right.

use std::collections::BTreeMap;

use tidings_core::envelope::{Position, Recorded};
use tidings_core::key::Key;
use tidings_core::store::{Parked, ParkedState, Settled, Start, Store};

use crate::factory::{StoreFactory, TestDatabase};
use crate::random::Random;
use crate::script::{Op, run};
use crate::suite::support::*;

const NAMES: [&str; 3] = ["orders.placed", "orders.paid", "orders.shipped"];
const CONSUMERS: [(&str, &[&str]); 2] =
    [("suite.one", &NAMES), ("suite.two", &["orders.placed", "orders.shipped"])];
const STEPS: usize = 150;

/// Appends, batches, parking, settling, takeovers, failures and crashes in random order; after every step the store
/// answers what the model answers. A failure names its seed; `TIDINGS_TEST_SEED` runs it again.
pub async fn random_histories_match_the_model(factory: &dyn StoreFactory) {
    let first = Random::seed(100);
    for seed in [first, first.wrapping_add(1)] {
        let mut history = History::begin(factory.fresh().await, seed).await;
        for step in 0..STEPS {
            let what = history.step().await;
            history.check(&format!("after step {step} ({what}) of seed {seed}")).await;
        }
    }
}

struct History {
    database: Box<dyn TestDatabase>,
    random: Random,
    now: i64,
    appended: usize,
    consumers: Vec<Model>,
}

/// What a consumer's account should be.
struct Model {
    consumer: Consumer,
    /// All messages that match, in log order.
    log: Vec<Recorded>,
    /// How many of them the cursor has passed.
    passed: usize,
    parked: BTreeMap<usize, ParkedModel>,
    /// When each message was handled.
    handled: BTreeMap<usize, i64>,
}

#[derive(Clone, Debug, PartialEq)]
struct ParkedModel {
    state: ParkedState,
    attempts: u32,
    /// `None` for one that was promoted: due at once, whatever time the store writes down for that.
    due: Option<i64>,
    holds_key: bool,
}

impl Model {
    fn key(&self, index: usize) -> Option<&Key> {
        self.log[index].envelope.key.as_ref()
    }

    fn holds(&self, key: Option<&Key>) -> bool {
        let same = |(index, parked): (&usize, &ParkedModel)| parked.holds_key && self.key(*index) == key;
        key.is_some() && self.parked.iter().any(same)
    }

    fn promote_behind(&mut self, key: Option<&Key>) {
        let next = self.parked.iter().find(|(index, parked)| {
            parked.state == ParkedState::Behind && key.is_some() && self.key(**index) == key
        });
        if let Some(index) = next.map(|(index, _)| *index) {
            let promoted =
                ParkedModel { state: ParkedState::Retrying, attempts: 0, due: None, holds_key: true };
            self.parked.insert(index, promoted);
        }
    }

    /// The chains that may run at `now`, by head.
    fn due(&self, now: i64) -> BTreeMap<usize, Vec<usize>> {
        let is_due = |parked: &ParkedModel| {
            parked.state == ParkedState::Retrying && parked.due.is_none_or(|due| due <= now)
        };
        let behind = |head: usize| {
            let waits = move |(index, parked): (&usize, &ParkedModel)| {
                parked.state == ParkedState::Behind && self.key(*index) == self.key(head)
            };
            self.parked.iter().filter(move |entry| waits(*entry)).map(|(index, _)| *index)
        };
        let heads = self.parked.iter().filter(|(_, parked)| is_due(parked));
        heads.map(|(head, _)| (*head, std::iter::once(*head).chain(behind(*head)).collect())).collect()
    }
}

impl History {
    async fn begin(database: Box<dyn TestDatabase>, seed: u64) -> Self {
        let store = database.store();
        let mut consumers = Vec::new();
        for (name, reads) in CONSUMERS {
            let consumer = Consumer::enter(store.as_ref(), name, reads, Start::Beginning).await;
            consumers.push(Model {
                consumer,
                log: Vec::new(),
                passed: 0,
                parked: BTreeMap::new(),
                handled: BTreeMap::new(),
            });
        }
        Self { database, random: Random::new(seed), now: 0, appended: 0, consumers }
    }

    async fn step(&mut self) -> &'static str {
        self.now += i64::try_from(self.random.below(20)).unwrap_or_default();
        let which = self.random.below(CONSUMERS.len());
        match self.random.below(100) {
            0..25 => self.append().await,
            25..55 => self.handle_batch(which).await,
            55..85 => self.settle_one(which).await,
            85..92 => self.take_over(which).await,
            92..96 => self.fail(which).await,
            96..98 => {
                self.database.crash().await;
                self.take_over_all().await;
                "crash"
            }
            _ => {
                self.database.reopen().await;
                self.take_over_all().await;
                "reopen"
            }
        }
    }

    async fn append(&mut self) -> &'static str {
        let count = 1 + self.random.below(5);
        let mut messages = Vec::new();
        for _ in 0..count {
            let name = NAMES[self.random.below(NAMES.len())];
            let keyed = self.random.chance(85);
            let key = ["a", "b", "c"][self.random.below(3)];
            messages.push(if keyed { event(name, key) } else { keyless(name) });
        }
        let store = self.database.store();
        append(store.as_ref(), &messages).await;
        self.appended += count;
        for message in messages {
            let recorded = store.message(message.id).await.expect("a message is looked up");
            let recorded = recorded.expect("an appended message is there");
            for model in &mut self.consumers {
                if model.consumer.filter.names.contains(&message.name) {
                    model.log.push(recorded.clone());
                }
            }
        }
        "append"
    }

    /// Handles a batch as the runtime does: what fails is parked, what its key holds back waits behind it.
    async fn handle_batch(&mut self, which: usize) -> &'static str {
        let store = self.database.store();
        let limit = 1 + self.random.below(6);
        let model = &mut self.consumers[which];
        let batch =
            store.read_after(&model.consumer.cursor, &model.consumer.filter, limit).await.expect("a batch");
        check_batch(&batch, &model.consumer.filter, limit);
        let expected = &model.log[model.passed..(model.passed + batch.messages.len()).min(model.log.len())];
        assert_eq!(ids(&batch.messages), ids(expected), "a batch holds the next messages");
        let (mut parked, mut done) = (Vec::new(), Vec::new());
        for (offset, message) in batch.messages.iter().enumerate() {
            let index = model.passed + offset;
            let fate = self.random.below(10);
            let parks = if model.holds(message.envelope.key.as_ref()) {
                Some(behind(message))
            } else if fate < 2 {
                Some(retrying(message, at(self.now + 10 * i64::try_from(fate).unwrap_or_default())))
            } else if fate == 2 {
                Some(dead(message, self.random.chance(50)))
            } else {
                done.push(message.clone());
                model.handled.insert(index, self.now);
                None
            };
            if let Some(parks) = parks {
                model.parked.insert(index, parked_model(&parks));
                parked.push(parks);
            }
        }
        model.passed += batch.messages.len();
        model.consumer.cursor = batch.next;
        let receipt = receipt_of(&done, self.now);
        let ops = [Op::Park(model.consumer.lease.clone(), parked), model.consumer.advance(receipt)];
        run(store.as_ref(), ops).await.expect("a batch commits");
        "batch"
    }

    /// Settles one head in one of the ways there are.
    async fn settle_one(&mut self, which: usize) -> &'static str {
        let model = &mut self.consumers[which];
        let heads: Vec<_> = model
            .parked
            .iter()
            .filter(|(_, parked)| parked.state != ParkedState::Behind)
            .map(|(index, _)| *index)
            .collect();
        if heads.is_empty() {
            return "nothing to settle";
        }
        let index = heads[self.random.below(heads.len())];
        let parked = model.parked[&index].clone();
        let key = model.key(index).cloned();
        let (how, after) = settlement(&mut self.random, &parked, self.now);
        model.parked.remove(&index);
        let frees = parked.holds_key && after.as_ref().is_none_or(|after| !after.holds_key);
        if let Some(after) = after {
            model.parked.insert(index, after);
        } else if matches!(how, Settled::Handled { .. }) {
            model.handled.insert(index, self.now);
        }
        if frees {
            model.promote_behind(key.as_ref());
        }
        let message = model.log[index].clone();
        model.consumer.settle(self.database.store().as_ref(), &message, how).await;
        "settle"
    }

    async fn take_over(&mut self, which: usize) -> &'static str {
        let store = self.database.store();
        let model = &mut self.consumers[which];
        let (name, reads) = CONSUMERS[which];
        let next = Consumer::hold(store.as_ref(), name, reads).await;
        assert_eq!(next.cursor, model.consumer.cursor, "a new holder finds the cursor");
        assert_fenced(run(store.as_ref(), [model.consumer.advance(None)]).await, "a step");
        model.consumer = next;
        "takeover"
    }

    async fn take_over_all(&mut self) {
        for which in 0..CONSUMERS.len() {
            self.take_over(which).await;
        }
    }

    /// Does a lot, and then fails: nothing of it may be seen.
    async fn fail(&mut self, which: usize) -> &'static str {
        let store = self.database.store();
        let model = &self.consumers[which];
        let mut ops = vec![Op::Append(events("orders.placed", 2))];
        for index in model.parked.keys().take(3) {
            ops.push(model.consumer.settled(&model.log[*index], handled(self.now)));
        }
        let end = if self.random.chance(50) { Op::Fail } else { Op::Panic("planned by the suite") };
        ops.extend([model.consumer.advance(None), end]);
        assert!(run(store.as_ref(), ops).await.is_err(), "a failing work fails");
        "failure"
    }

    async fn check(&self, when: &str) {
        let store = self.database.store();
        let counted: u64 = store.counts().await.expect("messages are counted").iter().map(|c| c.count).sum();
        assert_eq!(counted, self.appended as u64, "messages in the log {when}");
        for model in &self.consumers {
            check_status(store.as_ref(), model, when).await;
            check_parked(store.as_ref(), model, when).await;
            check_due(store.as_ref(), model, self.now, when).await;
            check_receipts(store.as_ref(), model, when).await;
        }
    }
}

fn parked_model(parked: &Parked) -> ParkedModel {
    ParkedModel {
        state: parked.state,
        attempts: parked.attempts,
        due: parked.due.map(|due| due.duration_since(at(0)).as_secs()),
        holds_key: !parked.releases_key,
    }
}

/// A way to settle a head, and what is parked afterwards.
fn settlement(random: &mut Random, parked: &ParkedModel, now: i64) -> (Settled, Option<ParkedModel>) {
    let attempts = parked.attempts + 1;
    let error = "again".to_owned();
    if parked.state == ParkedState::Dead {
        // What reviving does to a key that has gone on is left to the runtime, which does not do it in order.
        if parked.holds_key && random.chance(50) {
            let revived =
                ParkedModel { state: ParkedState::Retrying, attempts: 0, due: Some(now + 5), ..*parked };
            return (Settled::Revive { due: at(now + 5) }, Some(revived));
        }
        return (Settled::Discarded { at: at(now), reason: "by the suite".to_owned() }, None);
    }
    match random.below(4) {
        0 => {
            let after = ParkedModel { attempts, due: Some(now + 30), ..*parked };
            (Settled::Retry { due: at(now + 30), attempts, error }, Some(after))
        }
        1 => {
            let releases_key = random.chance(50);
            let after =
                ParkedModel { state: ParkedState::Dead, attempts, due: None, holds_key: !releases_key };
            (Settled::Dead { attempts, error, releases_key }, Some(after))
        }
        _ => (Settled::Handled { at: at(now), attempts }, None),
    }
}

async fn check_status(store: &dyn Store, model: &Model, when: &str) {
    let status = model.consumer.status(store).await;
    let count = |state| model.parked.values().filter(|parked| parked.state == state).count() as u64;
    assert_eq!(status.lag, (model.log.len() - model.passed) as u64, "lag {when}");
    assert_eq!(status.handled, model.handled.len() as u64, "handled {when}");
    assert_eq!(status.retrying, count(ParkedState::Retrying), "retrying {when}");
    assert_eq!(status.behind, count(ParkedState::Behind), "behind {when}");
    assert_eq!(status.dead, count(ParkedState::Dead), "dead {when}");
}

async fn check_parked(store: &dyn Store, model: &Model, when: &str) {
    let rows = store.parked(Some(model.consumer.name()), None, 10_000).await.expect("parked rows are listed");
    let order: Vec<Position> = rows.iter().map(|row| row.message.position).collect();
    let expected: Vec<Position> = model.parked.keys().map(|index| model.log[*index].position).collect();
    assert_eq!(order, expected, "parked messages, oldest first, {when}");
    for (row, (index, parked)) in rows.iter().zip(&model.parked) {
        assert_eq!((row.state, row.attempts), (parked.state, parked.attempts), "message {index} {when}");
        assert_eq!(row.message, model.log[*index], "a parked row carries its message {when}");
        if let Some(due) = parked.due {
            assert_eq!(row.due, Some(at(due)), "message {index} is due {when}");
        }
    }
}

async fn check_due(store: &dyn Store, model: &Model, now: i64, when: &str) {
    for now in [now, now + 15, now + 1_000] {
        let told = store.due(model.consumer.name(), 0, at(now), 10_000).await.expect("due messages are told");
        let chains = model.due(now);
        let expected: usize = chains.values().map(Vec::len).sum();
        assert_eq!(told.len(), expected, "the number of due messages {when}");
        let told: Vec<_> = told.iter().map(|parked| parked.message.position).collect();
        for chain in chains.values() {
            let chain: Vec<_> = chain.iter().map(|index| model.log[*index].position).collect();
            let found: Vec<_> = told.iter().copied().filter(|position| chain.contains(position)).collect();
            assert_eq!(found, chain, "a key's due messages come whole and in order {when}");
        }
    }
}

async fn check_receipts(store: &dyn Store, model: &Model, when: &str) {
    // The newest messages and one older: all of them after every step would be most of the suite's time.
    let newest = model.log.len().saturating_sub(12);
    for index in (newest..model.log.len()).chain((newest > 0).then_some(newest / 2)) {
        let receipt = store.receipt(model.consumer.name(), model.log[index].position).await;
        let receipt = receipt.expect("a receipt is looked up").map(|receipt| receipt.at);
        let expected = model.handled.get(&index).map(|seconds| at(*seconds));
        assert_eq!(receipt, expected, "receipts cover exactly the handled: message {index} {when}");
    }
}
