//! Leases and cursors: transactional effects happen exactly once per message (promise 2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{Begun, Start, Store, StoreError};

use crate::factory::StoreFactory;
use crate::faults::{Fault, FaultPlan, Step, What, When, faulty};
use crate::script::{Gate, Op, run};
use crate::suite::support::*;

const NAME: &str = "suite.worker";
const READS: [&str; 1] = ["orders.placed"];

/// Every holder has a higher fence than all before it, also after a restart and after a crash.
pub async fn a_new_holder_voids_earlier_leases(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let first = Consumer::enter(store.as_ref(), NAME, &READS, Start::Now).await;
    let second = Consumer::hold(store.as_ref(), NAME, &READS).await;
    assert!(second.lease.fence > first.lease.fence, "a fence grows with every holder");
    assert_fenced(run(store.as_ref(), [first.advance(None)]).await, "advance");
    run(store.as_ref(), [second.advance(None)]).await.expect("the newest holder may work");

    let store = database.reopen().await;
    let third = Consumer::hold(store.as_ref(), NAME, &READS).await;
    assert!(third.lease.fence > second.lease.fence, "a fence grows over a restart");
    assert_fenced(run(store.as_ref(), [second.advance(None)]).await, "advance after a restart");

    let store = database.crash().await;
    let fourth = Consumer::hold(store.as_ref(), NAME, &READS).await;
    assert!(fourth.lease.fence > third.lease.fence, "a fence grows over a crash");
    assert_fenced(run(store.as_ref(), [third.advance(None)]).await, "advance after a crash");
}

/// Whatever a holder does under a void lease fails, and takes the effects of its transaction with it.
pub async fn a_void_lease_writes_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 4)).await;
    let mut old = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let batch = old.take(store.as_ref(), 10).await;
    let parked = retrying(&batch.messages[0], at(1));
    run(store.as_ref(), [Op::Park(old.lease.clone(), vec![parked.clone()])]).await.expect("the holder parks");

    let new = Consumer::hold(store.as_ref(), NAME, &READS).await;
    let begun = Begun { first: batch.messages[1].position, count: 1, tries: 1 };
    let under_the_void_lease = [
        ("advance", old.advance(receipt_of(&batch.messages, 1))),
        ("park", Op::Park(old.lease.clone(), vec![retrying(&batch.messages[1], at(1))])),
        ("settle", old.settled(&batch.messages[0], handled(1))),
        ("begin_batch", Op::Begin(old.lease.clone(), begun)),
    ];
    for (what, op) in under_the_void_lease {
        let effect = Op::Append(events("orders.shipped", 1));
        assert_fenced(run(store.as_ref(), [effect.clone(), op.clone()]).await, what);
        assert_fenced(run(store.as_ref(), [op, effect]).await, what);
    }
    let effects = everything(store.as_ref(), &["orders.shipped"]).await;
    assert!(effects.is_empty(), "a transaction under a void lease writes nothing");
    let holding = hold(store.as_ref(), NAME).await.expect("a consumer is held");
    assert_eq!(holding.cursor, new.cursor, "a void lease moves no cursor");
    assert_eq!(holding.begun, None, "a void lease marks nothing as begun");
    assert_eq!(new.parked(store.as_ref()).await.len(), 1, "a void lease parks and settles nothing");
    let receipt = store.receipt(NAME, batch.messages[2].position).await.expect("a receipt is looked up");
    assert_eq!(receipt, None, "a void lease writes no receipt");
}

/// Whoever takes over while a transaction of the last holder is open either waits for its end and finds what it did, or
/// voids it: after `hold` has returned, nothing is committed under the lease before.
pub async fn nothing_commits_under_a_lease_after_it_is_void(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 4)).await;
    let mut first = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let batch = first.take(store.as_ref(), 10).await.messages;
    let parked = vec![retrying(&batch[0], at(1)), retrying(&batch[1], at(1))];
    run(store.as_ref(), [Op::Park(first.lease.clone(), parked)]).await.expect("the holder parks");
    let begun = Begun { first: batch[2].position, count: 1, tries: 1 };
    let step = |holder: &Consumer, index: usize| match index {
        0 => holder.settled(&batch[0], handled(1)),
        1 => Op::Park(holder.lease.clone(), vec![retrying(&batch[2], at(1))]),
        2 => Op::Begin(holder.lease.clone(), begun.clone()),
        _ => holder.advance(None),
    };
    for index in 0..4 {
        let holder =
            Consumer { cursor: first.cursor.clone(), ..Consumer::hold(store.as_ref(), NAME, &READS).await };
        let effect = event("orders.shipped", &index.to_string());
        let gate = Gate::new();
        let ops = [step(&holder, index), Op::Append(vec![effect.clone()]), Op::Gate(gate.clone())];
        let (taken_over, committed) = take_over_during(&store, ops.to_vec(), gate).await;
        assert!(
            !(taken_over && committed.is_ok()),
            "nothing commits under a lease after it is void: step {index}, {committed:?}"
        );
        let effects = ids(&everything(store.as_ref(), &["orders.shipped"]).await);
        assert_eq!(
            effects.contains(&effect.id),
            committed.is_ok(),
            "a takeover leaves no half, step {index}"
        );
    }
}

/// Runs a work that stops at a gate, and takes over while it stands there. Returns whether `hold` had returned before the
/// gate was opened, and how the work ended.
async fn take_over_during(
    store: &Arc<dyn Store>,
    ops: Vec<Op>,
    gate: Gate,
) -> (bool, Result<(), StoreError>) {
    let working = tokio::spawn({
        let store = store.clone();
        async move { run(store.as_ref(), ops).await }
    });
    gate.reached().await;
    let mut holding = tokio::spawn({
        let store = store.clone();
        async move { hold(store.as_ref(), NAME).await }
    });
    // Either answer is right; the time only gives a store that does not wait the chance to say so.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut holding).await;
    gate.open();
    let committed = working.await.expect("the work ends");
    let taken_over = early.is_ok();
    let held = match early {
        Ok(held) => held,
        Err(_) => tokio::time::timeout(PATIENCE, holding).await.expect("a takeover comes to its end"),
    };
    held.expect("the taker ends").expect("a consumer is held");
    (taken_over, committed)
}

/// A cursor moves if and only if the effects beside it commit.
pub async fn the_cursor_moves_with_the_effects(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    append(store.as_ref(), &events("orders.placed", 3)).await;
    let mut consumer = Consumer::enter(store.as_ref(), NAME, &READS, Start::Beginning).await;
    let before = consumer.cursor.clone();
    let batch = consumer.take(store.as_ref(), 10).await;
    let effect = || Op::Append(events("orders.shipped", 1));
    for ending in [Op::Fail, Op::Panic("planned by the suite"), Op::Undo] {
        let moved = consumer.advance(receipt_of(&batch.messages, 1));
        let _ended = run(store.as_ref(), [effect(), moved, ending]).await;
        let next = Consumer::hold(store.as_ref(), NAME, &READS).await;
        assert_eq!(next.cursor, before, "a cursor does not move without its effects");
        consumer.lease = next.lease;
        let effects = everything(store.as_ref(), &["orders.shipped"]).await;
        assert!(effects.is_empty(), "undone effects are not there");
        let receipt = store.receipt(NAME, batch.messages[0].position).await.expect("a receipt is looked up");
        assert_eq!(receipt, None, "a receipt is not written without its effects");
    }
    run(store.as_ref(), [effect(), consumer.advance(None)])
        .await
        .expect("effects and cursor commit together");
    let store = database.crash().await;
    let holding = Consumer::hold(store.as_ref(), NAME, &READS).await;
    let (rest, _) = read_to_end(store.as_ref(), &holding.cursor, &consumer.filter, 10).await;
    assert!(rest.is_empty(), "the cursor that was committed is there after a crash");
    assert_eq!(everything(store.as_ref(), &["orders.shipped"]).await.len(), 1);
}

/// A consumer is broken at each of its steps in turn, in each way there is, with a crash after each, and runs again until
/// it is done: every message has exactly one effect.
pub async fn effects_happen_once_whatever_fails(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let messages = events("orders.placed", 3);
    append(database.store().as_ref(), &messages).await;
    let plan = FaultPlan::new();
    let steps = {
        // A rehearsal under another name, to learn the steps.
        let store = faulty(database.store(), &plan);
        Consumer::enter(store.as_ref(), "suite.rehearsal", &READS, Start::Beginning).await;
        plan.disarm();
        work_until_done(store.as_ref(), "suite.rehearsal").await;
        plan.trace()
    };
    let mut round = 0;
    for (index, step) in steps.into_iter().enumerate() {
        for (when, what) in When::BOTH.into_iter().flat_map(|when| What::ENDING.map(|what| (when, what))) {
            if what == What::Drop && matches!(step, Step::Hold | Step::ReadAfter) {
                continue; // Outside a transaction nobody takes a dropped call for anything but a stand-still.
            }
            let fault = Fault { index, when, what };
            let name = format!("suite.worker-{round}");
            round += 1;
            let spec = spec(&name, &READS, Start::Beginning);
            database.store().register(&spec, at(0)).await.expect("a consumer is registered");
            plan.arm(fault);
            work_through_faults(faulty(database.store(), &plan), &name).await;
            plan.disarm();
            // Every so often the process dies as well.
            let store = if round % 16 == 0 { database.crash().await } else { database.store() };
            work_until_done(store.as_ref(), &name).await;
            check_effects(store.as_ref(), &name, &ids_of(&messages), fault).await;
        }
    }
}

/// Works in a task of its own, because the fault may be a panic.
async fn work_through_faults(store: Arc<dyn Store>, name: &str) {
    let name = name.to_owned();
    let work = tokio::spawn(async move { try_to_work(store.as_ref(), &name).await });
    let ended = tokio::time::timeout(PATIENCE, work).await;
    assert!(ended.is_ok(), "a worker that meets a fault comes to an end");
}

async fn work_until_done(store: &dyn Store, name: &str) {
    for _ in 0..100 {
        if try_to_work(store, name).await {
            return;
        }
    }
    panic!("a consumer without faults gets to the end");
}

/// One life of a worker: takes over, and handles messages one by one until the end or the first error.
async fn try_to_work(store: &dyn Store, name: &str) -> bool {
    let Ok(holding) = hold(store, name).await else { return false };
    let (lease, mut cursor) = (holding.lease, holding.cursor);
    loop {
        let Ok(batch) = store.read_after(&cursor, &filter(&READS), 1).await else { return false };
        for (message, behind) in batch.messages.iter().zip(&batch.cursors) {
            let mut effect = event("orders.shipped", "1");
            effect.source = name.into();
            effect.causation_id = Some(message.envelope.id);
            let receipt = receipt_of(std::slice::from_ref(message), 1);
            let ops = [Op::Append(vec![effect]), Op::Advance(lease.clone(), behind.clone(), receipt)];
            if run(store, ops).await.is_err() {
                return false;
            }
        }
        if batch.at_end {
            return true;
        }
        cursor = batch.next;
    }
}

async fn check_effects(store: &dyn Store, name: &str, causes: &[MessageId], fault: Fault) {
    let mut effects: BTreeMap<MessageId, usize> = causes.iter().map(|id| (*id, 0)).collect();
    for effect in everything(store, &["orders.shipped"]).await {
        if &*effect.envelope.source == name {
            *effects.entry(effect.envelope.causation_id.expect("an effect has a cause")).or_default() += 1;
        }
    }
    for (position, count) in effects.values().enumerate() {
        assert_eq!(*count, 1, "effects happen exactly once: message {position} under {fault:?}");
    }
}
