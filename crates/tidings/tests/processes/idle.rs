//! What a process costs its database that has nothing to do.

use std::time::Duration;

use crate::support::{World, audit, counters, other};

/// Counts the transactions of the whole database, so it has to be alone there: it is run by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a database of its own"]
async fn an_idle_process_asks_seldom() {
    let Some(world) = World::new().await else { return };
    const LISTENERS: [&str; 10] = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9"];
    let listening = LISTENERS.into_iter().fold(audit(), |module, name| module.on(name, other));
    let app = world.process([counters(), listening], Some(15.0)).await.unwrap();
    // Statistics of a connection that rests come in after ten seconds.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let before = world.transactions().await;
    const SECONDS: u64 = 20;
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let a_second = (world.transactions().await - before) as f64 / SECONDS as f64;
    println!("an idle process with 10 consumers of 4 partitions: {a_second} transactions a second");
    assert!(a_second < 8.0, "{a_second} transactions a second");
    app.shutdown().await.unwrap();
}
