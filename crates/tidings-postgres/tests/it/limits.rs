//! The hard limit of the log, among several processes.

use std::time::Duration;

use tidings_core::store::{Limits, Retention, Store as _, StoreError};
use tidings_testkit::script::Op;

use crate::support::*;

fn publish(count: usize) -> Vec<Op> {
    vec![Op::Append((0..count).map(|number| event(&number.to_string())).collect())]
}

/// Two processes that publish use up the same room, and both learn that it is used up. Where maintenance could make room there
/// is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_hard_limit_holds_for_all_processes_together() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let stores = [open(&config).await, open(&config).await];
    stores[0].register(&spec("slow"), at(0)).await.expect("a consumer is registered");
    let retention = Retention { messages_hard_max: 50, ..Retention::default() };
    for store in &stores {
        store.maintain(&retention, at(1)).await.expect("maintenance runs");
    }
    let mut accepted = 0;
    for round in 0..200 {
        let done = run_for(&stores[round % 2], publish(1), Limits::default()).await;
        match done {
            Ok(()) => accepted += 1,
            Err(StoreError::LogFull { limit: 50, messages, holder }) => {
                assert!((50..=52).contains(&messages) && holder.contains("slow"), "{messages} {holder}");
            }
            Err(other) => panic!("a full log is told as such: {other:?}"),
        }
    }
    // One that has not appended for long may be one behind.
    assert!((50..=51).contains(&accepted), "{accepted}");
    // Nobody needs them any more: there is room, before anybody has made it.
    stores[0].retire("slow", "by the test", at(2)).await.expect("a consumer is retired");
    tokio::time::sleep(Duration::from_millis(250)).await;
    for store in &stores {
        run_for(store, publish(1), Limits::default())
            .await
            .expect("there is room that maintenance could make");
    }
}

/// What was deleted by hand is found out when the log seems full.
#[tokio::test]
async fn messages_deleted_by_hand_are_counted_again() {
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    store.register(&spec("slow"), at(0)).await.expect("a consumer is registered");
    run_for(&store, publish(20), Limits::default()).await.expect("messages are appended");
    let done = store.maintain(&Retention::default(), at(1)).await.expect("maintenance runs");
    assert_eq!(done.messages, 20);
    let delete = execute("DELETE FROM tidings_log WHERE position <= 10");
    tidings_testkit::script::run(store.as_ref(), [delete]).await.expect("messages are deleted");
    let retention = Retention { messages_hard_max: 15, ..Retention::default() };
    let done = store.maintain(&retention, at(1)).await.expect("maintenance runs");
    assert_eq!(done.messages, 10, "counted again, since it seemed full");
    run_for(&store, publish(1), Limits::default()).await.expect("there is room");
}
