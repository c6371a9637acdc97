//! How many jobs of a queue run at once over several processes, as the database counts them.

use std::sync::Mutex;

use sqlx::{Connection as _, Executor as _};
use tidings_core::store::{ClaimedJob, JobEnd, JobLease};
use tidings_testkit::random::Random;
use tidings_testkit::script::{Answer, Claiming, Op, ask, run};
use tokio::task::JoinSet;

use super::of_jobs::Jobs;
use super::racing::{NAME, QUEUE, enlist, enqueue, job, now};
use super::*;

const LIMIT: u32 = 5;
const JOBS: usize = 300;

/// Refuses the claim after which more run than there may.
const COUNTS: &str = "
CREATE FUNCTION count_running() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    running bigint;
BEGIN
    SELECT count(DISTINCT r.place) INTO running
    FROM tidings_running AS r JOIN tidings_jobs_live AS l USING (place) WHERE l.queue = 'mail';
    IF running > 5 THEN
        RAISE EXCEPTION 'the database counts % that run', running;
    END IF;
    INSERT INTO seen VALUES (running);
    RETURN NULL;
END $$;
CREATE TABLE seen (running bigint);
CREATE TRIGGER counts AFTER INSERT ON tidings_claims FOR EACH ROW EXECUTE FUNCTION count_running()";

/// Processes that claim and end at the same time, in one statement and in transactions of which some are undone, never have more
/// under way than the limit, and do come up to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_processes_keep_the_limit() {
    if !server_is_there() {
        return;
    }
    let database = Jobs::fresh().await;
    let mut connection = database.connect().await;
    connection.execute(sqlx::AssertSqlSafe(COUNTS)).await.expect("a trigger");
    enqueue(database.store().as_ref(), (0..JOBS).map(|_| job()).collect()).await;
    let done: Arc<Mutex<usize>> = Arc::default();
    let mut tasks = JoinSet::new();
    for seed in 0..6 {
        let (store, done) = (database.another().await, done.clone());
        tasks.spawn(async move {
            let worker = enlist(store.as_ref()).await;
            let (mut random, mut held) = (Random::new(seed), Vec::new());
            while *done.lock().expect("a count") < JOBS {
                let claiming = Claiming {
                    queue: QUEUE.into(),
                    worker,
                    names: vec![NAME.into()],
                    limit: 1 + random.below(4),
                    now: now(),
                    rate: None,
                    running_max: Some(LIMIT),
                };
                let ends = ends_of(&mut held, &mut random);
                let completed = ends.iter().filter(|(_, end)| *end == JobEnd::Completed).count();
                let at_once = store.at_once().expect("it has it");
                let settled = at_once.end_and_claim(&ends, now(), Some(&claiming.claim())).await;
                let (good, claimed) = settled.expect("the database counts no more than the limit");
                assert!(good.iter().all(|good| *good), "a lease is good until it is taken over");
                held.extend(claimed.jobs);
                *done.lock().expect("a count") += completed;
                if random.chance(30) {
                    let fails = random.chance(50);
                    let mut ops = vec![Op::Claim(claiming)];
                    ops.extend(fails.then_some(Op::Fail));
                    match ask(store.as_ref(), ops).await {
                        Ok(answers) => held.extend(answers.into_iter().flat_map(claimed_of)),
                        Err(error) => assert!(fails, "the database counts no more than the limit: {error}"),
                    }
                }
            }
            let ends = held.iter().map(|job| (job.lease, JobEnd::Completed)).collect();
            run(store.as_ref(), [Op::End(ends, now())]).await.expect("the rest is ended");
        });
    }
    tasks.join_all().await;
    let most: i64 = sqlx::query_scalar("SELECT max(running) FROM seen")
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!(most, i64::from(LIMIT), "the limit is used");
    connection.close().await.expect("a connection ends");
}

fn ends_of(held: &mut Vec<ClaimedJob>, random: &mut Random) -> Vec<(JobLease, JobEnd)> {
    let mut ends = Vec::new();
    held.retain(|job| {
        let ends_now = random.chance(60);
        if ends_now {
            let how = if random.chance(80) { JobEnd::Completed } else { JobEnd::GivenBack };
            ends.push((job.lease, how));
        }
        !ends_now
    });
    ends
}

fn claimed_of(answer: Answer) -> Vec<ClaimedJob> {
    match answer {
        Answer::Claimed(claimed) => claimed.jobs,
        other => panic!("a claim is answered: {other:?}"),
    }
}
