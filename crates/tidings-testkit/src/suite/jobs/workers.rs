//! Those who work on jobs, and what becomes of their jobs when they are gone.

use std::collections::BTreeSet;

use tidings_core::store::{AttemptEnd, JobEnd, JobState, Store, StoreError};

use super::support::*;

/// Who lives and who is lost: a worker whose lease has lapsed is taken over, its attempts are listed as lost and its jobs
/// are suspects; those of the living, and the asker's own, are left alone.
pub async fn only_lost_workers_are_taken_over(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (lost, idle) = (Worker::enlist(store.as_ref()).await, Worker::enlist(store.as_ref()).await);
    let (asker, alive) = (Worker::enlist(store.as_ref()).await, Worker::enlist(store.as_ref()).await);
    enqueue(store.as_ref(), &jobs(6)).await;
    let of_lost = lost.claim(store.as_ref(), 2, 1).await.jobs;
    let of_asker = asker.claim(store.as_ref(), 1, 1).await.jobs;
    let of_alive = alive.claim(store.as_ref(), 2, 1).await.jobs;
    assert_eq!(
        asker.take_over(store.as_ref(), 2).await,
        0,
        "a takeover takes nothing from those whose lease is good"
    );
    lapse(database.as_ref()).await;
    store.heartbeat(alive.id).await.expect("a worker renews its lease");
    assert_eq!(asker.take_over(store.as_ref(), 9).await, 2, "a takeover takes what lost workers had claimed");
    for job in &of_lost {
        let suspect = row(store.as_ref(), job.lease.id).await;
        assert_eq!(
            (suspect.state, suspect.losses, suspect.failures, suspect.worker),
            (JobState::Suspect, 1, 0, None),
            "what a lost worker was at is suspect; a loss is no failure"
        );
        let list = attempts(store.as_ref(), job.lease.id).await;
        assert_eq!(list.len(), 1, "a lost attempt is listed");
        assert_eq!(
            (list[0].attempt, list[0].worker, list[0].started_at, list[0].ended_at, list[0].end),
            (1, lost.id, at(1), at(9), AttemptEnd::Lost),
            "a lost attempt is listed as lost"
        );
    }
    for job in of_asker.iter().chain(&of_alive) {
        assert_eq!(
            state(store.as_ref(), job.lease.id).await,
            JobState::Running,
            "a takeover leaves the living alone"
        );
        complete(store.as_ref(), job, 10).await;
    }
    assert_eq!(asker.take_over(store.as_ref(), 11).await, 0, "what was taken over is taken over once");
    for (worker, what) in [(&lost, "a worker that was taken over"), (&idle, "also one that had nothing")] {
        let fenced = store.heartbeat(worker.id).await;
        assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{what} hears that it is void: {fenced:?}");
    }
    for worker in [&asker, &alive] {
        store.heartbeat(worker.id).await.expect("who was not taken over lives on");
    }
}

/// Under a void worker's id nothing is claimed, kept or ended.
pub async fn a_void_worker_gets_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let void = Worker::enlist(store.as_ref()).await;
    let job = void.begin(store.as_ref(), job(), 1).await;
    lapse(database.as_ref()).await;
    let other = Worker::enlist(store.as_ref()).await;
    other.take_over(store.as_ref(), 2).await;
    enqueue(store.as_ref(), &[super::support::job(), delayed(5)]).await;
    let claimed = void.claim(store.as_ref(), 10, 6).await;
    assert!(claimed.jobs.is_empty() && !claimed.more, "a void worker claims nothing: {claimed:?}");
    assert!(void.claim_suspect(store.as_ref(), 6).await.is_none(), "nor a suspect");
    let kept = run(store.as_ref(), [Op::Progress(job.lease, "1")]).await;
    assert!(matches!(kept, Err(StoreError::Fenced { .. })), "nor does it report progress: {kept:?}");
    assert_eq!(
        end_all(store.as_ref(), vec![(job.lease, JobEnd::Completed)], 6).await,
        [false],
        "nor end an attempt"
    );
    store.dismiss(void.id, at(7)).await.expect("to dismiss a void worker does nothing");
    assert_eq!(
        state(store.as_ref(), job.lease.id).await,
        JobState::Suspect,
        "what was taken over stays as it is"
    );
    assert_eq!(other.claim_ids(store.as_ref(), 8).await.len(), 2, "and others claim what it did not get");
}

/// A worker whose lease has lapsed, and who renews it before anybody took over, goes on as if nothing had been.
pub async fn a_late_heartbeat_is_good_until_somebody_took_over(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await;
    enqueue(store.as_ref(), &jobs(3)).await;
    let held = worker.claim(store.as_ref(), 2, 1).await.jobs;
    lapse(database.as_ref()).await;
    complete(store.as_ref(), &held[0], 2).await;
    let more = worker.claim(store.as_ref(), 1, 2).await.jobs;
    assert_eq!(more.len(), 1, "a lapsed worker that nobody took over works on");
    let beat = store.heartbeat(worker.id).await.expect("a late heartbeat is good until somebody took over");
    assert_eq!(beat.cancelled, Vec::new());
    let other = Worker::enlist(store.as_ref()).await;
    assert_eq!(other.take_over(store.as_ref(), 3).await, 0, "a renewed lease is as good as before");
    complete(store.as_ref(), &held[1], 4).await;
    complete(store.as_ref(), &more[0], 4).await;
}

/// What ran when the process ended, in whatever way, is taken over by whoever comes next; worker ids are never used again.
pub async fn running_jobs_outlive_their_process(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let mut store = database.store();
    let all = jobs(3);
    enqueue(store.as_ref(), &all).await;
    let mut workers = BTreeSet::new();
    for life in 0..4_u32 {
        let worker = Worker::enlist(store.as_ref()).await;
        assert!(workers.insert(worker.id), "worker ids are never used again");
        let lost = worker.take_over(store.as_ref(), 10 * i64::from(life)).await;
        assert_eq!(lost, if life == 0 { 0 } else { 3 }, "what ran when the process ended is taken over");
        let mut got = worker.claim_ids(store.as_ref(), 100).await;
        while let Some(suspect) = worker.claim_suspect(store.as_ref(), 100).await {
            assert_eq!(suspect.losses, life, "losses are counted");
            got.push(suspect.lease.id);
        }
        assert_eq!(got, new_ids(&all), "each of them can be claimed again, in its order");
        // One that had nothing to do leaves no trace, and its id is not used again for that.
        let idle = Worker::enlist(store.as_ref()).await;
        assert!(workers.insert(idle.id), "worker ids are never used again");
        if life == 1 {
            store.dismiss(idle.id, at(100)).await.expect("a worker is dismissed");
        }
        store = if life % 2 == 0 { crash(database.as_mut()).await } else { reopen(database.as_mut()).await };
    }
    let list = attempt_ends(store.as_ref(), all[0].id).await;
    let lost = |attempt| (attempt, AttemptEnd::Lost);
    assert_eq!(list, [lost(1), lost(2), lost(3)], "each lost attempt is listed");
}

/// A worker that stops in order gives back what it has, and only that; it can be claimed at once.
pub async fn a_dismissed_worker_gives_back_what_it_has(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let (first, other) = (Worker::enlist(store.as_ref()).await, Worker::enlist(store.as_ref()).await);
    let all = jobs(5);
    enqueue(store.as_ref(), &all).await;
    let held = first.claim(store.as_ref(), 3, 1).await.jobs;
    let of_other = other.claim(store.as_ref(), 1, 1).await.jobs;
    complete(store.as_ref(), &held[0], 2).await;
    store.dismiss(first.id, at(3)).await.expect("a worker is dismissed");
    for job in &held[1..] {
        let back = row(store.as_ref(), job.lease.id).await;
        assert_eq!(
            (back.state, back.losses),
            (JobState::Ready, 0),
            "what is given back is ready, and no suspect"
        );
        let list = attempts(store.as_ref(), job.lease.id).await;
        assert_eq!(
            (list[0].end, list[0].ended_at),
            (AttemptEnd::GivenBack, at(3)),
            "and listed as given back"
        );
        let late = end_all(store.as_ref(), vec![(job.lease, JobEnd::Completed)], 4).await;
        assert_eq!(late, [false], "its lease is void");
    }
    let fenced = store.heartbeat(first.id).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "a dismissed worker is void: {fenced:?}");
    assert!(first.claim_ids(store.as_ref(), 5).await.is_empty(), "and claims nothing");
    let got = other.claim_ids(store.as_ref(), 5).await;
    assert_eq!(got, [all[1].id, all[2].id, all[4].id], "others claim what was given back, in its place");
    complete(store.as_ref(), &of_other[0], 6).await;
    assert_eq!(state(store.as_ref(), all[0].id).await, JobState::Completed, "what had ended stays as it is");
}

async fn lose(database: &dyn TestDatabase, store: &dyn Store, seconds: i64) -> Worker {
    lapse(database).await;
    let next = Worker::enlist(store).await;
    next.take_over(store, seconds).await;
    next
}

/// Suspects are claimed by those who ask for suspects, one at a time and oldest first, from the queues and of the names
/// that are asked for.
pub async fn suspects_are_claimed_alone(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let first = Worker::enlist(store.as_ref()).await;
    let all = [named("suite.print"), job(), prior(-5), of_queue("other", job())];
    enqueue(store.as_ref(), &all).await;
    first.for_names(&["suite.print", NAME]).claim(store.as_ref(), 10, 1).await;
    first.at("other").claim(store.as_ref(), 10, 1).await;
    let next = lose(database.as_ref(), store.as_ref(), 2).await;
    let fresh = enqueue_one(store.as_ref(), job()).await;
    assert_eq!(
        next.claim_ids(store.as_ref(), 3).await,
        [fresh],
        "suspects are claimed alone, not with the others"
    );
    let all_names = next.for_names(&["suite.print", NAME]);
    let by = |worker: &Worker, queues: &[&str]| {
        let queues = queues.iter().map(|queue| (std::sync::Arc::from(*queue), None)).collect();
        [Op::ClaimSuspect(worker.id, queues, worker.names.clone(), at(3))]
    };
    let claim = async |ops| match &ask(store.as_ref(), ops).await.expect("a claim is answered")[..] {
        [Answer::Suspect(suspect)] => suspect.clone(),
        other => panic!("one answer: {other:?}"),
    };
    assert!(claim(by(&next, &["nowhere"])).await.is_none(), "a suspect of another queue stays");
    assert!(claim(by(&next, &[])).await.is_none(), "who asks for no queue gets nothing");
    assert!(
        claim(by(&next.for_names(&["suite.fax"]), &[QUEUE, "other"])).await.is_none(),
        "so does one of another name"
    );
    let found = async |worker: &Worker, queues: &[&str]| {
        let queues: Vec<std::sync::Arc<str>> = queues.iter().map(|queue| (*queue).into()).collect();
        let mut found = store.suspects(&queues, &worker.names).await.expect("a question is answered");
        found.sort();
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(found(&next, &["other", QUEUE, "nowhere"]).await, [QUEUE, "other"], "the queues of suspects");
    assert_eq!(found(&next, &["other"]).await, ["other"], "only of those that are asked about");
    assert!(found(&next.for_names(&["suite.fax"]), &["other", QUEUE]).await.is_empty(), "of another name");
    store.pause_queue("other", "a test", at(3)).await.expect("a queue is paused");
    assert_eq!(found(&next, &["other", QUEUE]).await, [QUEUE], "nothing is claimed from a paused one");
    store.resume_queue("other", at(3)).await.expect("a queue goes on");
    let suspect = claim(by(&next, &[QUEUE, "other"])).await.expect("a suspect is claimed");
    assert_eq!(
        (suspect.lease.id, suspect.lease.attempt, suspect.losses),
        (all[1].id, 2, 1),
        "the oldest of these names"
    );
    assert_eq!(row(store.as_ref(), all[1].id).await.worker, Some(next.id), "it is running");
    complete(store.as_ref(), &suspect, 4).await;
    for expected in [&all[0], &all[2], &all[3]] {
        let suspect = claim(by(&all_names, &["other", QUEUE])).await.expect("a suspect is claimed");
        assert_eq!(
            (suspect.lease.id, &suspect.queue),
            (expected.id, &expected.queue),
            "oldest first, over all queues"
        );
        complete(store.as_ref(), &suspect, 5).await;
    }
    assert!(claim(by(&all_names, &["other", QUEUE])).await.is_none(), "there is no other suspect");
}

/// Losses are counted until the job ends an attempt by itself; to be given back is no such end, and the job stays suspect.
pub async fn losses_are_counted_until_an_attempt_ends_by_itself(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut worker = Worker::enlist(store.as_ref()).await;
    let id = enqueue_one(store.as_ref(), job()).await;
    for how in [retry(0), snoozed(0)] {
        worker.claim_one(store.as_ref(), 1).await;
        worker = lose(database.as_ref(), store.as_ref(), 2).await;
        assert_eq!(worker.claim_suspect(store.as_ref(), 3).await.expect("a suspect").losses, 1);
        worker = lose(database.as_ref(), store.as_ref(), 4).await;
        let suspect = worker.claim_suspect(store.as_ref(), 5).await.expect("a suspect");
        assert_eq!(suspect.losses, 2, "each loss is counted");
        end(store.as_ref(), &suspect, JobEnd::GivenBack, 6).await;
        assert_eq!(
            state(store.as_ref(), id).await,
            JobState::Suspect,
            "a suspect that is given back is a suspect"
        );
        assert!(worker.claim_ids(store.as_ref(), 7).await.is_empty(), "and runs alone");
        worker.claim_suspect(store.as_ref(), 7).await.expect("a suspect");
        store.dismiss(worker.id, at(8)).await.expect("a worker is dismissed");
        worker = Worker::enlist(store.as_ref()).await;
        let suspect =
            worker.claim_suspect(store.as_ref(), 9).await.expect("also from a worker that stops in order");
        assert_eq!(suspect.losses, 2, "to be given back says nothing about the job");
        end(store.as_ref(), &suspect, how, 9).await;
        assert_eq!(row(store.as_ref(), id).await.losses, 0, "who ends an attempt by itself is no suspect");
    }
    assert_eq!(worker.claim_one(store.as_ref(), 10).await.losses, 0, "and runs with the others again");
}

/// Of lost workers with many jobs each is taken over once, whoever asks and however many ask at the same time.
pub async fn of_many_takers_one_takes_each_job(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    for _ in 0..3 {
        let worker = Worker::enlist(store.as_ref()).await;
        enqueue(store.as_ref(), &jobs(10)).await;
        assert_eq!(worker.claim_ids(store.as_ref(), 1).await.len(), 10);
    }
    lapse(database.as_ref()).await;
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let worker = Worker::enlist(store.as_ref()).await;
        let store = store.clone();
        takers.spawn(async move { worker.take_over(store.as_ref(), 2).await });
    }
    let taken: u64 = takers.join_all().await.into_iter().sum();
    assert_eq!(taken, 30, "each job is taken over once");
    for row in store.jobs(&tidings_core::store::JobFilter::default(), 100).await.expect("jobs are listed") {
        assert_eq!((row.state, row.losses), (JobState::Suspect, 1), "each job is taken over once");
    }
}
