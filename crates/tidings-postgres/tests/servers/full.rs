//! A server whose disk is full for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_core::error::chain;
use tidings_core::ids::MessageId;
use tidings_core::store::{Inspect as _, JobFilter, Limits, Start, Store as _, StoreError};
use tidings_postgres::PostgresStore;
use tidings_testkit::script::Op;

use crate::jobs::new_job;
use crate::log::{Consumer, event, open};
use crate::server::{Programs, Server};

/// A message and a job in one transaction, both large; what was acknowledged is there.
async fn publish(store: &PostgresStore) -> Result<(MessageId, MessageId), StoreError> {
    let mut event = event("a");
    event.data = format!("\"{}\"", random_text(40_000));
    let mut job = new_job();
    job.data = event.data.clone();
    let ids = (event.id, job.id);
    let ops = [Op::Append(vec![event]), Op::Enqueue(vec![job])];
    let limits = Limits { wait: Some(Duration::from_secs(3)), ..Limits::default() };
    let script = std::sync::Arc::new(tidings_testkit::script::Script::named("a publisher", ops));
    store.transact(script, limits).await.map(|()| ids)
}

/// The server would compress what repeats itself.
fn random_text(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&uuid::Uuid::new_v4().simple().to_string());
    }
    text
}

/// What is there: messages that a consumer reads, and jobs.
async fn all_there(store: &PostgresStore) -> (Vec<MessageId>, BTreeSet<MessageId>) {
    let name = format!("test.{}", MessageId::new().0.simple());
    let mut consumer = Consumer::enter(store, &name, Start::Beginning).await;
    consumer.take_all(store, 50).await;
    let jobs = store.jobs(&JobFilter::default(), 100_000).await.expect("jobs are listed");
    (consumer.ids(), jobs.into_iter().map(|job| job.id).collect())
}

/// Where the tables cannot grow, whoever publishes or enqueues is told so, and nothing is half there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_harms_nothing() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start_on_small_disk(&programs, "base/");
    let store = open(&server.database("shop").await).await;
    let mut acknowledged = Vec::new();
    for _ in 0..20 {
        acknowledged.push(publish(&store).await.expect("there is room"));
    }
    server.fill_disk();
    let mut refused = 0;
    for _ in 0..200 {
        match publish(&store).await {
            // What room there was in the tables is used up first.
            Ok(ids) => acknowledged.push(ids),
            Err(error) => {
                let told = chain(&error);
                assert!(matches!(error, StoreError::Full { .. }), "{told}");
                assert!(error.is_trouble_of_the_store(), "no work is blamed: {told}");
                for words in ["disk", "full", "free space", "server", "No space left"] {
                    assert!(told.contains(words), "`{words}` is told: {told}");
                }
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "the disk was full: {refused}");
    store.consumers().await.expect("whoever only reads is not concerned");
    server.make_room();
    for _ in 0..20 {
        acknowledged.push(publish(&store).await.expect("all goes on when there is room"));
    }
    let (messages, jobs) = all_there(&store).await;
    let (published, enqueued): (Vec<_>, BTreeSet<_>) = acknowledged.into_iter().unzip();
    assert_eq!(messages, published, "what was acknowledged is there, once, and nothing else");
    assert_eq!(jobs, enqueued, "and so are the jobs");
}

/// Where the server's own log cannot grow, it ends, and cannot come back before there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_a_full_disk_ends_loses_nothing() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start_on_small_disk(&programs, "pg_wal/");
    let store = open(&server.database("shop").await).await;
    let mut acknowledged = Vec::new();
    for _ in 0..20 {
        acknowledged.push(publish(&store).await.expect("there is room"));
    }
    server.fill_disk();
    let mut refused = 0;
    for _ in 0..1_000 {
        match publish(&store).await {
            Ok(ids) => acknowledged.push(ids),
            Err(error) => {
                assert!(
                    matches!(error, StoreError::Unknown { .. }) || error.is_transient(),
                    "{}",
                    chain(&error)
                );
                refused += 1;
            }
        }
        if refused == 2 {
            break;
        }
    }
    assert_eq!(refused, 2, "the server has ended");
    server.make_room();
    let begun = std::time::Instant::now();
    loop {
        match publish(&store).await {
            Ok(ids) => break acknowledged.push(ids),
            Err(error) => {
                assert!(begun.elapsed() < Duration::from_secs(60), "it does not come back: {error:?}");
                // It recovers by itself, or found no room for that and has ended: maybe only now.
                server.start_again();
            }
        }
    }
    let (messages, jobs) = all_there(&store).await;
    let (published, enqueued): (BTreeSet<_>, BTreeSet<_>) = acknowledged.into_iter().unzip();
    let there: BTreeSet<_> = messages.iter().copied().collect();
    assert_eq!(there.len(), messages.len(), "nothing is there twice");
    assert!(
        published.is_subset(&there) && enqueued.is_subset(&jobs),
        "nothing that was acknowledged is lost"
    );
    assert_eq!(there.len(), jobs.len(), "and nothing is half there");
}
