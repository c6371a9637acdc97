//! The plans of the statements that each job costs: a wrong one is right on a small table, and slow on a large one.

use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{
    Claim, JobEnd, JobLease, JobStore, Member, NewJob, Retention, Store, StoreError, Tx, WorkerId,
};
use tidings_core::trace::TraceContext;
use tidings_sqlite::SqliteStore;

use crate::support::{NOW, open, work};

/// Statement, and what its plan must say. Nothing may look at all jobs.
const PLANS: &[(&str, &str, &[&str])] = &[
    (
        "job_ready",
        include_str!("../../queries/job_ready.sql"),
        &["USING INDEX tidings_jobs_turn (queue=? AND turn<?)"],
    ),
    (
        "job_complete_all",
        include_str!("../../queries/job_complete_all.sql"),
        &["INTEGER PRIMARY KEY (rowid=?)"],
    ),
    ("job_complete", include_str!("../../queries/job_complete.sql"), &["INTEGER PRIMARY KEY (rowid=?)"]),
    (
        "job_again",
        include_str!("../../queries/job_again.sql"),
        &[
            "INTEGER PRIMARY KEY (rowid=?)",
            "tidings_jobs_key (queue=? AND key=? AND rowid>?)",
            "tidings_jobs_key (queue=? AND key=? AND rowid<?)",
        ],
    ),
    (
        "job_suspend",
        include_str!("../../queries/job_suspend.sql"),
        &[
            "INTEGER PRIMARY KEY (rowid=?)",
            "tidings_jobs_key (queue=? AND key=? AND rowid>?)",
            "tidings_jobs_key (queue=? AND key=? AND rowid<?)",
        ],
    ),
    (
        "job_stage",
        include_str!("../../queries/job_stage.sql"),
        &[
            "USING COVERING INDEX tidings_jobs_waiting (queue=? AND waits_until<?)",
            "INTEGER PRIMARY KEY (rowid=?)",
        ],
    ),
    ("job_next_due", include_str!("../../queries/job_next_due.sql"), &["tidings_jobs_waiting (queue=?"]),
    (
        "job_key_held",
        include_str!("../../queries/job_key_held.sql"),
        &["tidings_jobs_key (queue=? AND key=?)"],
    ),
    (
        "job_promote",
        include_str!("../../queries/job_promote.sql"),
        &["tidings_jobs_key (queue=? AND key=?)", "tidings_jobs_key_after (queue=? AND key=?)"],
    ),
    (
        "job_key_wait",
        include_str!("../../queries/job_key_wait.sql"),
        &["tidings_jobs_key (queue=? AND key=?)", "tidings_jobs_key_after (queue=? AND key=?)"],
    ),
    (
        "job_key_after",
        include_str!("../../queries/job_key_after.sql"),
        &["tidings_jobs_key (queue=? AND key=?"],
    ),
    (
        "job_revive",
        include_str!("../../queries/job_revive.sql"),
        &[
            "INTEGER PRIMARY KEY (rowid=?)",
            "tidings_jobs_key (queue=? AND key=? AND rowid>?)",
            "tidings_jobs_key (queue=? AND key=? AND rowid<?)",
        ],
    ),
    (
        "job_unique_get",
        include_str!("../../queries/job_unique_get.sql"),
        &["tidings_jobs_unique (name=? AND unique_key=?)"],
    ),
    (
        "job_unique_free",
        include_str!("../../queries/job_unique_free.sql"),
        &["tidings_jobs_unique (name=? AND unique_key=?)"],
    ),
    (
        "job_suspect",
        include_str!("../../queries/job_suspect.sql"),
        &["tidings_jobs_turn (queue=? AND turn=?)"],
    ),
    (
        "job_suspect_queues",
        include_str!("../../queries/job_suspect_queues.sql"),
        &["tidings_jobs_turn (queue=? AND turn=?)"],
    ),
    (
        "job_has_shares",
        include_str!("../../queries/job_has_shares.sql"),
        &["tidings_jobs_turn (queue=? AND turn>?)"],
    ),
    (
        "job_turn_next",
        include_str!("../../queries/job_turn_next.sql"),
        &["tidings_jobs_turn (queue=? AND turn>? AND turn<?)"],
    ),
    (
        "job_share_next",
        include_str!("../../queries/job_share_next.sql"),
        &["tidings_jobs_share (queue=? AND turn=? AND share>?)"],
    ),
    (
        "job_share_more",
        include_str!("../../queries/job_share_more.sql"),
        &["tidings_jobs_share (queue=? AND turn=? AND share=? AND rowid>?)"],
    ),
    (
        "job_shareless_more",
        include_str!("../../queries/job_shareless_more.sql"),
        &["tidings_jobs_turn (queue=? AND turn=? AND rowid>?)"],
    ),
    (
        "job_slots_taken",
        include_str!("../../queries/job_slots_taken.sql"),
        &["tidings_jobs_turn (queue=? AND turn=?)"],
    ),
    ("job_claims", include_str!("../../queries/job_claims.sql"), &["INTEGER PRIMARY KEY (rowid=?)"]),
    ("job_claims_end", include_str!("../../queries/job_claims_end.sql"), &["INTEGER PRIMARY KEY (rowid=?)"]),
    ("job_begin", include_str!("../../queries/job_begin.sql"), &["INTEGER PRIMARY KEY (rowid=?)"]),
    ("job_progress", include_str!("../../queries/job_progress.sql"), &["INTEGER PRIMARY KEY (rowid=?)"]),
    (
        "job_cancelled_of_worker",
        include_str!("../../queries/job_cancelled_of_worker.sql"),
        &["SCAN c", "SEARCH j USING INTEGER PRIMARY KEY (rowid=?)"],
    ),
    (
        "inspect_queue_turns",
        include_str!("../../queries/inspect_queue_turns.sql"),
        &["USING COVERING INDEX tidings_jobs_turn"],
    ),
    (
        "inspect_jobs",
        include_str!("../../queries/inspect_jobs.sql"),
        &["SEARCH c USING INTEGER PRIMARY KEY (rowid=?)"],
    ),
    (
        "retention_old_jobs",
        include_str!("../../queries/retention_old_jobs.sql"),
        &["tidings_jobs_ended (ended_at<?)"],
    ),
    (
        "inspect_queue_known",
        include_str!("../../queries/inspect_queue_known.sql"),
        &["tidings_jobs_turn (queue=?", "tidings_jobs_waiting (queue=?", "USING INDEX tidings_jobs_ended"],
    ),
    (
        "inspect_flow_jobs",
        include_str!("../../queries/inspect_flow_jobs.sql"),
        &["tidings_jobs_flow (correlation_id=?)"],
    ),
];

#[tokio::test]
async fn what_each_job_costs_does_not_grow_with_their_number() {
    let temp = open().await;
    let connection = temp.outside();
    for (name, sql, expected) in PLANS {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> =
            statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
        for part in *expected {
            assert!(plan.iter().any(|line| line.contains(part)), "{name}: no `{part}` in {plan:#?}");
        }
        let scans = |line: &&String| {
            line.starts_with("SCAN") && line.contains("tidings_jobs") && !line.contains("USING")
        };
        assert_eq!(plan.iter().find(scans), None, "{name}: {plan:#?}");
    }
}

/// What was to be given back, and could not be, is its worker's as before: no takeover calls it lost.
#[tokio::test]
async fn a_worker_whose_dismissal_failed_has_its_jobs_until_it_is_dismissed() {
    let temp = open().await;
    let worker = temp
        .store
        .enlist(&tidings_core::store::Member::named("a test"), Duration::from_secs(60))
        .await
        .unwrap();
    temp.run(work("a job", move |tx| Box::pin(begin(tx, worker)))).await.unwrap();
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON tidings_attempts BEGIN SELECT RAISE(ABORT, 'no'); END";
    temp.outside().execute_batch(refuse).unwrap();
    temp.store.dismiss(worker, NOW).await.unwrap_err();
    temp.outside().execute_batch("DROP TRIGGER refuse").unwrap();
    let other = temp
        .store
        .enlist(&tidings_core::store::Member::named("another"), Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(temp.store.take_over(other, NOW).await.unwrap(), 0, "it is not lost");
    temp.store.dismiss(worker, NOW).await.unwrap();
    assert_eq!(temp.count("SELECT count(*) FROM tidings_jobs WHERE state = 'ready' AND losses = 0"), 1);
    assert!(temp.store.heartbeat(worker).await.is_err(), "a worker that is dismissed is void");
}

async fn begin(tx: &mut dyn Tx, worker: WorkerId) -> Result<(), StoreError> {
    begin_one(tx, worker).await.map(drop)
}

async fn begin_one(tx: &mut dyn Tx, worker: WorkerId) -> Result<JobLease, StoreError> {
    tx.enqueue(&[job()]).await?;
    let claim =
        Claim { queue: "x", worker, names: &["x".into()], limit: 1, now: NOW, rate: None, running_max: None };
    let claimed = tx.claim_jobs(&claim).await?.jobs;
    assert_eq!(claimed.len(), 1);
    Ok(claimed[0].lease)
}

async fn end(tx: &mut dyn Tx, lease: JobLease, end: JobEnd) -> Result<(), StoreError> {
    assert_eq!(tx.end_attempts(&[(lease, end)], NOW).await?, [true]);
    Ok(())
}

/// A claim goes with its attempt, however that ends, or it would be there for ever; and with the transaction that made it.
#[tokio::test]
async fn there_is_a_claim_for_each_job_that_runs_and_no_other() {
    let temp = open().await;
    let [worker, lost] = [enlist(&temp).await, enlist(&temp).await];
    let begin = |worker: WorkerId| work("a job", move |tx| Box::pin(begin(tx, worker)));
    let claims = || temp.count("SELECT count(*) FROM tidings_claims");
    let undone = work("undone", move |tx| {
        Box::pin(async move {
            begin_one(tx, worker).await?;
            let savepoint = tx.savepoint().await?;
            begin_one(tx, worker).await?;
            tx.rollback_to(savepoint).await?;
            begin_one(tx, worker).await?;
            tx.undo().await
        })
    });
    temp.run(undone).await.unwrap();
    assert_eq!(claims(), 0, "a claim that is undone is none");
    let half_undone = work("half undone", move |tx| {
        Box::pin(async move {
            let savepoint = tx.savepoint().await?;
            let undone = begin_one(tx, worker).await?;
            tx.rollback_to(savepoint).await?;
            let kept = begin_one(tx, worker).await?;
            // They have the same place and attempt: what was undone has left nothing.
            assert_eq!((kept.place, kept.attempt), (undone.place, undone.attempt));
            end(tx, kept, JobEnd::GivenBack).await
        })
    });
    temp.run(half_undone).await.unwrap();
    assert_eq!(claims(), 0);
    temp.run(work("fails and completes", move |tx| Box::pin(fail_and_complete(tx, worker)))).await.unwrap();
    for _ in 0..3 {
        temp.run(begin(lost)).await.unwrap();
    }
    assert_eq!(claims(), 3, "what runs has a claim");
    temp.store.dismiss(lost, NOW).await.unwrap();
    assert_eq!(claims(), 0, "what is given back has none");
    temp.run(begin(worker)).await.unwrap();
    assert_eq!(claims(), 1);
    temp.store.close().await.unwrap();
    let store = SqliteStore::open(crate::support::config(&temp.folder)).await.unwrap();
    let next = store.enlist(&Member::named("a test"), Duration::from_secs(60)).await.unwrap();
    assert_eq!(store.take_over(next, NOW).await.unwrap(), 1);
    assert_eq!(claims(), 0, "nor what was lost");
}

async fn enlist(temp: &crate::support::Temp) -> WorkerId {
    temp.store.enlist(&Member::named("a test"), Duration::from_secs(60)).await.unwrap()
}

/// The port does not tell of attempts whose job is gone: they would be there for ever, and for nobody.
#[tokio::test]
async fn attempts_go_with_their_job() {
    let temp = open().await;
    let worker = temp
        .store
        .enlist(&tidings_core::store::Member::named("a test"), Duration::from_secs(60))
        .await
        .unwrap();
    for _ in 0..3 {
        let run = work("a job", move |tx| Box::pin(fail_and_complete(tx, worker)));
        temp.run(run).await.unwrap();
    }
    assert_eq!(temp.count("SELECT count(*) FROM tidings_attempts"), 3);
    let retention = Retention { jobs_max: 0, ..Retention::default() };
    temp.store.maintain(&retention, NOW).await.unwrap();
    let orphans = "SELECT count(*) FROM tidings_attempts WHERE job NOT IN (SELECT place FROM tidings_jobs)";
    assert_eq!(temp.count(orphans), 0, "attempts go with their job");
    assert_eq!(temp.count("SELECT count(*) FROM tidings_jobs"), 1, "the newest job keeps its place taken");
}

fn job() -> NewJob {
    let id = MessageId::new();
    NewJob {
        id,
        name: "x".into(),
        queue: "x".into(),
        priority: 0,
        due: NOW,
        key: None,
        share: None,
        unique: None,
        source: "x".into(),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        at: NOW,
        data: "{}".to_owned(),
    }
}

async fn fail_and_complete(tx: &mut dyn Tx, worker: WorkerId) -> Result<(), StoreError> {
    tx.enqueue(&[job()]).await?;
    let names = ["x".into()];
    for end in [JobEnd::Retry { due: NOW, error: "x".to_owned() }, JobEnd::Completed] {
        let claim =
            Claim { queue: "x", worker, names: &names, limit: 1, now: NOW, rate: None, running_max: None };
        let claimed = tx.claim_jobs(&claim).await?;
        assert_eq!(tx.end_attempts(&[(claimed.jobs[0].lease, end)], NOW).await?, [true]);
    }
    Ok(())
}
