//! Two versions of an application side by side, and back again.

use tidings::{BuildError, Module};

use crate::support::contracts::counters::Reset;
use crate::support::{
    NOTE, OTHER, World, audit, counters, note_bumped, note_reset, other, publish, settle, until_held,
};

fn old() -> [Module; 2] {
    [counters(), audit().on("note", note_bumped).on("other", other)]
}

/// Its `note` reads one event more.
fn new() -> [Module; 2] {
    [counters(), audit().on("note", (note_bumped, note_reset)).on("other", other)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn the_version_started_last_works_and_the_other_goes_on_with_the_rest() {
    let Some(world) = World::new().await else { return };
    let before = world.process(old(), None).await.unwrap();
    publish(&before, 5, 0..1).await;
    let after = world.process(new(), None).await.unwrap();
    until_held(&before, NOTE, &[0, 4]).await;
    until_held(&before, OTHER, &[2, 2]).await;
    let reset = Reset { counter: "counter-0".to_owned() };
    before.outbox("counters").unwrap().publish_now(&reset).await.unwrap();
    publish(&before, 5, 1..3).await;
    settle(&before).await;

    // Rolled back: the old version is started once more, and the one that has waited shares the work with it.
    let again = world.process(old(), None).await.unwrap();
    until_held(&before, NOTE, &[0, 2, 2]).await;
    publish(&after, 5, 3..5).await;
    settle(&before).await;
    let handled = world.handled().await;
    for counter in 0..5 {
        let of = |by: &str| handled[&(by.to_owned(), format!("counter-{counter}"))].clone();
        let reset_too = if counter == 0 { vec![0, 0, 1, 2, 3, 4] } else { vec![0, 1, 2, 3, 4] };
        assert_eq!(of("note"), reset_too, "nobody passes over what the newest version knows");
        assert_eq!(of("other"), [0, 1, 2, 3, 4]);
    }
    for app in [before, after, again] {
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn work_that_a_live_process_knows_is_no_orphan() {
    let Some(world) = World::new().await else { return };
    let without = || [counters(), audit().on("note", note_bumped)];
    let before = world.process(old(), None).await.unwrap();
    let after = world.process(without(), None).await.unwrap();
    until_held(&before, OTHER, &[0, 4]).await;
    publish(&after, 5, 0..2).await;
    settle(&before).await;
    before.shutdown().await.unwrap();
    publish(&after, 5, 2..4).await;
    // Now nobody knows it. Those who run go on, and others may come to their help.
    let beside = world.process(without(), None).await.unwrap();
    until_held(&after, NOTE, &[2, 2]).await;
    beside.shutdown().await.unwrap();
    after.shutdown().await.unwrap();
    let alone = world.process(without(), None).await;
    assert!(matches!(alone, Err(BuildError::Orphans(_))), "a first start that would strand work is refused");

    let back = world.process(old(), None).await.unwrap();
    settle(&back).await;
    assert_eq!(world.handled().await[&("other".to_owned(), "counter-0".to_owned())], [0, 1, 2, 3]);
    back.shutdown().await.unwrap();
}
