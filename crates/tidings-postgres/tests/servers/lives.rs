//! Crashes, restarts and renames: what ends a life of the server, and what does not.

use tidings_core::ids::MessageId;
use tidings_core::store::{Start, StoreError};

use crate::log::{Consumer, open, publish};
use crate::server::{Programs, Server, ask};

const LIFE: &str = "SELECT xid::text || ' ' || identity FROM tidings_life JOIN tidings_life_goes_on ON true";

/// An ordinary restart, a vacuum that freezes everything and another name end no life, and void no lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_and_a_rename_change_nothing() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start(&programs);
    let store = open(&server.database("shop").await).await;
    publish(store.as_ref(), "a", 5).await;
    let mut consumer = Consumer::enter(store.as_ref(), "test.one", Start::Beginning).await;
    consumer.take(store.as_ref(), 2).await;
    let life = server.ask("shop", LIFE).await;
    assert!(life.is_some(), "a life goes on");

    server.execute("shop", "VACUUM (FREEZE) tidings_life").await;
    server.restart("fast");
    drop(store);
    server.execute("postgres", "ALTER DATABASE shop RENAME TO store").await;
    let store = open(&server.url("store")).await;
    assert_eq!(server.ask("store", LIFE).await, life, "the same life goes on");
    consumer.take_all(store.as_ref(), 2).await;
    assert_eq!(consumer.ids().len(), 5, "the lease still counts");
}

/// A database that is copied by its files in one cluster keeps its ids, which mean the same there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_database_keeps_its_ids() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start(&programs);
    let store = open(&server.database("shop").await).await;
    publish(store.as_ref(), "a", 5).await;
    let mut consumer = Consumer::enter(store.as_ref(), "test.one", Start::Beginning).await;
    consumer.take(store.as_ref(), 2).await;
    let xids = "SELECT string_agg(xid::text, ' ' ORDER BY position) FROM tidings_log";
    let before = server.ask("shop", xids).await;
    server.restart("fast");
    drop(store);
    server.execute("postgres", "CREATE DATABASE copy TEMPLATE shop").await;
    let copy = open(&server.url("copy")).await;
    assert_eq!(server.ask("copy", xids).await, before, "no row is rewritten");
    let mut consumer = consumer.held_again(copy.as_ref()).await;
    consumer.take_all(copy.as_ref(), 2).await;
    assert_eq!(consumer.ids().len(), 5, "the copy goes on where the consumer stood");
    let identity = "SELECT identity FROM tidings_cluster WHERE identity = here";
    assert_ne!(
        server.ask("shop", identity).await,
        server.ask("copy", identity).await,
        "each knows where it is"
    );
}

/// What a crash came to for a consumer that had read before it.
struct Crashed {
    committed: Result<(), StoreError>,
    wanted: Vec<MessageId>,
    delivered: Vec<MessageId>,
}

/// A crash gives transaction ids away again that a process has seen end.
///
/// Whatever commits after the id was used brings it to the disk, words to other processes, too. Then it is tried again.
async fn crash_between_reading_and_committing(server: &Server, planted: &str) -> Crashed {
    for number in 0..8 {
        if let Some(crashed) = crash_in(&format!("shop_{number}"), server, planted).await {
            return crashed;
        }
    }
    panic!("the test shows what it is to show: an id is given away again");
}

async fn crash_in(database: &str, server: &Server, planted: &str) -> Option<Crashed> {
    let store = open(&server.database(database).await).await;
    server.execute(database, planted).await;
    let before = publish(store.as_ref(), "a", 2).await;
    let mut consumer = Consumer::enter(store.as_ref(), "test.one", Start::Beginning).await;
    consumer.take_all(store.as_ref(), 10).await;

    let mut forgotten = server.connect(database).await;
    let undone = "BEGIN; SELECT pg_current_xact_id(); ROLLBACK";
    let id = "SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text";
    sqlx::raw_sql(undone).execute(&mut forgotten).await.expect("a transaction is undone");
    let forgotten = ask(&mut forgotten, id).await;
    let batch = consumer.read(store.as_ref(), 10).await;
    server.restart("immediate");

    // What was committed without waiting for the disk may be forgotten, too: then a few more come before it.
    let newest = "SELECT xid::text FROM tidings_log ORDER BY position DESC LIMIT 1";
    let mut after = Vec::new();
    let mut given_again = None;
    while given_again != forgotten && after.len() < 10 {
        after.extend(publish(store.as_ref(), "a", 1).await);
        given_again = server.ask(database, newest).await;
    }
    if given_again != forgotten {
        return None;
    }
    let committed = consumer.commit(store.as_ref(), batch).await;
    let mut consumer = consumer.held_again(store.as_ref()).await;
    consumer.take_all(store.as_ref(), 10).await;
    Some(Crashed { committed, wanted: [before, after].concat(), delivered: consumer.ids() })
}

/// What a process has read is void after a crash; on record nothing is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_before_a_crash_cannot_be_committed_after_it() {
    let Some(programs) = Programs::find() else { return };
    let crashed = crash_between_reading_and_committing(&Server::start(&programs), "SELECT 1").await;
    let committed = crashed.committed;
    assert!(matches!(committed, Err(StoreError::Fenced { .. })), "the lease is void: {committed:?}");
    assert_eq!(crashed.delivered, crashed.wanted, "nothing is lost");
}

/// The twin: a life that never ends. The message whose transaction has the id of the forgotten one is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_outlive_a_crash_are_caught() {
    let Some(programs) = Programs::find() else { return };
    let planted = "CREATE OR REPLACE VIEW tidings_life_goes_on AS SELECT 1 AS yes, 'for ever' AS life";
    let crashed = crash_between_reading_and_committing(&Server::start(&programs), planted).await;
    assert!(crashed.committed.is_ok(), "the planted bug lets it pass: {:?}", crashed.committed);
    assert_ne!(crashed.delivered, crashed.wanted, "a message is lost, and the test sees it");
}

/// A dump that is restored over the same database puts everything back in time, and voids leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_over_the_same_database_voids_leases() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start(&programs);
    let store = open(&server.database("shop").await).await;
    publish(store.as_ref(), "a", 5).await;
    let mut consumer = Consumer::enter(store.as_ref(), "test.one", Start::Beginning).await;
    let file = server.dump("shop");
    consumer.take(store.as_ref(), 2).await;
    let batch = consumer.read(store.as_ref(), 2).await;
    server.restore_over("shop", &file);

    let committed = consumer.commit(store.as_ref(), batch).await;
    assert!(matches!(committed, Err(StoreError::Fenced { .. })), "the lease is void: {committed:?}");
    // What it had seen was undone with the rest.
    let mut consumer = Consumer::hold(store.as_ref(), "test.one").await;
    consumer.take_all(store.as_ref(), 10).await;
    assert_eq!(consumer.ids().len(), 5, "everything is delivered after the restore");
}
