//! Processes come and go, and share the work.

use std::time::Duration;

use tidings::DeadLetterError;

use crate::support::contracts::counters::Bumped;
use crate::support::{NOTE, World, audit, counters, note_bumped, publish, settle, until_held};

fn modules() -> [tidings::Module; 2] {
    [counters(), audit().on("note", note_bumped)]
}

async fn assert_each_once(world: &World, counters: usize, totals: u32) {
    let handled = world.handled().await;
    assert_eq!(handled.len(), counters, "each counter's events were handled");
    for ((_, counter), seen) in handled {
        let expected: Vec<i64> = (0..i64::from(totals)).collect();
        assert_eq!(seen, expected, "each event is handled once, and in order: {counter}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn work_is_shared_and_handed_over_at_once() {
    let Some(world) = World::new().await else { return };
    let one = world.process(modules(), None).await.unwrap();
    until_held(&one, NOTE, &[4]).await;
    publish(&one, 20, 0..3).await;

    let two = world.process(modules(), None).await.unwrap();
    until_held(&one, NOTE, &[2, 2]).await;
    publish(&two, 20, 3..6).await;
    let three = world.process(modules(), None).await.unwrap();
    until_held(&one, NOTE, &[1, 1, 2]).await;
    publish(&three, 20, 6..9).await;

    two.shutdown().await.unwrap();
    let took = until_held(&one, NOTE, &[2, 2]).await;
    assert!(took < Duration::from_secs(5), "a stop in order hands over at once, not after {took:?}");
    publish(&one, 20, 9..12).await;
    settle(&one).await;
    assert_each_once(&world, 20, 12).await;
    let status = one.store().consumers().await.unwrap();
    let holders = &status.iter().find(|status| &*status.name == NOTE).unwrap().holders;
    assert!(holders.len() == 4 && holders.iter().all(Option::is_some), "{holders:?}");
    three.shutdown().await.unwrap();
    one.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn what_a_dead_process_held_is_taken_over() {
    let Some(world) = World::new().await else { return };
    const LEASE: f64 = 1.5;
    let one = world.process(modules(), Some(LEASE)).await.unwrap();
    let two = world.process(modules(), Some(LEASE)).await.unwrap();
    let three = world.process(modules(), Some(LEASE)).await.unwrap();
    until_held(&one, NOTE, &[1, 1, 2]).await;
    publish(&one, 20, 0..3).await;
    // Its tasks are gone in the midst of whatever they do; nothing is given back.
    let dying = tokio::spawn(async move { publish(&two, 20, 3..4).await });
    dying.await.unwrap();
    publish(&three, 20, 4..8).await;
    let took = until_held(&one, NOTE, &[2, 2]).await;
    let bound = Duration::from_secs_f64(LEASE + LEASE / 3.0 + 2.0);
    assert!(took < bound, "what a dead process held is taken within a lease and a beat, not after {took:?}");
    settle(&one).await;
    assert_each_once(&world, 20, 8).await;
    one.shutdown().await.unwrap();
    three.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_dead_letter_is_decided_where_its_partition_is_worked() {
    let Some(world) = World::new().await else { return };
    let one = world.process(modules(), None).await.unwrap();
    let two = world.process(modules(), None).await.unwrap();
    until_held(&one, NOTE, &[2, 2]).await;
    let outbox = one.outbox("counters").unwrap();
    for number in 0..12 {
        let counter = format!("garbage-{number}");
        outbox.publish_now(&Bumped { counter, total: 1, owner: None }).await.unwrap();
    }
    settle(&one).await;
    let dead = one.dead_letters().list(Some(NOTE), 100).await.unwrap();
    assert_eq!(dead.len(), 12);
    let mut elsewhere = 0;
    for row in &dead {
        match one.dead_letters().discard(NOTE, row.message.position, "a test").await {
            Ok(()) => {}
            Err(DeadLetterError::HeldElsewhere { holder, .. }) => {
                elsewhere += 1;
                assert!(holder.contains("process"), "the holder is named: {holder}");
                two.dead_letters().discard(NOTE, row.message.position, "a test").await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..12).contains(&elsewhere), "{elsewhere} of 12 were with the other process");
    assert!(one.dead_letters().list(Some(NOTE), 100).await.unwrap().is_empty());
    one.shutdown().await.unwrap();
    two.shutdown().await.unwrap();
}
