//! Queues that may start so many jobs in so much time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidings_core::store::Store;

use super::support::*;
use crate::random::Random;

/// The most starts in any time of length `per`.
fn most_in(starts: &[Timestamp], per: SignedDuration) -> usize {
    let within =
        |first: usize| starts[first..].iter().take_while(|start| **start < starts[first] + per).count();
    (0..starts.len()).map(within).max().unwrap_or_default()
}

async fn fill(store: &dyn Store, queue: &str, count: usize) {
    let all: Vec<_> = (0..count).map(|_| of_queue(queue, job())).collect();
    for some in all.chunks(100) {
        enqueue(store, some).await;
    }
}

/// However claims come, of however many workers, with restarts in between: no time of the limit's length sees more starts
/// than the limit says. A failure names its seed; `TIDINGS_TEST_SEED` runs it again.
pub async fn no_period_sees_more_starts_than_its_limit(factory: &dyn StoreFactory) {
    let seed = Random::seed(7);
    let mut random = Random::new(seed);
    for (count, seconds) in [(1, 10), (3, 1), (10, 60), (45, 7), (100, 30)] {
        let mut database = factory.fresh().await;
        let mut store = database.store();
        fill(store.as_ref(), QUEUE, 600).await;
        let per = Duration::from_secs(seconds);
        let (mut now, mut starts) = (at(0), Vec::new());
        let mut workers = enlist_two(store.as_ref(), count, per).await;
        for step in 0..120 {
            if step % 40 == 39 {
                store = if random.chance(50) {
                    crash(database.as_mut()).await
                } else {
                    reopen(database.as_mut()).await
                };
                workers = enlist_two(store.as_ref(), count, per).await;
            }
            // One of the two has looked at its clock a while ago, and has waited for its turn since.
            let said = now - SignedDuration::from_millis(random.below(3) as i64 * 20);
            let claimed = workers[random.below(2)].claim_at(store.as_ref(), 1 + random.below(20), said).await;
            starts.extend(claimed.jobs.iter().map(|_| said));
            let pause = match (random.below(4), claimed.next_at) {
                (0 | 1, Some(next)) => next.duration_since(now),
                (2, _) => SignedDuration::from_micros(random.below(200_000) as i64 * seconds as i64),
                _ => SignedDuration::ZERO,
            };
            now += pause;
        }
        starts.sort();
        let most = most_in(&starts, SignedDuration::from_secs(i64::try_from(seconds).expect("small")));
        assert!(
            most <= count as usize,
            "no period sees more starts than its limit: {most} of {count}, seed {seed}"
        );
        assert!(
            starts.len() > count as usize,
            "and there are some: {} of {count}, seed {seed}",
            starts.len()
        );
    }
}

async fn enlist_two(store: &dyn Store, count: u32, per: Duration) -> [Worker; 2] {
    [Worker::enlist(store).await.limited(count, per), Worker::enlist(store).await.limited(count, per)]
}

/// It is told when the limit allows another job, and then it does: who waits for that time drains the queue, at no less than
/// nine tenths of the limit.
pub async fn it_is_told_when_the_limit_allows_another(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    fill(store.as_ref(), QUEUE, 90).await;
    let worker = Worker::enlist(store.as_ref()).await.limited(20, Duration::from_secs(60));
    let (mut now, mut got) = (at(0), 0);
    while got < 90 {
        let claimed = worker.claim_at(store.as_ref(), 100, now).await;
        assert!(!claimed.jobs.is_empty(), "at the time that was told another job may start: {now}");
        got += claimed.jobs.len();
        if got < 90 {
            assert!(!claimed.more, "what has to wait for the limit is not there now");
            now = claimed.next_at.expect("it is told when the limit allows another");
        }
    }
    let most = at(60 * 90 / 20 * 10 / 9);
    assert!(now <= most, "a limit holds back no more than it says: {now}");
    let done = worker.claim_at(store.as_ref(), 100, now + SignedDuration::from_secs(3_600)).await;
    assert!(done.jobs.is_empty() && !done.more, "then there is nothing: {done:?}");
}

/// A limit counts starts of its queue alone, and a changed one holds at once.
pub async fn a_limit_is_its_queue_s_own_and_may_change(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    fill(store.as_ref(), QUEUE, 50).await;
    fill(store.as_ref(), "other", 5).await;
    let worker = Worker::enlist(store.as_ref()).await;
    let slow = worker.limited(1, Duration::from_secs(86_400));
    assert_eq!(slow.claim_ids(store.as_ref(), 0).await.len(), 1);
    let held = slow.claim(store.as_ref(), 10, 1).await;
    assert!(held.jobs.is_empty(), "the limit is used up");
    assert_eq!(held.next_at, Some(at(86_400)), "until its time is over");
    assert_eq!(slow.at("other").claim_ids(store.as_ref(), 1).await.len(), 1, "another queue has its own");
    let free = worker.claim(store.as_ref(), 3, 2).await;
    assert_eq!(free.jobs.len(), 3, "a queue without a limit has none");
    let quick = worker.limited(10, Duration::from_secs(10));
    let claimed = quick.claim(store.as_ref(), 10, 14).await;
    assert!(!claimed.jobs.is_empty(), "a limit that was raised holds at once: {claimed:?}");
}

/// Where nothing is left to start the limit stands still: what comes after a quiet time may start at once.
pub async fn a_limit_is_not_used_up_by_looking(factory: &dyn StoreFactory) {
    let database = factory.fresh().await;
    let store = database.store();
    let worker = Worker::enlist(store.as_ref()).await.limited(2, Duration::from_secs(10));
    for seconds in 0..20 {
        let nothing = worker.claim(store.as_ref(), 5, seconds).await;
        assert!(nothing.jobs.is_empty() && !nothing.more, "{nothing:?}");
    }
    fill(store.as_ref(), QUEUE, 1).await;
    assert_eq!(worker.claim_ids(store.as_ref(), 20).await.len(), 1, "to look is not to start");
    let undone =
        run(store.as_ref(), [Op::Enqueue(vec![job()]), Op::Claim(worker.claiming(1, at(40))), Op::Fail])
            .await;
    assert!(undone.is_err());
    fill(store.as_ref(), QUEUE, 1).await;
    assert_eq!(worker.claim_ids(store.as_ref(), 40).await.len(), 1, "a start that was undone does not count");
}
