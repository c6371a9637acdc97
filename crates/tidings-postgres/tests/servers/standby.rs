//! A standby that is promoted without the primary's last commits, behind the address that processes know.

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_core::store::{Start, StoreError};
use tidings_postgres::{PostgresConfig, PostgresStore};

use crate::log::{Consumer, open, publish};
use crate::proxy::Proxy;
use crate::server::{Programs, Server};

/// Waits until the standby has replayed what the primary has written.
pub(crate) async fn catch_up(primary: &Server, standby: &Server) {
    let written =
        primary.ask("postgres", "SELECT pg_current_wal_flush_lsn()::text").await.expect("a place in the log");
    let sql = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}')::text");
    for _ in 0..600 {
        if standby.ask("postgres", &sql).await.as_deref() == Some("true") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the standby does not catch up");
}

/// From here on the standby gets nothing any more.
pub(crate) async fn part(primary: &Server, standby: &Server) {
    standby.execute("postgres", "ALTER SYSTEM SET primary_conninfo = ''").await;
    standby.execute("postgres", "SELECT pg_reload_conf()").await;
    for _ in 0..600 {
        let streams = primary.ask("postgres", "SELECT count(*)::text FROM pg_stat_replication").await;
        if streams.as_deref() == Some("0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the standby does not let go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_accepts_no_lease_of_its_primary() {
    let Some(programs) = Programs::find() else { return };
    let primary = Server::start(&programs);
    primary.database("shop").await;
    let proxy = Proxy::to(primary.port()).await;
    let url = format!("postgres://tidings@127.0.0.1:{}/shop", proxy.port());
    let store = open(&url).await;
    let mut kept = publish(store.as_ref(), "a", 6).await;
    let mut worker = Consumer::enter(store.as_ref(), "test.worker", Start::Beginning).await;
    let mut other = Consumer::enter(store.as_ref(), "test.other", Start::Beginning).await;
    worker.take(store.as_ref(), 2).await;
    other.take(store.as_ref(), 4).await;
    let standby = Server::standby_of(&primary);
    catch_up(&primary, &standby).await;

    // On a standby a snapshot would list nobody as running: it is refused, by whoever opens it and whoever reads on.
    let opened = PostgresStore::open(PostgresConfig::new(standby.url("shop"))).await;
    assert!(matches!(opened, Err(StoreError::ReadOnly { .. })), "a standby is refused");

    // The primary goes on and the standby does not hear of it: messages, a cursor, and a take-over are lost.
    part(&primary, &standby).await;
    let lost = publish(store.as_ref(), "a", 3).await;
    worker.take(store.as_ref(), 3).await;
    let taken_over = Consumer::hold(store.as_ref(), "test.other").await;
    let in_hand = (worker.read(store.as_ref(), 2).await, taken_over.read(store.as_ref(), 9).await);
    standby.promote();
    primary.stop("immediate");
    proxy.turn_to(standby.port());

    // Transaction ids and positions are given away again, to other messages.
    kept.extend(publish(store.as_ref(), "a", 2).await);
    let mut taken_over = taken_over;
    for (who, done) in [
        ("who held", worker.commit(store.as_ref(), in_hand.0).await),
        ("whose take-over is lost", taken_over.commit(store.as_ref(), in_hand.1).await),
    ] {
        assert!(
            matches!(done, Err(StoreError::Fenced { .. })),
            "{who} commits nothing on the new primary: {done:?}"
        );
    }
    let old_fences = BTreeSet::from([worker.lease.fence, other.lease.fence, taken_over.lease.fence]);
    // Holding again and again meets none of the old fences.
    for name in ["test.worker", "test.other"] {
        for _ in 0..20 {
            let fence = Consumer::hold(store.as_ref(), name).await.lease.fence;
            assert!(!old_fences.contains(&fence), "{name}: fence {fence} was given out by the old primary");
        }
    }

    // Whatever the new primary has is delivered once, from where it knows the consumers to stand.
    for (name, had) in [("test.worker", 2), ("test.other", 4)] {
        let mut consumer = Consumer::hold(store.as_ref(), name).await;
        consumer.take_all(store.as_ref(), 2).await;
        assert_eq!(
            consumer.ids(),
            kept[had..],
            "{name}: nothing that the new primary has is lost or doubled"
        );
        assert!(consumer.ids().iter().all(|id| !lost.contains(id)), "{name}: what it has not is not there");
    }
}

/// A window that was opened in the old primary's life must not become a cursor, even where the pool comes back by itself
/// and nobody notices that the server was another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_standby_gives_no_snapshot() {
    let Some(programs) = Programs::find() else { return };
    let primary = Server::start(&programs);
    primary.database("shop").await;
    let proxy = Proxy::to(primary.port()).await;
    let store = open(&format!("postgres://tidings@127.0.0.1:{}/shop", proxy.port())).await;
    publish(store.as_ref(), "a", 2).await;
    let consumer = Consumer::enter(store.as_ref(), "test.worker", Start::Beginning).await;
    let standby = Server::standby_of(&primary);
    catch_up(&primary, &standby).await;
    proxy.turn_to(standby.port());
    // The first statements meet connections that were cut.
    let filter = crate::log::filter();
    for _ in 0..20 {
        let read = tidings_core::store::Store::read_after(store.as_ref(), &consumer.cursor, &filter, 5).await;
        match read {
            Err(StoreError::ReadOnly { .. }) => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(batch) => panic!("a standby gives a snapshot: {batch:?}"),
        }
    }
    panic!("reading from a standby is not refused in words");
}
