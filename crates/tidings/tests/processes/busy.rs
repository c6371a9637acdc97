//! A process all of whose connections are busy.

use std::time::Duration;

use tidings::{Ctx, Result, sql};

use crate::support::{
    NOTE, SomeBumped, World, audit, counters, holders, note_bumped, publish, settle, until_held,
};

const LEASE: f64 = 1.5;

/// Holds its connection, and keeps the server at work on it, so that nobody takes it for one that stands still.
async fn slow_note(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    sql("SELECT pg_sleep(1)::text").fetch_scalar::<String>(ctx.tx()).await?;
    note_bumped(ctx, event).await
}

/// Handlers that hold the whole pool for much longer than a lease cost their process nothing: it is alive, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn a_process_whose_pool_is_exhausted_keeps_its_leases() {
    let Some(world) = World::new().await else { return };
    let modules = || [counters(), audit().on("note", slow_note)];
    let with = |connections| {
        world.process_with(modules(), move |of_store, config| {
            of_store.connections_max = connections;
            config.store.lease_seconds = LEASE;
            config.store.write_budget_ms = 60_000;
        })
    };
    let publisher = world.process([counters()], None).await.unwrap();
    let (busy, other) = (with(2).await.unwrap(), with(10).await.unwrap());
    until_held(&other, NOTE, &[2, 2]).await;
    publish(&publisher, 24, 0..1).await;
    let mut looked = 0;
    loop {
        let crew = publisher.store().crew().await.unwrap();
        assert_eq!(holders(&crew, NOTE), [2, 2], "a live process keeps what it holds: {crew:#?}");
        looked += 1;
        let all = publisher.store().consumers().await.unwrap();
        if all.iter().all(|status| status.lag == 0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(looked as f64 * 0.1 > 2.0 * LEASE, "they were busy for longer than a lease: {looked}");
    settle(&publisher).await;
    for (whose, seen) in world.handled().await {
        assert_eq!(seen, [0], "each event is handled once: {whose:?}");
    }
    for app in [busy, other, publisher] {
        app.shutdown().await.unwrap();
    }
}
