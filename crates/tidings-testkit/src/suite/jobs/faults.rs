//! A worker that is broken at each of its steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidings_core::ids::MessageId;
use tidings_core::store::{JobState, Store};

use super::support::*;
use crate::faults::{Fault, FaultPlan, Step, What, When, faulty};
use crate::script::query;
use crate::suite::tables::make_account;

/// Numbers the rows, so that a second row of one job is seen and not refused.
static NEXT_ROW: AtomicI64 = AtomicI64::new(1);

/// A worker is broken at each of its steps in turn, in each way there is, with a crash now and then, and others go on: each
/// job is done, and what is written in the transaction that ends it is there exactly once.
pub async fn jobs_are_done_once_whatever_fails(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    make_account(database.store().as_ref()).await;
    let plan = FaultPlan::new();
    let steps = {
        let store = database.store();
        enqueue(store.as_ref(), &round_of("rehearsal")).await;
        assert!(try_to_work(faulty(store, &plan).as_ref(), "rehearsal").await, "a rehearsal meets no fault");
        plan.trace()
    };
    for needed in
        [Step::TakeOver, Step::ClaimJobs, Step::Heartbeat, Step::Execute, Step::EndAttempts, Step::Commit]
    {
        assert!(steps.contains(&needed), "a worker passes {needed:?}");
    }
    let mut round = 0;
    for (index, step) in steps.into_iter().enumerate() {
        for (when, what) in When::BOTH.into_iter().flat_map(|when| What::ENDING.map(|what| (when, what))) {
            if what == What::Drop && matches!(step, Step::Heartbeat | Step::TakeOver) {
                continue; // Outside a transaction nobody takes a dropped call for anything but a stand-still.
            }
            let fault = Fault { index, when, what };
            let queue = format!("round {round}");
            round += 1;
            let all = round_of(&queue);
            enqueue(database.store().as_ref(), &all).await;
            plan.arm(fault);
            work_through_faults(faulty(database.store(), &plan), &queue).await;
            plan.disarm();
            // Every so often the process dies as well.
            let store = if round % 16 == 0 { crash(database.as_mut()).await } else { database.store() };
            lapse(database.as_ref()).await;
            assert!(
                try_to_work(store.as_ref(), &queue).await,
                "a worker without faults gets to the end: {fault:?}"
            );
            check(store.as_ref(), &new_ids(&all), fault).await;
        }
    }
}

/// Two that are ordered, and one that is not.
fn round_of(queue: &str) -> Vec<tidings_core::store::NewJob> {
    [keyed("a"), keyed("a"), job()].map(|job| of_queue(queue, job)).to_vec()
}

/// Works in a task of its own, because the fault may be a panic.
async fn work_through_faults(store: Arc<dyn Store>, queue: &str) {
    let queue = queue.to_owned();
    let work = tokio::spawn(async move { try_to_work(store.as_ref(), &queue).await });
    let ended = tokio::time::timeout(PATIENCE, work).await;
    assert!(ended.is_ok(), "a worker that meets a fault comes to an end");
}

/// One life of a worker: takes over, and does what there is until nothing is left or the first error.
async fn try_to_work(store: &dyn Store, queue: &str) -> bool {
    let worker = Worker::enlist(store).await.at(queue);
    if store.take_over(worker.id, at(1)).await.is_err() {
        return false;
    }
    loop {
        let suspect =
            Op::ClaimSuspect(worker.id, vec![(worker.queue.clone(), None)], worker.names.clone(), at(1));
        let ops = [suspect, Op::Claim(worker.claiming(10, at(1)))];
        let Ok(answers) = ask(store, ops).await else { return false };
        let [Answer::Suspect(suspect), Answer::Claimed(claimed)] = &answers[..] else {
            panic!("two answers: {answers:?}")
        };
        if suspect.is_none() && claimed.jobs.is_empty() {
            return true;
        }
        if store.heartbeat(worker.id).await.is_err() {
            return false;
        }
        for job in suspect.as_deref().into_iter().chain(&claimed.jobs) {
            let insert = "INSERT INTO suite_account (id, note) VALUES ($1, $2)";
            let row = NEXT_ROW.fetch_add(1, Ordering::Relaxed);
            let effect = Op::Execute(insert, vec![row.into(), job.lease.id.to_string().into()]);
            if run(store, [effect, Op::Finish(job.lease, at(2))]).await.is_err() {
                return false;
            }
        }
    }
}

async fn check(store: &dyn Store, jobs: &[MessageId], fault: Fault) {
    let rows = query(store, "SELECT note FROM suite_account").await.expect("a table is read");
    let mut effects: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        *effects.entry(row.get::<String>("note").expect("a text")).or_default() += 1;
    }
    for (number, id) in jobs.iter().enumerate() {
        assert_eq!(
            state(store, *id).await,
            JobState::Completed,
            "each job is done: job {number} under {fault:?}"
        );
        let count = effects.get(&id.to_string()).copied().unwrap_or_default();
        assert_eq!(count, 1, "what ends with a job is there exactly once: job {number} under {fault:?}");
    }
}
