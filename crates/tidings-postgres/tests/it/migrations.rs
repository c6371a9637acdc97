//! The modules' migrations, from several processes and with several programs.

use tidings_core::store::{Migration, Store as _, StoreError};
use tidings_postgres::{PostgresConfig, status};
use tidings_testkit::script::{MODULE, query};

use crate::support::*;

const FIRST: Migration = Migration { version: 1, name: "first", sql: "CREATE TABLE first (id BIGINT)" };
const THIRD: Migration = Migration { version: 3, name: "third", sql: "CREATE TABLE third (id BIGINT)" };

fn problem(refused: Result<(), StoreError>) -> String {
    match refused {
        Err(StoreError::Migration { problem, .. }) => problem,
        other => panic!("a migration is refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let store = open(&config).await;
    store.migrate(MODULE, &[FIRST, THIRD], at(5)).await.expect("migrations are applied");
    let second = Migration { version: 2, name: "second", sql: "CREATE TABLE second (id BIGINT)" };
    let refused = store.migrate(MODULE, &[FIRST, second, THIRD], at(6)).await;
    assert!(problem(refused).contains("migration 3 is applied already"), "out of order");
    let refused = store.migrate(MODULE, &[THIRD, FIRST], at(6)).await;
    assert!(problem(refused).contains("versions must ascend"));
    let refused = store.migrate(MODULE, &[FIRST], at(6)).await;
    assert!(problem(refused).contains("start the newer program"), "an older program");
    let refused = store.migrate("tidings", &[FIRST], at(6)).await;
    assert!(problem(refused).contains("reserved"));
    assert!(query(store.as_ref(), "SELECT 1 AS one FROM second").await.is_err(), "nothing was applied");

    let told = status(&config).await.expect("a status is told");
    let of_module: Vec<_> = told
        .applied
        .iter()
        .filter(|one| one.module == MODULE)
        .map(|one| (one.version, one.name.as_str(), one.applied_at))
        .collect();
    assert_eq!(of_module, [(1, "first", at(5)), (3, "third", at(5))]);
}

/// Several processes that start at once apply each migration once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_apply_each_migration_once() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let first = open(&config).await;
    let slow =
        Migration { version: 4, name: "slow", sql: "CREATE TABLE slow (id BIGINT); SELECT pg_sleep(0.05)" };
    let migrating: Vec<_> = (0..6)
        .map(|_| {
            let config = config.clone();
            tokio::spawn(
                async move { open(&config).await.migrate(MODULE, &[FIRST, THIRD, slow], at(1)).await },
            )
        })
        .collect();
    for one in migrating {
        one.await.expect("a task ends").expect("everybody finds them applied");
    }
    query(first.as_ref(), "SELECT id FROM slow").await.expect("its table is there");
}

/// A process that may not apply anything says what is missing, and goes on where nothing is.
#[tokio::test]
async fn a_module_s_missing_migration_is_told_where_it_may_not_be_applied() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let owner = open(&config).await;
    let app = open(&PostgresConfig { auto_migrate: false, ..config }).await;
    let refused = app.migrate(MODULE, &[FIRST], at(1)).await;
    assert!(problem(refused).contains("auto_migrate"));
    owner.migrate(MODULE, &[FIRST], at(2)).await.expect("a migration is applied");
    app.migrate(MODULE, &[FIRST], at(3)).await.expect("nothing is missing");
}

/// Tables that change under a running process, as in a rolling upgrade: what it has prepared is of no use any more, and
/// nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tables_may_change_under_a_running_process() {
    let Some(url) = url() else { return };
    let config = PostgresConfig { connections_max: 2, ..fresh(&url) };
    let store = open(&config).await;
    make_counter(&store).await;
    let all = || vec![execute("SELECT * FROM counter"), execute("UPDATE counter SET n = n + 1 WHERE id = 1")];
    for _ in 0..4 {
        run_for(&store, all(), Default::default()).await.expect("a work commits");
    }
    let wider = Migration { version: 1, name: "wider", sql: "ALTER TABLE counter ADD COLUMN note TEXT" };
    open(&config).await.migrate("other", &[wider], at(1)).await.expect("a migration is applied");
    for _ in 0..4 {
        run_for(&store, all(), Default::default()).await.expect("a work runs again on a new connection");
    }
    assert_eq!(counter(&store).await, 8);
}
