//! What a process finds out by itself of queues, where no word of another reaches it.

use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{JobStore as _, NewJob, Watch};
use tidings_core::trace::TraceContext;
use tidings_postgres::{PostgresConfig, PostgresStore};
use tidings_testkit::script::{Op, run};

use crate::support::*;

const QUEUES: [&str; 3] = ["mail", "paper", "birds"];

fn job(queue: &str, due: i64) -> NewJob {
    let id = MessageId::new();
    NewJob {
        id,
        name: "test.send".into(),
        queue: queue.into(),
        priority: 0,
        due: at(due),
        key: None,
        share: None,
        unique: None,
        source: "test".into(),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        at: at(0),
        data: "{}".to_owned(),
    }
}

async fn enqueue(store: &PostgresStore, queue: &str, due: i64) {
    run(store, [Op::Enqueue(vec![job(queue, due)])]).await.expect("a job is enqueued");
}

async fn hears(watch: &mut dyn Watch, what: &str) {
    tokio::time::timeout(PATIENCE, watch.changed())
        .await
        .unwrap_or_else(|_| panic!("nobody hears of {what}"));
}

/// Whether it is woken within many intervals.
async fn is_woken(watch: &mut dyn Watch, intervals: u32) -> bool {
    tokio::time::timeout(intervals * INTERVAL, watch.changed()).await.is_ok()
}

const INTERVAL: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_queue_is_looked_at_and_told_of_when_there_may_be_something() {
    let Some(url) = url() else { return };
    let deaf = PostgresConfig { poll_interval: INTERVAL, listen: false, ..fresh(&url) };
    let (store, other) = (open(&deaf).await, open(&deaf).await);
    let mut watches: Vec<_> = QUEUES.iter().map(|queue| store.watch_queue(queue)).collect();
    let [mail, paper, birds] = &mut watches[..] else { unreachable!("three queues") };

    assert!(!is_woken(mail.as_mut(), 20).await, "nobody is woken for an empty queue");
    enqueue(&other, "mail", 1_000).await;
    hears(mail.as_mut(), "a job for later, because it may be the next").await;
    assert!(!is_woken(mail.as_mut(), 20).await, "and once for each");
    enqueue(&other, "mail", 500).await;
    hears(mail.as_mut(), "one that is due earlier").await;
    enqueue(&other, "paper", 0).await;
    hears(paper.as_mut(), "a job that is ready").await;
    hears(paper.as_mut(), "one that nobody has claimed yet").await;
    assert!(!is_woken(birds.as_mut(), 20).await, "another queue has nothing to do with it");
}
