//! What a running job says of its progress.

use tidings_core::store::{JobEnd, StoreError};

use super::support::*;

/// What was reported last is listed, is there after a crash, and is given to the next attempt, whatever became of the one
/// that reported it.
pub async fn progress_is_kept_for_the_next_attempt(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let mut store = database.store();
    let mut worker = Worker::enlist(store.as_ref()).await;
    let mut job = worker.begin(store.as_ref(), job(), 1).await;
    let id = job.lease.id;
    let reports = [r#"{"page":1}"#, r#""ä ' \" 😀""#, "null", "[[1e9]]", "5"];
    for (attempt, report) in reports.into_iter().enumerate() {
        for report in ["0", report] {
            run(store.as_ref(), [Op::Progress(job.lease, report)]).await.expect("progress is kept");
            assert_eq!(row(store.as_ref(), id).await.progress.as_deref(), Some(report), "progress is listed");
        }
        match attempt {
            0 => end(store.as_ref(), &job, retry(1), 1).await,
            1 => end(store.as_ref(), &job, snoozed(1), 1).await,
            2 => end(store.as_ref(), &job, JobEnd::GivenBack, 1).await,
            3 => {
                end(store.as_ref(), &job, dead(false), 1).await;
                store.revive_job(id, at(1)).await.expect("a dead job is revived");
            }
            _ => store = crash(database.as_mut()).await,
        }
        if attempt == 4 {
            worker = Worker::enlist(store.as_ref()).await;
            worker.take_over(store.as_ref(), 1).await;
            job = worker.claim_suspect(store.as_ref(), 1).await.expect("a suspect");
        } else {
            job = worker.claim_one(store.as_ref(), 1).await;
        }
        assert_eq!(
            job.progress.as_deref(),
            Some(report),
            "the next attempt gets what was reported, {attempt}"
        );
    }
}

/// Progress goes with its transaction, and only who has the lease reports any.
pub async fn progress_is_fenced(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    let job = worker.begin(store.as_ref(), job(), 1).await;
    run(store.as_ref(), [Op::Progress(job.lease, "1")]).await.expect("progress is kept");
    let undone = run(store.as_ref(), [Op::Progress(job.lease, "2"), Op::Fail]).await;
    assert!(undone.is_err());
    let other = Worker::enlist(store.as_ref()).await;
    let mut void = vec![
        tidings_core::store::JobLease { worker: other.id, ..job.lease },
        tidings_core::store::JobLease { attempt: 2, ..job.lease },
    ];
    let refused = async |lease| {
        let kept =
            run(store.as_ref(), [Op::Enqueue(vec![super::support::job()]), Op::Progress(lease, "3")]).await;
        assert!(
            matches!(kept, Err(StoreError::Fenced { .. })),
            "progress under a void lease answers Fenced: {kept:?}"
        );
        assert_eq!(row(store.as_ref(), job.lease.id).await.progress.as_deref(), Some("1"), "and is not kept");
    };
    for lease in &void {
        refused(*lease).await;
    }
    end(store.as_ref(), &job, retry(2), 2).await;
    refused(job.lease).await;
    let again = worker.claim_one(store.as_ref(), 2).await;
    refused(job.lease).await;
    complete(store.as_ref(), &again, 3).await;
    void.extend([job.lease, again.lease]);
    for lease in void {
        refused(lease).await;
    }
}
