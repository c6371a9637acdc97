//! A process that is told to stop.

use std::time::{Duration, Instant};

use crate::support::{World, audit, counters, other};

/// Maintenance can wait for the next start: here it would for ever, since somebody has locked a table that it needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_stop_waits_for_no_maintenance() {
    let Some(world) = World::new().await else { return };
    let modules = [counters(), audit().on("other", other)];
    let app = world.process_with(modules, |_, config| config.retention.every_seconds = 1).await.unwrap();
    let lock = world.lock("tidings_receipts").await;
    let waiting =
        "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'tidings_receipts'::regclass";
    let begun = Instant::now();
    while world.ask(waiting).await == "0" {
        assert!(begun.elapsed() < Duration::from_secs(30), "maintenance never asks for the table");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.shutdown_within(Duration::from_secs(10)).await.unwrap();
    lock.rollback().await.unwrap();
}
