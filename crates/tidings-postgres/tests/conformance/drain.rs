//! How fast jobs go, for those who change the statements: `cargo test --release -p tidings-postgres -- --ignored drains`.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection, Row as _};
use tidings_core::store::{Claim, JobEnd, Member, NewJob};
use tidings_core::trace::TraceContext;
use tidings_testkit::script::{Op, run};
use tokio::task::JoinSet;

use super::of_jobs::Jobs;
use super::*;

const JOBS: usize = 20_000;
const BATCH: usize = 512;

fn job() -> NewJob {
    let (id, at) = (MessageId::new(), Timestamp::now());
    NewJob {
        id,
        name: "suite.send".into(),
        queue: "mail".into(),
        priority: 0,
        due: at,
        key: None,
        share: None,
        unique: None,
        source: "suite".into(),
        correlation_id: id,
        causation_id: None,
        trace: TraceContext::default(),
        at,
        data: r#"{"order":"0192837465-0192837465-0192837465","to":"somebody@example.org"}"#.to_owned(),
    }
}

async fn written(connection: &mut PgConnection) -> i64 {
    let row = sqlx::query("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
        .fetch_one(connection)
        .await;
    row.expect("the server tells").get(0)
}

async fn drain(store: Arc<dyn Store>) -> usize {
    let worker =
        store.enlist(&Member::named("a drain"), Duration::from_secs(60)).await.expect("a worker is enlisted");
    let (names, mut ends, mut done) = (["suite.send".into()], Vec::new(), 0);
    loop {
        let now = Timestamp::now();
        let claim =
            Claim { queue: "mail", worker, names: &names, limit: BATCH, now, rate: None, running_max: None };
        let (good, claimed) = store
            .at_once()
            .expect("it has it")
            .end_and_claim(&ends, now, Some(&claim))
            .await
            .expect("it is answered");
        assert!(good.iter().all(|good| *good));
        done += ends.len();
        ends = claimed.jobs.iter().map(|job| (job.lease, JobEnd::Completed)).collect();
        if ends.is_empty() {
            return done;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "it measures"]
async fn drains() {
    let url = url().expect("a server");
    let mut connection =
        url.parse::<PgConnectOptions>().expect("a URL").connect().await.expect("it is there");
    for drainers in [1, 2, 1, 2] {
        let database = Jobs::fresh().await;
        let store = database.store();
        let before = written(&mut connection).await;
        let begun = Instant::now();
        run(store.as_ref(), [Op::Enqueue((0..JOBS).map(|_| job()).collect())])
            .await
            .expect("jobs are enqueued");
        let (enqueued, between) = (begun.elapsed(), written(&mut connection).await);
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..drainers {
            tasks.spawn(drain(database.another().await));
        }
        let done: usize = tasks.join_all().await.into_iter().sum();
        let (drained, after) = (begun.elapsed(), written(&mut connection).await);
        assert_eq!(done, JOBS);
        let rate = |time: Duration| JOBS as f64 / time.as_secs_f64();
        let bytes = |from: i64, to: i64| (to - from) / JOBS as i64;
        eprintln!(
            "{drainers} drainers: enqueued {:.0}/s, {} bytes of WAL a job; drained {:.0}/s, {} bytes of WAL a job",
            rate(enqueued),
            bytes(before, between),
            rate(drained),
            bytes(between, after)
        );
    }
}
