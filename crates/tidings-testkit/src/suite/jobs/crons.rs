//! Recurring jobs.

use std::sync::Arc;

use jiff::Timestamp;
use tidings_core::store::{CronSpec, Store};

use super::support::*;

/// How much later than at its next time a suite's recurring job may be due.
const LATER: i64 = 100;

fn spec(name: &str, expression: &str, seconds: i64) -> CronSpec {
    CronSpec {
        name: name.into(),
        expression: expression.to_owned(),
        next: at(seconds),
        latest: at(seconds + LATER),
    }
}

async fn register(store: &dyn Store, specs: &[CronSpec], seconds: i64) -> Vec<(Arc<str>, Timestamp)> {
    let ticks = store.register_crons(specs, at(seconds)).await.expect("recurring jobs are entered");
    let mut ticks: Vec<_> = ticks.into_iter().map(|tick| (tick.name, tick.due)).collect();
    ticks.sort();
    ticks
}

fn ticks(ticks: &[(&str, i64)]) -> Vec<(Arc<str>, Timestamp)> {
    ticks.iter().map(|(name, seconds)| (Arc::from(*name), at(*seconds))).collect()
}

async fn moved(store: &dyn Store, name: &'static str, from: i64, to: i64) -> bool {
    let answers = ask(store, [Op::MoveCron(name, at(from), at(to))]).await.expect("a move is answered");
    matches!(answers[..], [Answer::Moved(true)])
}

/// A recurring job keeps its time while its expression stays, also over a time that was missed; a changed one has a new
/// time, and one that is not named is dropped.
pub async fn a_recurring_job_keeps_its_time_while_its_expression_stays(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let (a, b, c) = (
        spec("suite.a", "0 3 * * * UTC", 10),
        spec("suite.b", "0 4 * * * UTC", 20),
        spec("suite.c", "@", 30),
    );
    let all = register(store.as_ref(), &[c, a, b], 0).await;
    assert_eq!(
        all,
        ticks(&[("suite.a", 10), ("suite.b", 20), ("suite.c", 30)]),
        "a new one is due at its time"
    );
    let store = reopen(database.as_mut()).await;
    let again = [
        spec("suite.a", "0 3 * * * UTC", 510),
        spec("suite.b", "0 5 * * * UTC", 520),
        spec("suite.d", "@", 540),
    ];
    let all = register(store.as_ref(), &again, 500).await;
    let expected = ticks(&[("suite.a", 10), ("suite.b", 520), ("suite.d", 540)]);
    assert_eq!(
        all, expected,
        "the same expression keeps its time, a changed one does not, and who is not named is dropped"
    );
    let back = register(store.as_ref(), &[spec("suite.c", "@", 630)], 600).await;
    assert_eq!(back, ticks(&[("suite.c", 630)]), "one that was dropped and is back is new");
    assert!(register(store.as_ref(), &[], 700).await.is_empty(), "all may be dropped");
    assert!(!moved(store.as_ref(), "suite.c", 630, 640).await, "what was dropped is not moved");
}

/// A time that was made when the clock was ahead is not kept: nothing would come until then.
pub async fn a_recurring_job_does_not_wait_for_a_clock_that_was_ahead(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let ahead = [spec("suite.a", "@", 1_000_000), spec("suite.b", "@", 20)];
    register(store.as_ref(), &ahead, 0).await;
    assert!(moved(store.as_ref(), "suite.b", 20, 2_000_000).await);
    let store = reopen(database.as_mut()).await;
    let back = [spec("suite.a", "@", 30), spec("suite.b", "@", 40)];
    let all = register(store.as_ref(), &back, 25).await;
    let expected = ticks(&[("suite.a", 30), ("suite.b", 40)]);
    assert_eq!(all, expected, "a time later than it can be is replaced, whether entered or moved to");
    assert!(moved(store.as_ref(), "suite.a", 30, 40 + LATER).await);
    let all = register(store.as_ref(), &[spec("suite.a", "@", 40)], 30).await;
    assert_eq!(all, ticks(&[("suite.a", 40 + LATER)]), "the latest time that can be is kept");
}

/// A recurring job is moved from one time to the next by one who has read that time, in the transaction that enqueues its
/// job.
pub async fn a_recurring_job_is_moved_once(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let spec = spec("suite.a", "0 3 * * * UTC", 10);
    register(store.as_ref(), std::slice::from_ref(&spec), 0).await;
    assert!(!moved(store.as_ref(), "suite.a", 11, 20).await, "who has read another time moves nothing");
    assert!(!moved(store.as_ref(), "suite.x", 10, 20).await, "who moves an unknown one moves nothing");
    let step = || vec![Op::MoveCron("suite.a", at(10), at(20)), Op::Enqueue(vec![job()])];
    let undone = run(store.as_ref(), [step(), vec![Op::Fail]].concat()).await;
    assert!(undone.is_err());
    let mut movers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        movers.spawn(async move { moved(store.as_ref(), "suite.a", 10, 20).await });
    }
    let won = movers.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1, "of many who move it one does");
    assert!(moved(store.as_ref(), "suite.a", 20, 35).await, "who has read its time moves it");
    let store = crash(database.as_mut()).await;
    let all = register(store.as_ref(), &[spec], 30).await;
    assert_eq!(all, ticks(&[("suite.a", 35)]), "it is where it was moved, also after a crash");
}
