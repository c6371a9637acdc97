//! Many at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_core::ids::MessageId;
use tidings_core::store::{JobEnd, JobState, Store};
use tokio::task::JoinSet;

use super::support::*;
use crate::random::Random;

const WORKERS: usize = 6;

/// However many claim at the same time, while jobs come in and some claims are undone, each job is given out once.
pub async fn no_job_is_given_out_twice(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let seed = Random::seed(3);
    let mut tasks = JoinSet::new();
    for number in 0..2_u64 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut random = Random::new(seed.wrapping_add(number));
            for _ in 0..25 {
                enqueue(store.as_ref(), &jobs(1 + random.below(10))).await;
            }
            BTreeMap::new()
        });
    }
    for number in 0..WORKERS as u64 {
        let (store, random) = (store.clone(), Random::new(seed.wrapping_mul(100) + number));
        tasks.spawn(async move { claim_for_a_while(store.as_ref(), random).await });
    }
    let mut times: BTreeMap<MessageId, usize> = BTreeMap::new();
    for got in tasks.join_all().await {
        for (id, count) in got {
            *times.entry(id).or_default() += count;
        }
    }
    let rest = Worker::enlist(store.as_ref()).await.claim_ids(store.as_ref(), 1).await;
    rest.into_iter().for_each(|id| *times.entry(id).or_default() += 1);
    let twice: Vec<_> = times.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "no job is given out twice, seed {seed}: {twice:?}");
    let all = listed(store.as_ref(), &tidings_core::store::JobFilter::default()).await;
    assert_eq!(times.len(), all.len(), "each job is given out, seed {seed}");
}

async fn claim_for_a_while(store: &dyn Store, mut random: Random) -> BTreeMap<MessageId, usize> {
    let worker = Worker::enlist(store).await;
    let mut got = BTreeMap::new();
    for _ in 0..60 {
        let mut ops = vec![Op::Claim(worker.claiming(1 + random.below(8), at(1)))];
        let fails = random.chance(20);
        if fails {
            ops.push(Op::Fail);
        }
        let Ok(answers) = ask(store, ops).await else {
            assert!(fails, "a claim fails by itself only");
            continue;
        };
        let [Answer::Claimed(claimed)] = &answers[..] else { panic!("one answer: {answers:?}") };
        for id in ids(&claimed.jobs) {
            *got.entry(id).or_default() += 1;
        }
    }
    got
}

/// Workers that come, claim and end while others look for lost ones lose nothing: as long as no lease lapses, a takeover
/// takes nothing, and each end is good.
pub async fn those_who_come_while_others_take_over_lose_nothing(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let mut tasks = JoinSet::new();
    for _ in 0..WORKERS {
        let store: Arc<dyn Store> = store.clone();
        tasks.spawn(async move {
            for _ in 0..25 {
                enqueue(store.as_ref(), &jobs(2)).await;
                let worker = Worker::enlist(store.as_ref()).await;
                let held = worker.claim(store.as_ref(), 2, 1).await.jobs;
                let taken = worker.take_over(store.as_ref(), 2).await;
                assert_eq!(taken, 0, "a takeover takes nothing while every lease is good");
                let ends: Vec<_> = held.iter().map(|job| (job.lease, JobEnd::Completed)).collect();
                let ended = end_all(store.as_ref(), ends, 3).await;
                assert!(ended.iter().all(|good| *good), "a lease is good until it is taken over");
                store.dismiss(worker.id, at(4)).await.expect("a worker is dismissed");
            }
        });
    }
    tasks.join_all().await;
}

/// Many workers on few keys: of each key one job at a time, in order, each once.
pub async fn keys_keep_their_order_among_many_workers(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let keys = ["a", "b", "c"];
    let all: Vec<_> = (0..90).map(|index| keyed(keys[index % 3])).collect();
    for some in all.chunks(30) {
        enqueue(store.as_ref(), some).await;
    }
    let journal = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for number in 0..WORKERS as u64 {
        let (store, journal) = (store.clone(), journal.clone());
        tasks.spawn(async move {
            let worker = Worker::enlist(store.as_ref()).await;
            let mut random = Random::new(number);
            let done =
                tidings_core::store::JobFilter { state: Some(JobState::Completed), ..Default::default() };
            while listed(store.as_ref(), &done).await.len() < 90 {
                for job in worker.claim(store.as_ref(), 1 + random.below(3), 1).await.jobs {
                    let key = job.key.clone().expect("each has a key");
                    journal.lock().expect("a journal").push((key.clone(), job.lease.id, true));
                    if random.chance(25) {
                        journal.lock().expect("a journal").push((key, job.lease.id, false));
                        end(store.as_ref(), &job, JobEnd::GivenBack, 1).await;
                        continue;
                    }
                    journal.lock().expect("a journal").push((key, job.lease.id, false));
                    complete(store.as_ref(), &job, 1).await;
                }
            }
        });
    }
    tasks.join_all().await;
    let journal = journal.lock().expect("a journal");
    for key in keys {
        let of_key: Vec<_> =
            journal.iter().filter(|(of, ..)| of.as_str() == format!("order:{key}")).collect();
        for pair in of_key.chunks(2) {
            assert!(
                pair[0].2 && !pair[1].2 && pair[0].1 == pair[1].1,
                "of a key one job runs at a time: {pair:?}"
            );
        }
        let mut order: Vec<_> = of_key.iter().map(|(_, id, _)| *id).collect();
        order.dedup();
        let expected: Vec<_> = all
            .iter()
            .filter(|job| job.key.as_ref().is_some_and(|of| of.as_str() == format!("order:{key}")))
            .map(|job| job.id)
            .collect();
        assert_eq!(order, expected, "jobs of a key run in the order of their enqueueing");
    }
}
