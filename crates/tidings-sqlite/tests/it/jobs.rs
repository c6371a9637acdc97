//! Jobs: the plans of their statements, which a test of behaviour does not see.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::ids::MessageId;
use tidings_core::store::{Claim, Inspect, JobEnd, JobFilter, JobState, JobStore, NewJob, WorkerId};
use tidings_core::trace::TraceContext;

use crate::support::{NOW, Temp, open, work};

fn job(name: &str) -> NewJob {
    let id = MessageId::new();
    NewJob {
        id,
        name: name.into(),
        queue: "mail".into(),
        priority: 0,
        due: NOW,
        key: None,
        unique: None,
        source: "shop".into(),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        at: NOW,
        data: "{}".to_owned(),
    }
}

/// Ends what was claimed before and claims the next, in one transaction; answers with how many were claimed.
async fn turn(
    temp: &Temp,
    worker: WorkerId,
    before: &mut Vec<tidings_core::store::ClaimedJob>,
    limit: usize,
) -> usize {
    let ends: Arc<Vec<_>> = Arc::new(before.drain(..).map(|job| (job.lease, JobEnd::Completed)).collect());
    let claimed = Arc::new(std::sync::Mutex::new(Vec::new()));
    let found = claimed.clone();
    let names: Arc<[Arc<str>]> = Arc::new(["shop.mail".into()]);
    temp.run(work("turn", move |tx| {
        let (ends, names, found) = (ends.clone(), names.clone(), found.clone());
        Box::pin(async move {
            assert!(tx.end_attempts(&ends, NOW).await?.iter().all(|good| *good));
            let claim = Claim { queue: "mail", worker, names: &names, limit, now: NOW, rate: None };
            *found.lock().unwrap() = tx.claim_jobs(&claim).await?.jobs;
            Ok(())
        })
    }))
    .await
    .unwrap();
    before.append(&mut claimed.lock().unwrap());
    before.len()
}

async fn enqueue(temp: &Temp, count: usize) {
    let jobs: Arc<Vec<_>> = Arc::new((0..count).map(|_| job("shop.mail")).collect());
    temp.run(work("enqueue", move |tx| {
        let jobs = jobs.clone();
        Box::pin(async move { tx.enqueue(&jobs).await.map(drop) })
    }))
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_drained_in_turns() {
    let temp = open().await;
    let worker = temp.store.enlist("a test", Duration::from_secs(30)).await.unwrap();
    let count: usize = std::env::var("JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    for round in 0..2 {
        let begun = std::time::Instant::now();
        for _ in 0..count / 1_000 {
            enqueue(&temp, 1_000).await;
        }
        println!("round {round}: enqueue {:.0}/s", count as f64 / begun.elapsed().as_secs_f64());
        let begun = std::time::Instant::now();
        let mut running = Vec::new();
        while turn(&temp, worker, &mut running, 500).await > 0 {}
        println!("round {round}: drain {:.0}/s", count as f64 / begun.elapsed().as_secs_f64());
    }
    let filter = JobFilter { state: Some(JobState::Completed), ..JobFilter::default() };
    assert_eq!(temp.store.jobs(&filter, usize::MAX).await.unwrap().len(), 2 * count);
}
