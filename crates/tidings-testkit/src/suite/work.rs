//! Works: each is one transaction to whoever asked for it, also where a store joins many into one commit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{Limits, Migration, Store, StoreError};
use tidings_core::value::Value;
use tokio::task::JoinSet;

use super::support::*;
use super::tables::make_account;
use crate::factory::StoreFactory;
use crate::script::{Gate, MODULE, Op, Script, query, run};

const INSERT: &str = "INSERT INTO suite_account (id, note) VALUES ($1, $2)";

fn insert(id: i64) -> Op {
    Op::Execute(INSERT, vec![id.into(), "x".into()])
}

async fn entries(store: &dyn Store) -> BTreeSet<i64> {
    let rows = query(store, "SELECT id FROM suite_account").await.expect("a table is read");
    rows.iter().map(|row| row.get("id").expect("an id is a number")).collect()
}

/// Inner savepoints end with outer ones; what is kept inside of what is undone is undone; tables and log alike.
pub async fn savepoints_nest(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let messages: Vec<_> = (0..8).map(|index| event("orders.placed", &index.to_string())).collect();
    let both = |index: usize| vec![insert(index as i64), Op::Append(vec![messages[index].clone()])];
    let with = |index: usize, inner: Vec<Op>| [both(index), inner].concat();
    let ops = with(
        0,
        vec![
            Op::Kept(with(1, vec![Op::Undone(with(2, vec![Op::Kept(both(3))])), Op::Kept(both(4))])),
            Op::Undone(with(5, vec![Op::Undone(both(6))])),
            Op::Kept(both(7)),
        ],
    );
    run(store.as_ref(), ops).await.expect("the script commits");
    assert_eq!(entries(store.as_ref()).await, BTreeSet::from([0, 1, 4, 7]), "savepoints nest, for tables");
    let kept = [0, 1, 4, 7].map(|index: usize| messages[index].id);
    assert_eq!(
        ids(&everything(store.as_ref(), &["orders.placed"]).await),
        kept,
        "savepoints nest, for the log"
    );
}

/// After `undo` the transaction is empty, and goes on; savepoints from before it are gone with it.
pub async fn undo_keeps_the_transaction_open(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let ops = [insert(1), Op::Kept(vec![insert(2)]), Op::Undo, insert(2), Op::Undo, Op::Undo, insert(3)];
    run(store.as_ref(), ops).await.expect("the script commits");
    assert_eq!(
        entries(store.as_ref()).await,
        BTreeSet::from([3]),
        "exactly what came after the last undo is kept"
    );
    let ops = [insert(4), Op::Swallow(Box::new(insert(4))), Op::Undo, insert(5)];
    run(store.as_ref(), ops).await.expect("undo mends a transaction in which a statement failed");
    assert_eq!(entries(store.as_ref()).await, BTreeSet::from([3, 5]));
}

/// Runs `count` works at the same time; those that `ends_badly` says so end with its step. Returns what was acknowledged.
async fn many(store: &Arc<dyn Store>, count: i64, ends_badly: fn(i64) -> Option<Op>) -> BTreeSet<i64> {
    let mut works = JoinSet::new();
    for number in 0..count {
        let store = store.clone();
        works.spawn(async move {
            let mut ops = vec![insert(number), Op::Append(vec![event("orders.placed", &number.to_string())])];
            let bad = ends_badly(number);
            let expected = bad.is_some();
            ops.extend(bad);
            let work = Arc::new(Script::named(format!("work {number}"), ops));
            let result = store.transact(work, Limits::default()).await;
            assert_eq!(
                result.is_err(),
                expected,
                "each work is told what became of itself: {number}: {result:?}"
            );
            if let Err(StoreError::Panicked { work, .. }) = &result {
                assert_eq!(*work, format!("work {number}"), "a panic is told with its work's name");
            }
            result.is_ok().then_some(number)
        });
    }
    let mut acknowledged = BTreeSet::new();
    while let Some(result) = works.join_next().await {
        match result {
            Ok(number) => acknowledged.extend(number),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    acknowledged
}

async fn check_account(store: &dyn Store, acknowledged: &BTreeSet<i64>) {
    assert_eq!(entries(store).await, *acknowledged, "exactly the acknowledged works are in the tables");
    let published = everything(store, &["orders.placed"]).await;
    let keys =
        published.iter().map(|message| message.envelope.key.as_ref().map(|key| key.as_str().to_owned()));
    let expected = acknowledged.iter().map(|number| Some(format!("order:{number}"))).collect::<BTreeSet<_>>();
    assert_eq!(published.len(), acknowledged.len(), "each acknowledged work has published once");
    assert_eq!(keys.collect::<BTreeSet<_>>(), expected, "exactly the acknowledged works have published");
}

/// Among many works that run at the same time, an error undoes the work that met it and no other.
pub async fn an_error_undoes_only_its_own_work(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    run(store.as_ref(), [insert(-1)]).await.expect("an insert commits");
    let acknowledged = many(&store, 200, |number| match number % 7 {
        2 => Some(Op::Fail),
        4 => Some(insert(-1)), // a duplicate: an error of the database
        5 => Some(Op::Execute("no such statement", Vec::new())),
        _ => None,
    });
    let mut acknowledged = acknowledged.await;
    let store = database.crash().await;
    run(store.as_ref(), [Op::Execute("DELETE FROM suite_account WHERE id = -1", Vec::new())])
        .await
        .expect("a delete");
    acknowledged.remove(&-1);
    check_account(store.as_ref(), &acknowledged).await;
}

/// Among many works that run at the same time, a panic takes the work that panicked and no other.
pub async fn a_panic_takes_only_its_own_work(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let planned = |number| (number % 5 == 2).then_some(Op::Panic("planned by the suite"));
    let acknowledged = many(&store, 100, planned).await;
    let store = database.crash().await;
    check_account(store.as_ref(), &acknowledged).await;
}

/// Who drops a work takes what it had written, and lets the others go on, whether it ran or still waited.
pub async fn a_dropped_work_takes_only_itself(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let gate = Gate::new();
    let start = |ops: Vec<Op>| {
        let store = store.clone();
        tokio::spawn(async move { run(store.as_ref(), ops).await })
    };
    let running = start(vec![insert(1_000), Op::Gate(gate.clone())]);
    gate.reached().await;
    let waiting: Vec<_> = (0..20).map(|number| start(vec![insert(number)])).collect();
    for dropped in waiting.iter().step_by(4) {
        dropped.abort();
    }
    running.abort();
    let mut acknowledged = BTreeSet::new();
    for (number, work) in (0..).zip(waiting) {
        match work.await {
            Ok(result) => {
                result.unwrap_or_else(|error| {
                    panic!("a work that nobody dropped commits: {number}: {error:?}")
                });
                acknowledged.insert(number);
            }
            Err(error) => assert!(error.is_cancelled()),
        }
    }
    gate.open();
    run(store.as_ref(), [insert(2_000)]).await.expect("the store goes on");
    let found = entries(store.as_ref()).await;
    assert!(!found.contains(&1_000), "a dropped work that ran has written nothing");
    assert!(found.is_superset(&acknowledged), "works beside a dropped one commit");
    // Those that were dropped while they waited may have run before the drop reached them; nobody was told that they did.
    assert!((0..20).filter(|number| number % 4 != 0).all(|number| found.contains(&number)));
}

/// A work that goes on although a statement of it failed is either committed with all the rest, or told that it was not.
pub async fn a_swallowed_error_is_never_a_lost_commit(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    run(store.as_ref(), [insert(1)]).await.expect("an insert commits");
    for (id, bad) in [(2, insert(1)), (3, Op::Execute("no such statement", Vec::new()))] {
        let ops = [insert(id), Op::Swallow(Box::new(bad)), Op::Swallow(Box::new(insert(id + 10)))];
        let result = run(store.as_ref(), ops).await;
        let found = entries(store.as_ref()).await;
        assert_eq!(
            found.contains(&id),
            result.is_ok(),
            "a swallowed error is never a lost commit: {result:?}"
        );
        assert!(result.is_ok() || !found.contains(&(id + 10)), "nor half of one");
    }
    let in_savepoint = [insert(4), Op::Undone(vec![insert(1)]), insert(5)];
    run(store.as_ref(), in_savepoint).await.expect("what failed in a savepoint goes with it");
    let store = database.crash().await;
    assert!(entries(store.as_ref()).await.is_superset(&BTreeSet::from([1, 4, 5])));
}

/// A work that holds its transaction for longer than its budget is interrupted and named, and the others go on.
pub async fn a_work_over_its_budget_is_named(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let never = Gate::new();
    let work = Arc::new(Script::named("listener `slow.one`", [insert(1), Op::Gate(never)]));
    let limits = Limits { budget: Duration::from_millis(50), wait: None };
    let slow = tokio::spawn({
        let store = store.clone();
        async move { store.transact(work, limits).await }
    });
    let others: Vec<_> = (10..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { run(store.as_ref(), [insert(number)]).await })
        })
        .collect();
    let interrupted = tokio::time::timeout(PATIENCE, slow).await.expect("a work over its budget ends");
    let interrupted = interrupted.expect("the caller ends");
    assert!(
        matches!(&interrupted, Err(StoreError::Budget { work, budget })
            if work == "listener `slow.one`" && *budget == limits.budget),
        "a work over its budget is named: {interrupted:?}"
    );
    for other in others {
        other.await.expect("the caller ends").expect("works beside it commit");
    }
    assert_eq!(entries(store.as_ref()).await, (10..20).collect(), "an interrupted work has written nothing");
}

/// A work that does not get its turn in time is told so, and never runs afterwards.
pub async fn a_work_that_waits_too_long_writes_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let gate = Gate::new();
    let blocking = [insert(1), Op::Gate(gate.clone())];
    let blocking = tokio::spawn({
        let store = store.clone();
        let limits = Limits { budget: PATIENCE, wait: None };
        async move { store.transact(Arc::new(Script::named("blocking", blocking)), limits).await }
    });
    gate.reached().await;
    let limits = Limits { wait: Some(Duration::from_millis(30)), ..Limits::default() };
    let late = store.transact(Arc::new(Script::named("late", [insert(2)])), limits).await;
    assert!(
        // A store with concurrent writers need not let it wait; the time may run out while it commits.
        matches!(&late, Ok(()) | Err(StoreError::Unknown { .. }))
            || matches!(&late, Err(StoreError::Timeout { work, .. }) if work == "late"),
        "a work that waits too long is told so: {late:?}"
    );
    gate.open();
    blocking.await.expect("the caller ends").expect("the blocking work commits");
    run(store.as_ref(), [insert(3)]).await.expect("the store goes on");
    let found = entries(store.as_ref()).await;
    if !matches!(&late, Err(StoreError::Unknown { .. })) {
        assert_eq!(found.contains(&2), late.is_ok(), "a work that was told that it had no turn never runs");
    }
    assert!(found.contains(&1) && found.contains(&3));
}

/// More work than may wait is refused at once and clearly; what was taken in commits, and afterwards all is well.
pub async fn overload_is_refused_and_passes(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let Some(waiting_max) = database.waiting_max() else { return };
    let store = database.store();
    make_account(store.as_ref()).await;
    let gate = Gate::new();
    let blocking = tokio::spawn({
        let (store, gate) = (store.clone(), gate.clone());
        let limits = Limits { budget: PATIENCE, wait: None };
        async move { store.transact(Arc::new(Script::named("blocking", [Op::Gate(gate)])), limits).await }
    });
    gate.reached().await;
    let mut works = JoinSet::new();
    let tried = i64::try_from(waiting_max).expect("a bound that a suite can reach") + 50;
    for number in 0..tried {
        let store = store.clone();
        works.spawn(async move { (number, run(store.as_ref(), [insert(number)]).await) });
    }
    let mut acknowledged = BTreeSet::new();
    let mut refused = 0;
    while let Some(work) = works.join_next().await {
        match work.expect("a caller ends") {
            (number, Ok(())) => drop(acknowledged.insert(number)),
            (_, Err(StoreError::Overloaded { waiting })) => {
                assert!(waiting > 0, "an overloaded store says how many wait");
                refused += 1;
                // The refusals come while nothing moves; when all are here the gate may open.
                if refused == 50 {
                    gate.open();
                }
            }
            (number, Err(error)) => panic!("overload is refused as overload: {number}: {error:?}"),
        }
    }
    blocking.await.expect("the caller ends").expect("the blocking work commits");
    assert!(refused >= 50, "more work than may wait is refused");
    assert_eq!(entries(store.as_ref()).await, acknowledged, "exactly what was taken in has committed");
    run(store.as_ref(), [insert(-1)]).await.expect("after an overload all is well");
}

/// Counters that many works change at once stand at the number of acknowledgements, whatever failed beside them and
/// however often a shared transaction had to run again.
pub async fn a_key_counter_counts_each_acknowledged_work_once(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    make_account(store.as_ref()).await;
    let sql = "CREATE TABLE suite_counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL); INSERT INTO suite_counter VALUES (1, 0);";
    let counter = Migration { version: 1, name: "counter", sql };
    store.migrate("suite_counter", &[counter], at(0)).await.expect("a migration is applied");
    run(store.as_ref(), [insert(1)]).await.expect("an insert commits");
    let sabotage = match store.kind() {
        // Ends the whole transaction, with all the works that share it.
        "sqlite" => "INSERT OR ROLLBACK INTO suite_account (id, note) VALUES (1, 'again')",
        _ => "INSERT INTO suite_account (id, note) VALUES (1, 'again')",
    };
    let mut works = JoinSet::new();
    for number in 0..240 {
        let store = store.clone();
        works.spawn(async move {
            let count = Op::Execute("UPDATE suite_counter SET n = n + $1 WHERE id = 1", vec![Value::Int(1)]);
            let ops = match number % 12 {
                5 => vec![count, Op::Execute(sabotage, Vec::new())],
                _ => vec![Op::Append(vec![event("orders.placed", "1")]), count],
            };
            let result = run(store.as_ref(), ops).await;
            assert_eq!(
                result.is_err(),
                number % 12 == 5,
                "a work beside a lost transaction commits: {result:?}"
            );
            result.is_ok()
        });
    }
    let mut acknowledged = 0;
    while let Some(result) = works.join_next().await {
        match result {
            Ok(committed) => acknowledged += i64::from(committed),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let store = database.crash().await;
    let rows = query(store.as_ref(), "SELECT n FROM suite_counter").await.expect("a counter is read");
    assert_eq!(
        rows[0].get::<i64>("n"),
        Ok(acknowledged),
        "each acknowledged work is counted once, in {MODULE}"
    );
    let published: BTreeSet<MessageId> =
        ids(&everything(store.as_ref(), &["orders.placed"]).await).into_iter().collect();
    assert_eq!(published.len() as i64, acknowledged, "and has published once");
}
