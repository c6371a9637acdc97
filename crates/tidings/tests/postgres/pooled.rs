//! Two processes behind a pooler that gives each transaction a connection of its own: commands, listeners and jobs, with portable
//! handlers and with those that use sqlx, whose statements have names.

use std::io::Write as _;

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tidings_testkit::pooler::{Pooler, role_with_schema};

use crate::app::{Bump, BumpTyped, Then, Total, audit, counters};
use crate::support::{Harness, build, config, new_schema, url};

/// Fewer than each of the processes asks for.
const CONNECTIONS: u32 = 4;
const ROUNDS: i64 = 15;

fn pooler() -> Option<Pooler> {
    let pooler = Pooler::in_front_of(&url(), CONNECTIONS).unwrap();
    if pooler.is_none() {
        assert!(std::env::var_os("CI").is_none(), "there is no pgbouncer, and CI must not skip tests");
        let note = "a test behind a pooler was NOT RUN: there is no pgbouncer";
        writeln!(std::io::stderr(), "{note}").expect("stderr takes a line");
    }
    pooler
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL"]
async fn applications_work_behind_a_pooler() {
    let Some(pooler) = pooler() else { return };
    let schema = new_schema();
    let mut connection = PgConnection::connect(&url()).await.unwrap();
    for sql in role_with_schema(&schema) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    let behind = || {
        let mut config = config(&schema);
        config.store.url = pooler.url(&schema).into();
        config.store.behind_pooler = true;
        build([counters(), audit()], config)
    };
    let harness = Harness { app: behind().await.unwrap(), schema: schema.clone() };
    let other = behind().await.unwrap();
    let counters: Vec<String> = (0..8).map(|number| format!("job-{number}")).collect();
    for round in 0..ROUNDS {
        let bumps = counters.iter().map(async |counter| {
            let counter = counter.clone();
            // Each of them by each process, in turn.
            let app = if round % 2 == 0 { &harness.app } else { &other };
            match round % 3 {
                0 => app.send(Bump { counter, by: 1 }).await.unwrap(),
                _ => app.send(BumpTyped { counter, by: 1, then: Then::Nothing }).await.unwrap(),
            }
        });
        assert_eq!(join_all(bumps).await, vec![round + 1; counters.len()]);
    }
    for counter in &counters {
        harness
            .until("everything is noted and counted", async || {
                harness.noted(counter).await.len() == 2 * ROUNDS as usize
            })
            .await;
        let noted = harness.noted(counter).await;
        let counted = noted.iter().filter(|what| *what == "counted").count();
        assert_eq!(counted, ROUNDS as usize, "each job was done once: {noted:?}");
        let bumped: Vec<_> = noted.iter().filter(|what| *what != "counted").cloned().collect();
        let expected: Vec<_> = (1..=ROUNDS).map(|total| format!("bumped to {total}")).collect();
        assert_eq!(bumped, expected, "each event once, and in order");
        let total = other.ask(Total { counter: counter.clone() }).await.unwrap();
        assert_eq!(total, Some(ROUNDS));
    }
    other.shutdown().await.unwrap();
    harness.end().await;
}
