//! What it costs that shares take turns, as the server counts it, and how it is over several processes.

use sqlx::{Connection as _, PgConnection, Row as _};
use tidings_core::store::{JobEnd, NewJob};
use tidings_testkit::random::Random;
use tokio::task::JoinSet;

use super::of_jobs::Jobs;
use super::racing::{end_and_claim, enlist, enqueue, job};
use super::*;

/// Jobs of so many shares, and as many without one.
const FILL: &str = "
WITH new AS MATERIALIZED (
    SELECT nextval('tidings_job_places') AS place, gen_random_uuid() AS id, CASE WHEN i % 2 = 0 THEN 'share ' || i % $2 END AS share
    FROM generate_series(1, $1) AS i),
cold AS (
    INSERT INTO tidings_jobs (place, id, name, priority, due, at, share, source, correlation_id, data)
    SELECT place, id, 'suite.send', 0, 0, 0, share, 'suite', id, '{}' FROM new)
INSERT INTO tidings_jobs_live (place, queue, name, priority, turn, share)
SELECT place, 'mail', 'suite.send', 0, 0, share FROM new";

const CLAIM: &str = "
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
SELECT * FROM tidings_end_and_claim('{}', '{}', '{}', '{}', 0, '{}', '{}', '{}', '{}', '{}', 0, 100, $1, 'mail', '{suite.send}', $2,
                                    1000000, NULL, NULL, NULL, 10000, false)";

/// Pages that a claim looks at: the least of several, since plans that are made anew in between, when statistics have changed, read
/// the catalogue.
async fn pages(connection: &mut PgConnection, worker: i64, limit: i64) -> i64 {
    let mut looked = Vec::new();
    for _ in 0..5 {
        let row = sqlx::query(CLAIM).bind(worker).bind(limit).fetch_one(&mut *connection).await;
        let plan: serde_json::Value = row.expect("a plan").get(0);
        let plan = &plan[0]["Plan"];
        assert_eq!(plan["Actual Rows"], limit + 1, "it claims as many as it may");
        let blocks = |kind: &str| plan[kind].as_i64().expect("a number");
        looked.push(blocks("Shared Hit Blocks") + blocks("Shared Read Blocks"));
    }
    looked.into_iter().min().expect("some")
}

/// A claim costs what it takes: whether there are ten shares or ten thousand, a thousand jobs or a hundred thousand, and although its
/// plans were made while there was next to nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_claim_costs_what_it_takes() {
    if !server_is_there() {
        return;
    }
    let mut looked = Vec::new();
    for (jobs, shares) in [(1_000, 10), (100_000, 10), (100_000, 10_000)] {
        let database = Jobs::fresh().await;
        let worker = enlist(database.store().as_ref()).await.0;
        let mut connection = database.connect().await;
        let fill = async |connection: &mut PgConnection, jobs: i32| {
            sqlx::query(FILL).bind(jobs).bind(shares).execute(connection).await.expect("jobs");
        };
        fill(&mut connection, 60).await;
        pages(&mut connection, worker, 8).await;
        fill(&mut connection, jobs).await;
        looked.push((pages(&mut connection, worker, 8).await, pages(&mut connection, worker, 64).await));
        connection.close().await.expect("a connection ends");
    }
    let (few, many) = (looked[0], looked[2]);
    assert!(
        looked.iter().all(|pages| pages.0 <= 2 * few.0 && pages.1 <= 2 * few.1),
        "how many shares and jobs there are does not matter: {looked:?}"
    );
    assert!(many.1 <= 30 * 64, "a claim looks at some pages for each job that it takes: {looked:?}");
}

/// Processes that claim at the same time are one round: at any time, of all shares that have jobs waiting none has started more than
/// one job more than another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_processes_are_one_round() {
    if !server_is_there() {
        return;
    }
    const SHARES: usize = 7;
    const EACH: usize = 40;
    let database = Jobs::fresh().await;
    let of = |share: usize| NewJob { share: Some(format!("share {share}").into()), ..job() };
    for share in 0..SHARES {
        enqueue(database.store().as_ref(), (0..EACH).map(|_| of(share)).collect()).await;
    }
    // The order of claims is that of their numbers, and within a claim that of its places; so that they stay, nobody deletes them.
    let mut connection = database.connect().await;
    sqlx::query("CREATE RULE kept AS ON DELETE TO tidings_claims DO INSTEAD NOTHING")
        .execute(&mut connection)
        .await
        .expect("a rule");
    let mut tasks = JoinSet::new();
    for seed in 0..5 {
        let store = database.another().await;
        tasks.spawn(async move {
            let worker = enlist(store.as_ref()).await;
            let (mut random, mut ends) = (Random::new(seed), Vec::new());
            loop {
                let (good, jobs) = end_and_claim(store.as_ref(), worker, &ends, 1 + random.below(5)).await;
                assert!(good.iter().all(|good| *good), "a lease is good until it is taken over");
                if jobs.is_empty() {
                    return;
                }
                ends = jobs.iter().map(|job| (job.lease, JobEnd::Completed)).collect();
            }
        });
    }
    tasks.join_all().await;
    let started = "
        SELECT j.share FROM tidings_claims AS c
        CROSS JOIN LATERAL unnest(c.places) WITH ORDINALITY AS u (place, i) JOIN tidings_jobs AS j USING (place)
        ORDER BY c.n, u.i";
    let started: Vec<String> =
        sqlx::query_scalar(started).fetch_all(&mut connection).await.expect("the claims");
    assert_eq!(started.len(), SHARES * EACH, "each job starts once");
    for (round, shares) in started.chunks(SHARES).enumerate() {
        let mut told = shares.to_vec();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), SHARES, "each share starts one job in each round: {round} {shares:?}");
    }
    connection.close().await.expect("a connection ends");
}
