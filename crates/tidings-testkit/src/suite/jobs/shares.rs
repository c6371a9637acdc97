//! Jobs of several owners in one queue, who take turns.

use std::collections::BTreeMap;

use tidings_core::ids::MessageId;
use tidings_core::store::{JobEnd, NewJob, Store, UniqueKey};

use super::support::*;

fn of(share: &str) -> NewJob {
    NewJob { share: (!share.is_empty()).then(|| share.into()), ..job() }
}

/// One job of each of these shares, in this order; an empty one stands for none.
fn of_each(shares: &str) -> Vec<NewJob> {
    shares.split(' ').map(|share| of(if share == "-" { "" } else { share })).collect()
}

/// The shares of jobs, in their order.
async fn shares_of(store: &dyn Store, ids: &[MessageId]) -> String {
    let mut shares = Vec::new();
    for id in ids {
        shares.push(row(store, *id).await.share.map_or_else(|| "-".to_owned(), |share| share.to_string()));
    }
    shares.join(" ")
}

/// What one worker after the other claims, so many at once, until there is nothing.
async fn drain(store: &dyn Store, workers: &[Worker], limit: usize) -> Vec<MessageId> {
    let mut got = Vec::new();
    for worker in workers.iter().cycle() {
        let claimed = ids(&worker.claim(store, limit, 1).await.jobs);
        if claimed.is_empty() {
            return got;
        }
        got.extend(claimed);
    }
    got
}

/// Of one queue and priority the shares take turns, by starts; of one share jobs start in the order of their enqueueing; and all
/// without a share are one share. It does not matter how many are claimed at once, or by how many workers.
pub async fn shares_take_turns(factory: &dyn StoreFactory) {
    for (limit, workers) in [(1, 1), (1, 2), (2, 1), (3, 2), (4, 1), (100, 1)] {
        let database = factory.fresh().await;
        let store = database.store();
        let store = store.as_ref();
        let all = of_each("b b a - c a a a b - a");
        for some in all.chunks(4) {
            enqueue(store, some).await;
        }
        let mut crew = Vec::new();
        for _ in 0..workers {
            crew.push(Worker::enlist(store).await);
        }
        let got = drain(store, &crew, limit).await;
        let shares = shares_of(store, &got).await;
        assert_eq!(
            shares, "a b c - a b - a b a a",
            "shares take turns, {limit} at once by {workers} workers"
        );
        let mut last_of: BTreeMap<Option<_>, usize> = BTreeMap::new();
        for id in got {
            let place = all.iter().position(|job| job.id == id).expect("it was enqueued");
            let before = last_of.insert(all[place].share.clone(), place);
            assert!(before.is_none_or(|before| before < place), "of one share in the order of enqueueing");
        }
    }
}

/// Whoever comes while another has a thousand jobs waiting, and many are running, is served within one round.
pub async fn a_newcomer_is_served_within_one_round(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    for backlog in ["m", "-"] {
        for _ in 0..10 {
            enqueue(store, &of_each(&[backlog; 100].join(" "))).await;
        }
    }
    assert_eq!(worker.claim(store, 400, 1).await.jobs.len(), 400, "many are running");
    for (number, newcomer) in ["a", "z", "mm", "m", "-", "Z"].into_iter().enumerate() {
        let id = enqueue_one(store, of_each(newcomer).remove(0)).await;
        let mut got = Vec::new();
        for _ in 0..3 {
            got.extend(worker.claim(store, 1, 1).await.jobs.iter().map(|job| job.lease.id));
        }
        if newcomer == "m" || newcomer == "-" {
            assert!(!got.contains(&id), "who has many waiting does not come before them");
        } else {
            let shares = shares_of(store, &got).await;
            assert!(got.contains(&id), "a newcomer is served within one round: {shares}, {number}");
        }
    }
    let both = ids(&worker.claim(store, 10, 1).await.jobs);
    assert_eq!(shares_of(store, &both).await.matches('m').count(), 5, "those who have many share evenly");
}

/// A lower priority starts sooner, whoever's it is; and each priority has a round of its own, which others do not disturb.
pub async fn priorities_rank_before_shares(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    let urgent = |share| NewJob { priority: -1, ..of(share) };
    let late = NewJob { priority: 5, ..of("a") };
    enqueue(store, std::slice::from_ref(&late)).await;
    enqueue(store, &of_each("a a a b b b - - -")).await;
    let mut got = Vec::new();
    for share in ["z", "a", "z", "", "b", "z"] {
        let id = enqueue_one(store, urgent(share)).await;
        let claimed = ids(&worker.claim(store, 2, 1).await.jobs);
        assert_eq!(claimed[0], id, "priorities rank before shares");
        got.push(claimed[1]);
    }
    let shares = shares_of(store, &got).await;
    assert_eq!(shares, "a b - a b -", "the round of one priority is not disturbed by another");
    enqueue(store, &[urgent("c"), urgent("c"), urgent("d")]).await;
    let rest = worker.claim(store, 100, 1).await;
    assert_eq!(
        shares_of(store, &ids(&rest.jobs)).await,
        "c d c a b - a",
        "one claim goes on from one to the next"
    );
    assert_eq!(rest.jobs.last().expect("some").lease.id, late.id);
    assert!(!rest.more, "then there is no more");
}

/// A claim says whether there is more, and who goes on while there is gets all, each once. Jobs of other names stay where they are.
pub async fn a_claim_of_shares_says_whether_there_is_more(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    let mut all = of_each("a b - c c c c c c c c c d - -");
    enqueue(store, &all).await;
    let others: Vec<_> =
        of_each("a a e - -").into_iter().map(|job| NewJob { name: "suite.print".into(), ..job }).collect();
    enqueue(store, &others).await;
    all.sort_by_key(|job| job.id);
    for limit in [1, 2, 5, 14, 15, 16, 100] {
        let (mut got, mut leases, mut calls) = (Vec::new(), Vec::new(), 0);
        loop {
            let claimed = worker.claim(store, limit, 1).await;
            calls += 1;
            got.extend(ids(&claimed.jobs));
            leases.extend(claimed.jobs.iter().map(|job| (job.lease, JobEnd::GivenBack)));
            assert!(
                claimed.more || got.len() == all.len(),
                "a claim that was cut off says that there is more"
            );
            if !claimed.more {
                break;
            }
            assert!(calls <= all.len() + 1, "claims come to an end");
        }
        got.sort();
        assert_eq!(got, new_ids(&all), "claims get all of them, each once, limit {limit}");
        end_all(store, leases, 1).await;
    }
    let printed = worker.for_names(&["suite.print"]).claim_ids(store, 1).await;
    assert_eq!(printed.len(), 5, "jobs of other names stay where they are");
}

/// A delayed job takes its turn when it is due; a claim of others tells when that is.
pub async fn a_delayed_job_takes_its_turn_when_it_is_due(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    let late = NewJob { due: at(50), ..of("b") };
    enqueue(store, std::slice::from_ref(&late)).await;
    enqueue(store, &of_each("- - -")).await;
    let claimed = worker.claim(store, 1, 1).await;
    assert_eq!((claimed.jobs.len(), claimed.more, claimed.next_at), (1, true, Some(at(50))));
    let claimed = worker.claim(store, 1, 50).await;
    assert_eq!(ids(&claimed.jobs), [late.id], "a delayed job takes its turn when it is due");
}

/// Of one key one job runs at a time, and what waits for its key takes no turn.
pub async fn what_waits_for_its_key_takes_no_turn(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    let with_key = |share, key| NewJob { share: of(share).share, ..keyed(key) };
    let all = [with_key("a", "x"), with_key("a", "x"), with_key("b", "x"), with_key("b", "y"), of("a")];
    enqueue(store, &all).await;
    let first = worker.claim(store, 10, 1).await;
    assert_eq!(ids(&first.jobs), [all[0].id, all[3].id, all[4].id], "what waits for its key takes no turn");
    for next in [1, 2] {
        let head = if next == 1 { first.jobs[0].clone() } else { worker.claim_one(store, 3).await };
        assert_eq!(head.lease.id, all[next - 1].id, "jobs of a key keep their order over shares");
        complete(store, &head, 3).await;
    }
    assert_eq!(worker.claim_one(store, 4).await.lease.id, all[2].id);
}

/// A share is listed, and kept in all that may become of a job, however it was enqueued.
pub async fn a_share_is_kept(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let mut store = database.store();
    let longest = "ß".repeat(127);
    let unique = UniqueKey { key: "u".to_owned(), hash: [0; 32], until: None };
    let kinds = [
        of(&longest),
        NewJob { key: keyed("k").key, ..of("of a key") },
        NewJob { unique: Some(unique), ..of("of a unique key") },
    ];
    for new in kinds {
        let share = new.share.clone();
        let id = enqueue_one(store.as_ref(), new).await;
        for what in 0..8 {
            let worker = Worker::enlist(store.as_ref()).await;
            worker.take_over(store.as_ref(), 1).await;
            assert_eq!(row(store.as_ref(), id).await.share, share, "a share is kept, before {what}");
            let job = match worker.claim_suspect(store.as_ref(), 1).await {
                Some(suspect) => suspect,
                None => worker.claim_one(store.as_ref(), 1).await,
            };
            assert_eq!(job.lease.id, id);
            match what {
                0 => end(store.as_ref(), &job, retry(1), 1).await,
                1 => end(store.as_ref(), &job, snoozed(1), 1).await,
                2 => end(store.as_ref(), &job, JobEnd::GivenBack, 1).await,
                3 => store = crash(database.as_mut()).await,
                4 => end(store.as_ref(), &job, retry(1), 1).await,
                5 => {
                    end(store.as_ref(), &job, dead(false), 1).await;
                    store.revive_job(id, at(1)).await.expect("a dead job is revived");
                }
                6 => {
                    end(store.as_ref(), &job, JobEnd::Cancelled { reason: "no".to_owned() }, 1).await;
                    store.revive_job(id, at(1)).await.expect("a cancelled job is revived");
                }
                _ => complete(store.as_ref(), &job, 1).await,
            }
        }
        assert_eq!(row(store.as_ref(), id).await.share, share, "also when it is done");
    }
}

/// What is tried again takes its turn with its share. Suspects take none: they run alone.
pub async fn what_is_tried_again_takes_its_turn(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    enqueue(store, &of_each("a a b b")).await;
    let first = worker.claim(store, 2, 1).await.jobs;
    let back = [(first[0].lease, retry(1)), (first[1].lease, JobEnd::GivenBack)];
    assert_eq!(end_all(store, back.to_vec(), 1).await, [true; 2]);
    let got = drain(store, std::slice::from_ref(&worker), 1).await;
    assert_eq!(shares_of(store, &got).await, "a b a b", "what is tried again takes its turn");
    assert_eq!(got[..2], ids(&first)[..], "in the place of its enqueueing");
    lapse(database.as_ref()).await;
    let next = Worker::enlist(store).await;
    assert_eq!(next.take_over(store, 2).await, 4);
    let fresh = enqueue_one(store, of("a")).await;
    assert_eq!(next.claim_ids(store, 3).await, [fresh], "suspects take no turn");
    let mut suspects = Vec::new();
    while let Some(suspect) = next.claim_suspect(store, 4).await {
        suspects.push(suspect.lease.id);
        complete(store, &suspect, 5).await;
    }
    assert_eq!(suspects, [got[0], got[2], got[1], got[3]], "the oldest of all is the first");
}

/// A claim that is undone moves no round, and looking moves none; one over a restart goes on where it stood.
pub async fn a_round_goes_with_its_transaction(factory: &dyn StoreFactory) {
    let mut database = factory.fresh().await;
    let mut store = database.store();
    enqueue(store.as_ref(), &of_each("a a a b b b c c c")).await;
    let mut got = Vec::new();
    for round in 0..4 {
        let worker = Worker::enlist(store.as_ref()).await;
        let undone = run(store.as_ref(), [Op::Claim(worker.claiming(2, at(1))), Op::Fail]).await;
        assert!(undone.is_err());
        let nothing = worker.at("other").claim(store.as_ref(), 2, 1).await;
        assert!(nothing.jobs.is_empty() && !nothing.more, "{nothing:?}");
        let job = worker.claim(store.as_ref(), 1, 1).await.jobs.remove(0);
        got.push(job.lease.id);
        complete(store.as_ref(), &job, 1).await;
        store = if round % 2 == 0 { reopen(database.as_mut()).await } else { crash(database.as_mut()).await };
    }
    assert_eq!(shares_of(store.as_ref(), &got).await, "a b c a", "a round goes with its transaction");
}

/// Rounds of queues are apart; a paused queue gives nothing out, and what is cancelled takes no turn. What moves to another queue
/// takes its turns there.
pub async fn rounds_of_queues_are_apart(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    let all = of_each("a a b b");
    let there: Vec<_> = of_each("a a b b").into_iter().map(|job| of_queue("other", job)).collect();
    enqueue(store, &all).await;
    enqueue(store, &there).await;
    store.pause_queue(QUEUE, "a test", at(1)).await.expect("a queue is paused");
    assert!(worker.claim_ids(store, 1).await.is_empty(), "a paused queue gives nothing out");
    store.cancel_job(there[0].id, "no more", at(1)).await.expect("a job is cancelled");
    let elsewhere = worker.at("other");
    let first = ids(&elsewhere.claim(store, 1, 1).await.jobs);
    assert_eq!(first, [there[1].id], "what is cancelled takes no turn");
    store.resume_queue(QUEUE, at(2)).await.expect("a queue is resumed");
    assert_eq!(worker.claim_ids(store, 2).await, [all[0].id, all[2].id, all[1].id, all[3].id]);
    let print = NewJob { name: "suite.print".into(), ..of_queue("printer", of("c")) };
    enqueue(store, std::slice::from_ref(&print)).await;
    for queue in ["printer", "other"] {
        store.place_jobs(&[("suite.print".into(), queue.into())]).await.expect("jobs are placed");
    }
    let rest = elsewhere.for_names(&[NAME, "suite.print"]).claim_ids(store, 3).await;
    assert_eq!(rest, [there[2].id, print.id, there[3].id], "what moves takes its turn where it is");
}

/// Shares are told apart, and ordered, by their bytes.
pub async fn shares_are_what_their_bytes_are(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await;
    let mut shares = [
        "a", "A", "b", "B", "ä", "a\u{308}", "a b", "-a", "10", "9", "🦀", "'", "\"", "%", "ß", "ss", "\u{1}",
    ];
    let all: Vec<_> = shares.iter().map(|share| of(share)).collect();
    enqueue(store, &all).await;
    shares.sort_unstable();
    let mut expected: Vec<_> =
        shares.iter().filter_map(|share| all.iter().find(|job| job.share == of(share).share)).collect();
    let got = worker.claim_ids(store, 1).await;
    assert_eq!(
        got,
        expected.iter().map(|job| job.id).collect::<Vec<_>>(),
        "shares are ordered by their bytes"
    );
    expected.dedup_by_key(|job| job.share.clone());
    assert_eq!(expected.len(), all.len(), "and told apart");
}

/// A limit of what runs, and one of what starts, hold for shares, too.
pub async fn limits_hold_for_shares(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let store = store.as_ref();
    let worker = Worker::enlist(store).await.at_most(3).limited(1_000, std::time::Duration::from_secs(1));
    enqueue(store, &of_each("a a a b b b c c c")).await;
    let mut running = worker.claim(store, 10, 1).await;
    assert_eq!((running.jobs.len(), running.more), (3, false), "a limit holds for shares");
    let mut got = ids(&running.jobs);
    while let Some(job) = running.jobs.pop() {
        complete(store, &job, 2).await;
        let next = worker.claim(store, 10, 2).await;
        assert!(next.jobs.len() <= 1, "one ends, and one begins");
        got.extend(ids(&next.jobs));
        running.jobs.extend(next.jobs);
    }
    assert_eq!(shares_of(store, &got).await, "a b c a b c a b c");
}
