//! Consumers that several workers share: partitions by key, their holders, and versions of the application side by side.
//!
//! A store that only one process can have makes one partition of each consumer; what is said of a single partition holds there
//! as well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tidings_core::envelope::{Envelope, Recorded};
use tidings_core::ids::MessageId;
use tidings_core::partition::{Part, slot};
use tidings_core::store::{
    ConsumerSpec, Filter, Holding, Known, Lease, Member, Start, Store, StoreError, WorkerId,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::factory::{StoreFactory, TestDatabase};
use crate::random::Random;
use crate::script::{Op, run};
use crate::suite::support::*;

const NAME: &str = "suite.shared";
const READS: [&str; 1] = ["orders.placed"];

/// No suite takes so long.
const LONG: Duration = Duration::from_secs(600);

fn wished(reads: &[&str], partitions: u16) -> ConsumerSpec {
    ConsumerSpec { partitions, ..spec(NAME, reads, Start::Beginning) }
}

async fn register(store: &dyn Store, reads: &[&str], partitions: u16) -> u16 {
    store.register(&wished(reads, partitions), at(0)).await.expect("a consumer is registered")
}

/// A worker that knows the consumer as it reads these names.
async fn worker(store: &dyn Store, about: &str, reads: &[&str], lease: Duration) -> WorkerId {
    let known = Known { consumer: NAME.into(), generation: filter(reads).generation() };
    let member = Member { consumers: vec![known], jobs: vec!["suite.job".into()], about: about.to_owned() };
    store.enlist(&member, lease).await.expect("a worker is enlisted")
}

async fn held(store: &dyn Store, partition: u16, worker: WorkerId) -> Holding {
    store.hold(NAME, partition, worker).await.expect("a free partition is held")
}

fn moves(holding: &Holding) -> Op {
    Op::Advance(holding.lease.clone(), holding.cursor.clone(), None)
}

/// The parts of a filter have each message once between them, those of a key together and in order; messages without a key
/// are spread.
pub async fn each_message_is_in_one_partition(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let consumer = Consumer::enter(store.as_ref(), "suite.reader", &READS, Start::Beginning).await;
    let keyed = (0..200).map(|index| event("orders.placed", &(index % 40).to_string()));
    let messages: Vec<_> = keyed.chain((0..200).map(|_| keyless("orders.placed"))).collect();
    append(store.as_ref(), &messages).await;
    for of in [1, 3, 4, 64] {
        let mut read = BTreeMap::new();
        for part in Part::all(of) {
            let filter = consumer.filter.of(part);
            let (mine, _) = read_to_end(store.as_ref(), &consumer.cursor, &filter, 7).await;
            let misplaced = mine.iter().filter(|message| !part.contains(slot(&message.envelope)));
            assert_eq!(misplaced.count(), 0, "a message is in the partition of its slot; {part:?}");
            let expected = messages.iter().filter(|message| part.contains(slot(message)));
            let expected: Vec<_> = expected.map(|message| message.id).collect();
            assert_eq!(ids(&mine), expected, "each message is in one partition, in order; {part:?}");
            read.insert(part.index, mine);
        }
        let keyless = read.values().filter(|mine| mine.iter().any(|message| message.envelope.key.is_none()));
        assert!(keyless.count() > usize::from(of) / 2, "messages without a key are spread over {of}");
    }
}

/// Who waits for a part hears of what is appended to it.
pub async fn a_waiter_hears_of_its_partition(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let filter = filter(&READS);
    for index in 0..8 {
        let message = event("orders.placed", &index.to_string());
        let mut waiter = store.watch(&filter.of(Part::of_slot(slot(&message), 4)));
        append(store.as_ref(), &[message]).await;
        let heard = tokio::time::timeout(PATIENCE, waiter.changed()).await;
        assert!(heard.is_ok(), "who waits for a partition hears of what is appended to it");
    }
}

/// How many partitions there are is said once.
pub async fn the_first_registration_says_how_many(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let first = register(database.store().as_ref(), &READS, 4).await;
    assert!(
        first == 4 || first == 1,
        "a store makes as many partitions as it was asked for, or one: {first}"
    );
    let store = database.reopen().await;
    for (reads, wish) in [(&READS[..], 7), (&READS[..], 1), (&["orders.paid"][..], 16)] {
        let holds = register(store.as_ref(), reads, wish).await;
        assert_eq!(holds, first, "the first registration says how many partitions there are");
    }
    let worker = worker(store.as_ref(), "one", &["orders.paid"], LONG).await;
    for index in 0..first {
        let part = held(store.as_ref(), index, worker).await.part;
        assert_eq!(part, Part { index, of: first }, "a holder is told which part of how many it has");
    }
    let beyond = store.hold(NAME, first, worker).await;
    assert!(matches!(beyond, Err(StoreError::NotFound { .. })), "there are no more partitions: {beyond:?}");
}

/// A partition that a live worker holds is not given to another. Given back in order, or taken again by the same one, it is
/// clean.
pub async fn a_live_holder_is_not_displaced(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let last = register(store.as_ref(), &READS, 4).await - 1;
    let one = worker(store.as_ref(), "the first worker", &READS, LONG).await;
    let other = worker(store.as_ref(), "the second worker", &READS, LONG).await;
    let first = held(store.as_ref(), last, one).await;
    let refused = store.hold(NAME, last, other).await;
    let is_refused = matches!(&refused, Err(StoreError::PartitionHeld { holder, .. }) if holder.contains("the first worker"));
    assert!(is_refused, "a live holder is not displaced, and is named: {refused:?}");
    run(store.as_ref(), [moves(&first)]).await.expect("a refused hold voids no lease");

    let again = held(store.as_ref(), last, one).await;
    assert!(!again.unclean, "what a worker takes from itself is clean");
    assert_eq!(again.lease.fence, first.lease.fence + 1, "a fence grows by one with each holder");
    store.give_back(&first.lease).await.expect("giving back under a void lease is no error");
    assert!(store.hold(NAME, last, other).await.is_err(), "a void lease gives nothing back");
    store.give_back(&again.lease).await.expect("a partition is given back");
    let next = held(store.as_ref(), last, other).await;
    assert!(!next.unclean, "what was given back is clean");
    assert_fenced(
        run(store.as_ref(), [moves(&again)]).await,
        "advance after giving back, when another has it",
    );
}

/// Lets a lease lapse.
async fn lapse(database: &dyn TestDatabase, by: Duration) {
    if !database.lapse(by) {
        tokio::time::sleep(by + by / 4).await;
    }
}

/// What a worker held that is not heard of any more is anybody's, who is told that it was not left in order, where processes
/// come and go beside each other. The lost one cannot commit.
pub async fn what_a_lost_worker_held_is_taken(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let partitions = register(store.as_ref(), &READS, 4).await;
    let lease = Duration::from_millis(1_200);
    let lost = worker(store.as_ref(), "the lost worker", &READS, lease).await;
    let other = worker(store.as_ref(), "another", &READS, LONG).await;
    let before = held(store.as_ref(), 0, lost).await;
    assert!(store.hold(NAME, 0, other).await.is_err(), "a live holder is not displaced");
    lapse(database.as_ref(), lease).await;
    let taken = held(store.as_ref(), 0, other).await;
    assert_eq!(taken.unclean, partitions > 1, "what was not given back is told");
    assert_fenced(run(store.as_ref(), [moves(&before)]).await, "advance of a lost worker");
    // It comes back, and finds somebody else at its place.
    store.heartbeat(lost).await.expect("a lease that nobody took over is renewed");
    let refused = store.hold(NAME, 0, lost).await;
    assert!(matches!(refused, Err(StoreError::PartitionHeld { .. })), "its place is taken: {refused:?}");
}

/// A worker that was dismissed, or taken over, holds nothing any more.
pub async fn a_void_worker_holds_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    register(store.as_ref(), &READS, 4).await;
    let dismissed = worker(store.as_ref(), "one", &READS, LONG).await;
    store.dismiss(dismissed, at(0)).await.expect("a worker is dismissed");
    let refused = store.hold(NAME, 0, dismissed).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "a void worker holds nothing: {refused:?}");
    let beat = store.heartbeat(dismissed).await;
    assert!(matches!(beat, Err(StoreError::Fenced { .. })), "a void worker's lease is not renewed: {beat:?}");
}

/// Each partition has its own cursor, parked messages and lease.
pub async fn partitions_are_apart(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let partitions = register(store.as_ref(), &READS, 4).await;
    append(store.as_ref(), &events("orders.placed", 100)).await;
    let worker = worker(store.as_ref(), "one", &READS, LONG).await;
    let mut left: BTreeSet<u16> = (0..partitions).collect();
    while let Some(index) = left.pop_first() {
        let holding = held(store.as_ref(), index, worker).await;
        let filter = filter(&READS).of(holding.part);
        let (mine, end) = read_to_end(store.as_ref(), &holding.cursor, &filter, 1_000).await;
        let lag: u64 = lag(store.as_ref()).await;
        let parked = Op::Park(holding.lease.clone(), vec![retrying(&mine[0], at(1))]);
        let moved = Op::Advance(holding.lease.clone(), end.clone(), receipt_of(&mine[1..], 1));
        run(store.as_ref(), [parked, moved]).await.expect("a batch commits");
        let due = store.due(NAME, index, at(2), 100).await.expect("due messages are told");
        let due: Vec<_> = due.iter().map(|parked| parked.message.envelope.id).collect();
        assert_eq!(due, ids(&mine[..1]), "a partition is told what of its own is due");
        let keys = store.parked_keys(NAME, index).await.expect("parked keys are told");
        assert_eq!(keys.keys.len(), 1, "a partition is told which of its own keys are held");
        assert_eq!(
            lag - self::lag(store.as_ref()).await,
            mine.len() as u64,
            "lag is told over all partitions"
        );
        let receipt = store.receipt(NAME, mine[1].position).await.expect("a receipt is looked up");
        assert!(receipt.is_some(), "a receipt covers what its partition handled");
        for other in &left {
            let none = store.due(NAME, *other, at(2), 100).await.expect("due messages are told");
            assert!(none.is_empty(), "what is parked in one partition is not due in another");
            let theirs = everything(store.as_ref(), &READS)
                .await
                .into_iter()
                .find(|message| Part { index: *other, of: partitions }.contains(slot(&message.envelope)));
            let receipt = store.receipt(NAME, theirs.expect("there are some").position).await;
            assert_eq!(receipt.expect("looked up"), None, "a receipt covers nothing of another partition");
        }
    }
}

async fn lag(store: &dyn Store) -> u64 {
    let all = store.consumers().await.expect("consumers are listed");
    all.iter().find(|status| &*status.name == NAME).expect("it is listed").lag
}

/// Everybody is told who is alive, what they know and what they hold, and computes the same from it.
pub async fn everybody_is_told_who_works(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let partitions = register(store.as_ref(), &READS, 4).await;
    let nobody = store.crew().await.expect("a crew is told");
    assert!(nobody.members.is_empty(), "nobody is told who did not enlist: {:?}", nobody.members);
    let one = worker(store.as_ref(), "one", &READS, LONG).await;
    let two = worker(store.as_ref(), "two", &READS, LONG).await;
    let stranger = store.enlist(&Member::named("a stranger"), LONG).await.expect("a worker is enlisted");
    let lapsed = worker(store.as_ref(), "lapsed", &READS, Duration::ZERO).await;
    let lease = held(store.as_ref(), 0, one).await.lease;

    let crew = store.crew().await.expect("a crew is told");
    let members: BTreeSet<_> = crew.members.keys().copied().collect();
    assert_eq!(
        members,
        BTreeSet::from([one, two, stranger]),
        "just the live workers are told, not {lapsed:?}"
    );
    assert_eq!(crew.members[&one].about, "one");
    assert!(crew.knows_consumer(NAME) && !crew.knows_consumer("suite.other") && crew.knows_job("suite.job"));
    let consumer = &crew.consumers[NAME];
    assert_eq!(consumer.generation, filter(&READS).generation(), "the present generation is told");
    let holders = [vec![Some(one)], vec![None; usize::from(partitions) - 1]].concat();
    assert_eq!(consumer.holders, holders, "it is told who holds what");
    let owners = crew.owners(NAME);
    assert_eq!(owners.len(), usize::from(partitions), "each partition is somebody's turn");
    let [of_one, of_two] = [one, two].map(|worker| owners.values().filter(|owner| **owner == worker).count());
    assert!(of_one.abs_diff(of_two) <= 1, "everybody has his share: {of_one} and {of_two}");
    store.give_back(&lease).await.expect("a partition is given back");
    store.dismiss(two, at(0)).await.expect("a worker is dismissed");
    let crew = store.crew().await.expect("a crew is told");
    assert!(crew.consumers[NAME].holders.iter().all(Option::is_none), "what was given back is nobody's");
    assert!(crew.owners(NAME).values().all(|owner| *owner == one), "who is left has all of it");
    store.retire(NAME, "the suite is done", at(0)).await.expect("a consumer is retired");
    let crew = store.crew().await.expect("a crew is told");
    assert!(!crew.consumers.contains_key(NAME), "a retired consumer is nobody's turn");
}

/// A version of the application that reads other messages takes over from the one before it, which can neither commit nor hold
/// any more; started again, that one takes over in its turn. Of one version any number share the work.
pub async fn the_version_that_was_started_last_works(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (old, new): (&[&str], &[&str]) = (&["orders.placed"], &["orders.placed", "orders.paid"]);
    register(store.as_ref(), old, 4).await;
    let before = worker(store.as_ref(), "the old version", old, LONG).await;
    let holding = held(store.as_ref(), 0, before).await;
    register(store.as_ref(), old, 4).await;
    run(store.as_ref(), [moves(&holding)]).await.expect("the same version again changes nothing");

    // It would pass over what it has never heard of.
    append(store.as_ref(), &[event("orders.paid", "1"), event("orders.placed", "1")]).await;
    register(store.as_ref(), new, 4).await;
    let passed = run(store.as_ref(), [moves(&holding)]).await;
    assert_fenced(passed, "advance by another version than was started last");
    let refused = store.hold(NAME, 0, before).await;
    let is_outdated = matches!(refused, Err(StoreError::Outdated { .. }));
    assert!(is_outdated, "another version than was started last holds nothing: {refused:?}");
    let after = worker(store.as_ref(), "the new version", new, LONG).await;
    assert!(store.crew().await.expect("told").owners(NAME).values().all(|owner| *owner == after));
    let now = held(store.as_ref(), 0, after).await;
    assert!(!now.unclean, "a live worker of another version left nothing to be careful about");
    assert_eq!(now.cursor, holding.cursor, "the new version goes on where the old one stood");

    register(store.as_ref(), old, 4).await;
    assert_fenced(run(store.as_ref(), [moves(&now)]).await, "advance by a version that was rolled back");
    let refused = store.hold(NAME, 0, after).await;
    assert!(matches!(refused, Err(StoreError::Outdated { .. })), "it was rolled back: {refused:?}");
    held(store.as_ref(), 0, before).await;
}

/// Workers take partitions from each other all the time, in order and not, while messages arrive; some wake up late and try to
/// commit what is not theirs any more. Each message has one effect, and those of a key come in its order.
pub async fn nothing_is_lost_or_doubled_while_holders_change(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let seed = Random::seed(5);
    let partitions = register(store.as_ref(), &READS, 4).await;
    let done = watch::Sender::new(false);
    let mut workers = JoinSet::new();
    for number in 0..4 {
        let (store, done) = (store.clone(), done.subscribe());
        let random = Random::new(seed.wrapping_mul(3_000) + number);
        workers.spawn(async move { come_and_go(store, partitions, random, done).await });
    }
    let mut published = Vec::new();
    let mut random = Random::new(seed);
    for number in 0..240 {
        let key = random.below(12).to_string();
        let mut message =
            if random.chance(15) { keyless("orders.placed") } else { event("orders.placed", &key) };
        message.data = number.to_string();
        append(store.as_ref(), std::slice::from_ref(&message)).await;
        published.push(message);
        tokio::time::sleep(Duration::from_micros(random.below(3_000) as u64)).await;
    }
    done.send_replace(true);
    while let Some(ended) = workers.join_next().await {
        ended.expect("a worker comes to its end");
    }
    let last = worker(store.as_ref(), "the last", &READS, LONG).await;
    for partition in 0..partitions {
        let holding = held(store.as_ref(), partition, last).await;
        let worked = work(store.as_ref(), &holding, usize::MAX, Duration::ZERO).await;
        worked.expect("the last worker gets to the end");
    }
    check_effects(&published, &everything(store.as_ref(), &["orders.shipped"]).await, seed);
}

/// One life after the other. A lease that lapses at once stands for a process that is not heard of any more.
async fn come_and_go(
    store: Arc<dyn Store>,
    partitions: u16,
    mut random: Random,
    done: watch::Receiver<bool>,
) {
    while !*done.borrow() {
        let lease = if random.chance(50) { Duration::ZERO } else { LONG };
        let me = worker(store.as_ref(), "one of many", &READS, lease).await;
        for _ in 0..4 {
            let partition = u16::try_from(random.below(usize::from(partitions))).expect("a small number");
            let Ok(holding) = store.hold(NAME, partition, me).await else { continue };
            let pause = Duration::from_micros(random.below(4_000) as u64);
            let worked = work(store.as_ref(), &holding, 1 + random.below(5), pause).await;
            assert!(
                matches!(worked, Ok(()) | Err(StoreError::Fenced { .. })),
                "a worker fails by its lease only"
            );
            if worked.is_ok() && random.chance(70) {
                store.give_back(&holding.lease).await.expect("a partition is given back");
            }
        }
        store.dismiss(me, at(0)).await.expect("a worker is dismissed");
    }
}

/// Handles so many messages one by one, after a pause each.
async fn work(store: &dyn Store, holding: &Holding, count: usize, pause: Duration) -> Result<(), StoreError> {
    let filter: Filter = filter(&READS).of(holding.part);
    let (mut cursor, mut left) = (holding.cursor.clone(), count);
    loop {
        let batch = store.read_after(&cursor, &filter, 3).await?;
        for (message, behind) in batch.messages.iter().zip(&batch.cursors).take(left) {
            tokio::time::sleep(pause).await;
            let ops = [Op::Append(vec![effect_of(message)]), passes(&holding.lease, behind, message)];
            run(store, ops).await?;
        }
        left = left.saturating_sub(batch.messages.len());
        if batch.at_end || left == 0 {
            return Ok(());
        }
        cursor = batch.next;
    }
}

fn passes(lease: &Lease, behind: &tidings_core::envelope::Cursor, message: &Recorded) -> Op {
    Op::Advance(lease.clone(), behind.clone(), receipt_of(std::slice::from_ref(message), 1))
}

fn effect_of(message: &Recorded) -> Envelope {
    let mut effect = event("orders.shipped", "any");
    effect.key.clone_from(&message.envelope.key);
    effect.causation_id = Some(message.envelope.id);
    effect.data.clone_from(&message.envelope.data);
    effect
}

fn check_effects(published: &[Envelope], effects: &[Recorded], seed: u64) {
    let mut counts: BTreeMap<MessageId, usize> = published.iter().map(|message| (message.id, 0)).collect();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for effect in effects {
        let cause = effect.envelope.causation_id.expect("an effect has a cause");
        *counts.entry(cause).or_default() += 1;
        let Some(key) = &effect.envelope.key else { continue };
        let number: u64 = effect.envelope.data.parse().expect("the suite wrote a number");
        let before = last.insert(key.as_str().to_owned(), number);
        assert!(
            before.is_none_or(|before| before <= number),
            "messages of a key are handled in order while holders change: {number} of {key} came after {before:?}; seed {seed}"
        );
    }
    let wrong: Vec<_> = counts.values().filter(|count| **count != 1).collect();
    assert!(wrong.is_empty(), "effects happen exactly once while holders change: {wrong:?}; seed {seed}");
}
