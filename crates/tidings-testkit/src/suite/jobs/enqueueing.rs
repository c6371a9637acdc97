//! How jobs come in.

use std::sync::Arc;

use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::store::{JobState, Limits, NewJob};
use tidings_core::trace::{TraceContext, TraceParent};

use super::support::*;
use crate::script::Script;

/// A job is in its queue if and only if the transaction that enqueued it commits.
pub async fn a_job_is_enqueued_if_and_only_if_its_transaction_commits(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    for ending in [Op::Fail, Op::Panic("planned by the suite"), Op::Undo] {
        let lost = job();
        let _ended = run(store.as_ref(), [Op::Enqueue(vec![lost.clone()]), ending]).await;
        let found = store.job(lost.id).await.expect("a job is looked up");
        assert!(found.is_none(), "a job goes with the transaction that enqueued it");
    }
    let (undone, kept) = (job(), job());
    let ops = [Op::Undone(vec![Op::Enqueue(vec![undone])]), Op::Enqueue(vec![kept.clone()])];
    run(store.as_ref(), ops).await.expect("a transaction commits");
    let claimed = worker.claim_ids(store.as_ref(), 0).await;
    assert_eq!(claimed, [kept.id], "what was undone is in no queue, and what was committed is");

    let dropped = job();
    let gate = crate::script::Gate::new();
    let script = Script::named("dropped", [Op::Enqueue(vec![dropped.clone()]), Op::Gate(gate.clone())]);
    let work = tokio::spawn({
        let store = store.clone();
        async move { store.transact(Arc::new(script), Limits::default()).await }
    });
    gate.reached().await;
    work.abort();
    assert!(work.await.is_err(), "the work was dropped");
    let committed = enqueue_one(store.as_ref(), job()).await;
    let store = crash(database.as_mut()).await;
    assert!(
        store.job(dropped.id).await.expect("a job is looked up").is_none(),
        "a dropped work enqueues nothing"
    );
    assert_eq!(
        state(store.as_ref(), committed).await,
        JobState::Ready,
        "a job survives a crash once it is committed"
    );
}

/// A job is claimed, and listed, with every field as it was enqueued, whatever characters it holds.
pub async fn every_field_of_a_job_comes_back(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let all = odd_jobs();
    let store = database.store();
    for chunk in all.chunks(10) {
        enqueue(store.as_ref(), chunk).await;
    }
    let store = reopen(database.as_mut()).await;
    let anybody = Worker::enlist(store.as_ref()).await;
    for job in &all {
        check_row(&row(store.as_ref(), job.id).await, job);
        let worker = anybody.at(&job.queue).for_names(&["suite.other", &job.name]);
        let claimed = worker.claim_one(store.as_ref(), 1_000).await;
        assert_eq!(claimed.lease.id, job.id, "a job is claimed under its id");
        assert_eq!(
            (&claimed.name, &claimed.queue, &claimed.key, claimed.at),
            (&job.name, &job.queue, &job.key, job.at),
            "name, queue, key and time are claimed as they were enqueued"
        );
        assert_eq!(
            (claimed.correlation_id, claimed.causation_id, &claimed.trace),
            (job.correlation_id, job.causation_id, &job.trace),
            "a job keeps its flow, its cause and its trace"
        );
        assert_eq!(
            (claimed.failures, claimed.losses, &claimed.progress),
            (0, 0, &None),
            "a new job has no past"
        );
        assert_eq!(claimed.data, job.data, "a payload is claimed as it was enqueued");
        complete(store.as_ref(), &claimed, 1_001).await;
    }
}

fn check_row(row: &tidings_core::store::JobRow, job: &NewJob) {
    assert_eq!(
        (row.id, &row.name, &row.queue, row.priority, &row.key, &row.share),
        (job.id, &job.name, &job.queue, job.priority, &job.key, &job.share),
        "a job is listed with its names, priority, key and share as they were enqueued"
    );
    assert_eq!((row.at, row.due), (job.at, job.due), "a job is listed with its times as they were enqueued");
    assert_eq!(
        (&row.source, row.correlation_id, row.causation_id, &row.data),
        (&job.source, job.correlation_id, job.causation_id, &job.data),
        "a job is listed with its origin and payload as they were enqueued"
    );
    let expected = if job.due > job.at { JobState::Scheduled } else { JobState::Ready };
    assert_eq!(row.state, expected, "a new job is ready, or scheduled if it is due later");
    assert_eq!((row.attempts, row.failures, row.losses), (0, 0, 0), "a new job has no past");
    assert_eq!(
        (row.started_at, row.ended_at, row.worker, row.death),
        (None, None, None, None),
        "nor a worker"
    );
    assert_eq!((&row.error, &row.reason, &row.progress), (&None, &None, &None), "nor errors");
}

/// Each in a queue of its own, so that each is claimed alone.
fn odd_jobs() -> Vec<NewJob> {
    let texts = [
        " ",
        ":",
        "a:b",
        "'",
        "\"",
        "\\",
        "%",
        "_",
        "$1",
        "?1",
        "[1]",
        "ß",
        "e\u{301}",
        "é",
        "😀",
        "\u{202e}",
        "\n",
        "\t",
        "--",
        "null",
        "{}",
        "\u{1}",
        "\u{feff}",
        "\u{10ffff}",
    ];
    let mut all = vec![
        NewJob {
            priority: i16::MIN,
            due: "2026-01-31T09:30:59.999999Z".parse().expect("a timestamp"),
            at: "2026-01-31T09:30:00.123456Z".parse().expect("a timestamp"),
            correlation_id: MessageId::new(),
            causation_id: Some(MessageId::new()),
            trace: TraceContext {
                parent: Some(TraceParent { trace_id: u128::MAX - 1, span_id: u64::MAX, flags: 0xff }),
                tracestate: Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".to_owned()),
                baggage: Some("tenant=7,läng=ü%20x".to_owned()),
            },
            data: r#"{"text":"\u0000 ' \" \\ 😀","n":1e400,"deep":[[[[]]]]}"#.to_owned(),
            ..keyed("full")
        },
        NewJob { priority: i16::MAX, at: "1970-01-01T00:00:00Z".parse().expect("a timestamp"), ..job() },
        NewJob { due: "1970-01-01T00:00:00Z".parse().expect("a timestamp"), ..job() },
        NewJob { data: format!("\"{}\"", "x".repeat(200_000)), ..job() },
        NewJob { key: Some(Key::from_stored("no colon".to_owned())), ..job() },
        NewJob { key: Some(Key::from_stored(String::new())), ..job() },
        NewJob { data: "null".to_owned(), ..unique("", 1) },
        NewJob { share: Some("é".repeat(127).into()), ..job() },
    ];
    all.extend(texts.map(|text| NewJob {
        name: format!("suite.{text}").into(),
        source: text.into(),
        data: format!("{{\"text\":{text:?}}}"),
        key: Some(Key::new("order", text)),
        share: (!text.is_empty()).then(|| text.into()),
        ..unique(text, 7)
    }));
    for (number, job) in all.iter_mut().enumerate() {
        job.queue = format!("{} {number}", texts[number % texts.len()]).into();
    }
    all
}
