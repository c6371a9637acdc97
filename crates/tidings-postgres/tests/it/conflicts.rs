//! Works that get in each other's way.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{Limits, StoreError};
use tidings_postgres::{Isolation, PostgresConfig, PostgresStore};
use tidings_testkit::script::{Gate, Op};

use crate::support::*;

const BUMP: &str = "UPDATE counter SET n = n + 1 WHERE id = 1";

async fn store(isolation: Isolation, reruns_max: u32) -> Option<Arc<PostgresStore>> {
    let config = PostgresConfig { isolation, reruns_max, connections_max: 10, ..fresh(&url()?) };
    let store = open(&config).await;
    make_counter(&store).await;
    Some(store)
}

/// Works that are refused because of each other run again, and each counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn works_that_conflict_run_again() {
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable] {
        let Some(store) = store(isolation, 100).await else { return };
        let works: Vec<_> = (0..20)
            .map(|number: i32| {
                let store = store.clone();
                // A snapshot taken before the row is locked; and two rows in either order, which is a deadlock.
                let rows = if number % 5 == 0 { [2, 1] } else { [1, 2] };
                let look = execute("SELECT count(*) FROM counter");
                let linger = Op::Linger(Duration::from_millis(2));
                let update = |row| {
                    execute(match row {
                        1 => BUMP,
                        _ => "UPDATE counter SET n = n + 1 WHERE id = 2",
                    })
                };
                let key = number.to_string();
                let ops = vec![look, linger, update(rows[0]), update(rows[1]), Op::Append(vec![event(&key)])];
                // The server looks for deadlocks when somebody has waited for a second.
                let limits = Limits { budget: PATIENCE, wait: None };
                tokio::spawn(async move { run_for(&store, ops, limits).await })
            })
            .collect();
        for work in works {
            work.await.expect("a task ends").expect("a work that conflicts runs again");
        }
        assert_eq!(counter(&store).await, 20, "each work counts once, at {isolation:?}");
        assert_eq!(keys(&store).await.len(), 20, "and has published once");
    }
}

/// Two that read the same and write different rows: only serialisable tells that they contradict each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rule_across_rows_holds_where_works_are_serialisable() {
    for (isolation, both) in [(Isolation::ReadCommitted, true), (Isolation::Serializable, false)] {
        let Some(store) = store(isolation, 5).await else { return };
        // At most one of the two may be taken.
        let take = |sql: &'static str| vec![execute(sql)];
        let gate = Gate::new();
        let mut first =
            take("UPDATE counter SET n = 1 WHERE id = 1 AND NOT EXISTS (SELECT 1 FROM counter WHERE n > 0)");
        first.push(Op::Gate(gate.clone()));
        let running = {
            let store = store.clone();
            tokio::spawn(async move { run_for(&store, first, Limits::default()).await })
        };
        gate.reached().await;
        let second =
            take("UPDATE counter SET n = 1 WHERE id = 2 AND NOT EXISTS (SELECT 1 FROM counter WHERE n > 0)");
        let beside = run_for(&store, second, Limits::default()).await;
        gate.open();
        running.await.expect("a task ends").expect("the one commits");
        beside.expect("the other runs, again if need be");
        let rows =
            tidings_testkit::script::query(store.as_ref(), "SELECT sum(n)::bigint AS n FROM counter").await;
        let taken: i64 = rows.expect("a query")[0].get("n").expect("a number");
        assert_eq!(taken == 2, both, "at {isolation:?}");
    }
}

/// Reruns end, by their number and by the time of the caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reruns_are_bounded() {
    let Some(store) = store(Isolation::RepeatableRead, 2).await else { return };
    // The server's word for a conflict, each time.
    let always = "DO $$ BEGIN RAISE EXCEPTION 'planned' USING ERRCODE = 'serialization_failure'; END $$";
    let begun = std::time::Instant::now();
    let refused = run_for(&store, [execute(BUMP), execute(always)], Limits::default()).await;
    assert!(matches!(refused, Err(StoreError::Busy { .. })), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    // A work that makes nothing of it is told all the same, and has not committed.
    let swallowed = [execute(BUMP), Op::Swallow(Box::new(execute(always)))];
    let refused = run_for(&store, swallowed, Limits::default()).await;
    assert!(matches!(refused, Err(StoreError::Busy { .. })), "{refused:?}");
    let limits = Limits { wait: Some(Duration::from_millis(1)), ..Limits::default() };
    assert!(run_for(&store, [execute(always)], limits).await.is_err());
    assert_eq!(counter(&store).await, 0);
}

/// What failed in a savepoint, and was undone with it, is no reason to run again.
#[tokio::test]
async fn a_conflict_that_was_undone_in_a_savepoint_is_over() {
    let Some(store) = store(Isolation::ReadCommitted, 2).await else { return };
    let conflict = "DO $$ BEGIN RAISE EXCEPTION 'planned' USING ERRCODE = 'deadlock_detected'; END $$";
    let ops = [execute(BUMP), Op::Undone(vec![execute(conflict)])];
    run_for(&store, ops, Limits::default()).await.expect("the rest commits");
    assert_eq!(counter(&store).await, 1);
}
