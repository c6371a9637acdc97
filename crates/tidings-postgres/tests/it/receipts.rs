//! Receipts that become stable, and what they say then.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tidings_core::envelope::Position;
use tidings_core::store::{Holding, Inspect as _, Limits, Receipt, Retention, Store as _};
use tidings_postgres::{PostgresConfig, PostgresStore};
use tidings_testkit::script::{Gate, Op, query, run};

use crate::support::*;

const NAME: &str = "slow";

/// Handles what there is, at a time.
async fn handle(store: &PostgresStore, holding: &mut Holding, seconds: i64) -> Vec<i64> {
    let filter = spec(NAME).filter;
    let mut positions = Vec::new();
    loop {
        let batch = store.read_after(&holding.cursor, &filter, 100).await.expect("a batch is read");
        holding.cursor = batch.next.clone();
        positions.extend(batch.messages.iter().map(|message| message.position.0));
        if batch.at_end {
            break;
        }
    }
    let receipt = positions.first().map(|first| Receipt {
        first: Position(*first),
        last: Position(*positions.last().expect("there is a first")),
        count: u32::try_from(positions.len()).expect("few"),
        at: at(seconds),
    });
    run(store, [Op::Advance(holding.lease.clone(), holding.cursor.clone(), receipt)])
        .await
        .expect("a batch commits");
    positions
}

/// When each of the first messages was handled.
async fn handled(store: &PostgresStore, count: i64) -> Vec<Option<i64>> {
    let mut times = Vec::new();
    for position in 1..=count {
        let receipt = store.receipt(NAME, Position(position)).await.expect("a receipt is looked up");
        times.push(receipt.map(|receipt| receipt.at.duration_since(at(0)).as_secs()));
    }
    times
}

async fn young(store: &PostgresStore) -> i64 {
    let sql = "SELECT count(*) AS n FROM tidings_receipts WHERE from_cursor IS NOT NULL";
    query(store, sql).await.expect("receipts are counted")[0].get("n").expect("a number")
}

/// Other tests' transactions are open, too, so it may take a round more.
async fn make_stable(store: &PostgresStore, retention: &Retention) {
    let stable = async {
        loop {
            store.maintain(retention, at(1_000)).await.expect("maintenance runs");
            if young(store).await == 0 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, stable).await.expect("receipts become stable");
}

/// Two transactions whose positions lie between each other's, handled one after the other. While the first is open the
/// receipt of the second stays young, also when it is the only thing there; then each says exactly what it covered, when
/// they are stable, when the messages are gone, and when they are merged.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn receipts_of_interleaved_transactions_stay_exact() {
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    store.register(&spec(NAME), at(0)).await.expect("a consumer is registered");
    let mut holding = hold(&store, NAME).await.expect("a consumer is held");
    let append = |key: &str| Op::Append(vec![event(key)]);
    run(store.as_ref(), [append("1")]).await.expect("an append commits");
    assert_eq!(handle(&store, &mut holding, 1).await, [1]);

    // 2 and 4 in a transaction that stays open, 3 and 5 in one that commits.
    let (first, second, end) = (Gate::new(), Gate::new(), Gate::new());
    let opened =
        start(&store, vec![append("2"), Op::Gate(first.clone()), append("4"), Op::Gate(end.clone())]);
    first.reached().await;
    let other = start(&store, vec![append("3"), Op::Gate(second.clone()), append("5")]);
    second.reached().await;
    first.open();
    end.reached().await;
    second.open();
    other.await.expect("a task ends").expect("it commits");
    assert_eq!(handle(&store, &mut holding, 2).await, [3, 5]);

    let keep = Retention { age_max: Duration::from_secs(100_000), ..Retention::default() };
    store.maintain(&keep, at(1_000)).await.expect("maintenance runs");
    assert!(young(&store).await > 0, "what may still come between its positions keeps a receipt young");
    assert_eq!(handled(&store, 5).await, [Some(1), None, Some(2), None, Some(2)]);
    let tight = Retention { messages_max: 0, age_max: Duration::from_secs(1), ..Retention::default() };
    store.maintain(&tight, at(1_000)).await.expect("maintenance runs");
    assert_eq!(
        handled(&store, 5).await,
        [Some(1), None, Some(2), None, Some(2)],
        "nothing that a young one needs goes"
    );

    end.open();
    opened.await.expect("a task ends").expect("it commits");
    assert_eq!(
        handled(&store, 5).await,
        [Some(1), None, Some(2), None, Some(2)],
        "committed, and not read yet"
    );
    assert_eq!(handle(&store, &mut holding, 3).await, [2, 4]);
    let all = [Some(1), Some(3), Some(2), Some(3), Some(2)];
    assert_eq!(handled(&store, 5).await, all, "young");
    make_stable(&store, &keep).await;
    assert_eq!(handled(&store, 5).await, all, "stable");

    // The two that lie first are merged, [1] and [2, 4] without 3.
    let two = Retention { receipts_max: 2, ..keep };
    let merged = store.maintain(&two, at(1_000)).await.expect("maintenance runs").receipts_merged;
    assert_eq!(merged, 1);
    assert_eq!(
        handled(&store, 5).await,
        [Some(3), Some(3), Some(2), Some(3), Some(2)],
        "merged, but for the hole"
    );
    make_stable(&store, &tight).await;
    assert_eq!(store.counts().await.expect("messages are counted"), [], "all messages are gone");
    assert_eq!(
        handled(&store, 5).await,
        [Some(3), Some(3), Some(2), Some(3), Some(2)],
        "their receipts are not"
    );
    let one = Retention { receipts_max: 1, ..tight };
    store.maintain(&one, at(1_000)).await.expect("maintenance runs");
    assert_eq!(handled(&store, 5).await, [Some(3); 5], "the hole is filled");
    let status = store.consumers().await.expect("consumers are listed");
    assert_eq!(status[0].handled, 5, "the number of handled messages stays");
}

fn start(
    store: &Arc<PostgresStore>,
    ops: Vec<Op>,
) -> tokio::task::JoinHandle<Result<(), tidings_core::store::StoreError>> {
    let store = store.clone();
    let limits = Limits { budget: PATIENCE, wait: None };
    tokio::spawn(async move { run_for(&store, ops, limits).await })
}

/// Many processes maintain at the same time, and what they delete and merge they count once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_maintain_one_database() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let store = open(&config).await;
    store.register(&spec(NAME), at(0)).await.expect("a consumer is registered");
    let mut holding = hold(&store, NAME).await.expect("a consumer is held");
    for round in 0..12 {
        let messages = (0..300).map(|number| event(&number.to_string())).collect();
        run(store.as_ref(), [Op::Append(messages)]).await.expect("an append commits");
        handle(&store, &mut holding, round).await;
    }
    let retention = Retention {
        messages_max: 100,
        receipts_max: 3,
        age_max: Duration::from_secs(100_000),
        ..Retention::default()
    };
    let rounds = async {
        let mut deleted = 0;
        while deleted < 3_500 {
            let mut maintaining = Vec::new();
            for _ in 0..4 {
                let (store, retention) = (open(&config).await, retention.clone());
                maintaining.push(tokio::spawn(async move { store.maintain(&retention, at(1_000)).await }));
            }
            for one in maintaining {
                deleted += one.await.expect("a task ends").expect("maintenance runs").messages_deleted;
            }
        }
        deleted
    };
    let deleted = tokio::time::timeout(PATIENCE, rounds).await.expect("everything goes that may go");
    assert_eq!(deleted, 3_500, "each message is deleted once");
    let done = store.maintain(&retention, at(1_000)).await.expect("maintenance runs");
    assert_eq!((done.messages, done.messages_deleted), (100, 0));
}

/// Of a consumer with several partitions each message is told by the receipt of its own, young, stable, merged and gone; what
/// one partition has not read holds back its own messages and those behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn receipts_and_retention_know_partitions() {
    use tidings_core::store::{ConsumerSpec, Filter, JobStore as _, Member};
    const PARTITIONS: u16 = 3;
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    let spec = ConsumerSpec { partitions: PARTITIONS, ..spec(NAME) };
    assert_eq!(store.register(&spec, at(0)).await.expect("a consumer is registered"), PARTITIONS);
    let messages: Vec<_> = (0..60).map(|number| event(&number.to_string())).collect();
    run(store.as_ref(), [Op::Append(messages)]).await.expect("an append commits");
    let worker = store.enlist(&Member::named("a test"), PATIENCE).await.expect("a worker is entered");
    let mut expected = vec![None; 60];
    let retention = Retention { age_max: Duration::from_secs(1), ..Retention::default() };
    let keep = Retention { age_max: Duration::from_secs(100_000), ..Retention::default() };
    for index in 0..PARTITIONS {
        let mut holding = store.hold(NAME, index, worker).await.expect("a partition is held");
        let filter = Filter { part: holding.part, ..spec.filter.clone() };
        let seconds = i64::from(index) + 1;
        loop {
            // Small batches, so that there is something to merge.
            let batch = store.read_after(&holding.cursor, &filter, 4).await.expect("a batch is read");
            let to = batch.cursors.last().filter(|_| !batch.at_end).unwrap_or(&batch.next).clone();
            let positions: Vec<_> = batch.messages.iter().map(|message| message.position).collect();
            let receipt = positions.first().map(|first| Receipt {
                first: *first,
                last: positions[positions.len() - 1],
                count: u32::try_from(positions.len()).expect("few"),
                at: at(seconds),
            });
            run(store.as_ref(), [Op::Advance(holding.lease.clone(), to.clone(), receipt)])
                .await
                .expect("a batch commits");
            for position in positions {
                expected[usize::try_from(position.0).expect("positive") - 1] = Some(seconds);
            }
            holding.cursor = to;
            if batch.at_end {
                break;
            }
        }
        assert_told(&store, &expected, "young").await;
        make_stable(&store, &keep).await;
        assert_told(&store, &expected, "stable").await;
        // What all that have read it have passed goes only up to what another partition has not.
        store.maintain(&retention, at(1_000)).await.expect("maintenance runs");
    }
    assert!(expected.iter().all(Option::is_some), "what a partition has not read is kept for it");
    let one = Retention { receipts_max: 1, ..keep };
    make_stable(&store, &one).await;
    assert_told(&store, &expected, "merged").await;
    let stored = "SELECT count(*) AS n FROM tidings_receipts";
    let receipts: i64 = query(store.as_ref(), stored).await.expect("a query")[0].get("n").expect("a number");
    assert_eq!(receipts, i64::from(PARTITIONS), "one for each partition is left");
    store.maintain(&retention, at(1_000)).await.expect("maintenance runs");
    assert_eq!(store.counts().await.expect("messages are counted"), [], "everybody has passed everything");
    assert!(handled(&store, 60).await.iter().all(Option::is_some), "and what was handled is still told");
    assert_eq!(store.consumers().await.expect("consumers are listed")[0].handled, 60);
}

/// Of each message that is still there it is told when it was handled. (Of one that is gone nobody knows the partition.)
async fn assert_told(store: &PostgresStore, expected: &[Option<i64>], when: &str) {
    let there = query(store, "SELECT position FROM tidings_log").await.expect("a query");
    let told = handled(store, 60).await;
    for row in there {
        let position: usize = row.get::<i64>("position").expect("a number").try_into().expect("positive");
        assert_eq!(told[position - 1], expected[position - 1], "{when}: {position}");
    }
}

/// Messages of four partitions in turn, eight for each receipt.
const MESSAGES: &str = "
INSERT INTO tidings_log (slot, id, kind, name, version, source, time, correlation_id, data)
SELECT i % 4, gen_random_uuid(), 'event', 'orders.placed', 1, 'test', i, gen_random_uuid(), '{}'
FROM generate_series(1, 8 * $1) AS i";

/// One partition has handled two of each eight, so that other partitions' messages lie within its receipts and between them.
const RECEIPTS: &str = "
INSERT INTO tidings_receipts (consumer, partition, first, last, count, at, life)
SELECT 'slow', 0, place.first + 8 * i, place.first + 8 * i + 4, 2, i, 1
FROM (SELECT max(position) - 8 * $1 + 4 AS first FROM tidings_log) AS place, generate_series(0, $1 - 1) AS i";

/// Merging costs what it merges: rows that the server looks at, for each receipt, are as few for many receipts as for some.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merging_looks_at_what_it_merges() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let store = open(&config).await;
    let spec = tidings_core::store::ConsumerSpec { partitions: 4, ..spec(NAME) };
    store.register(&spec, at(0)).await.expect("a consumer is registered");
    let mut connection = connect(&url, &config).await;
    let mut looked = Vec::new();
    for receipts in [100_i32, 2_000] {
        for sql in [MESSAGES, RECEIPTS] {
            sqlx::query(sql).bind(receipts).execute(&mut connection).await.expect("rows are written");
        }
        // Without statistics the planner takes another way, also when it is asked wrongly.
        sqlx::raw_sql("ANALYZE tidings_log, tidings_receipts, tidings_reads")
            .execute(&mut connection)
            .await
            .expect("statistics are taken");
        let sql =
            concat!("EXPLAIN (ANALYZE, FORMAT JSON) ", include_str!("../../queries/receipts_merge.sql"));
        let merge = sqlx::query_scalar(sql).bind(NAME).bind(i64::from(receipts));
        let plan: serde_json::Value = merge.fetch_one(&mut connection).await.expect("receipts are merged");
        looked.push(rows_of(&plan[0]["Plan"]) / f64::from(receipts));
    }
    assert!(looked[1] < 2.0 * looked[0] && looked[1] < 100.0, "rows for each receipt: {looked:?}");
}

/// As many young receipts as messages, all behind the oldest thousand.
const YOUNG: &str = "
INSERT INTO tidings_receipts (consumer, partition, first, last, count, at, life, from_cursor, to_cursor)
SELECT 'slow', 0, 1000 + i, 1000 + i, 1, i, 1, '1:1:~1:1:~0', '1:1:~1:1:~0' FROM generate_series(1, 8 * $1) AS i";

/// Deleting costs what it deletes, however many receipts wait to become stable; and as many become stable as one asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retention_looks_at_what_it_deletes() {
    let Some(url) = url() else { return };
    let config = fresh(&url);
    let store = open(&config).await;
    store.register(&spec(NAME), at(0)).await.expect("a consumer is registered");
    let mut connection = connect(&url, &config).await;
    for sql in [MESSAGES, YOUNG] {
        sqlx::query(sql).bind(2_000).execute(&mut connection).await.expect("rows are written");
    }
    // Past all messages.
    let passed = "
        UPDATE tidings_partitions SET cursor = pg_current_snapshot()::text || '~' || pg_current_snapshot()::text || '~0';
        UPDATE tidings_runtime SET counted = pg_current_snapshot()::text, mark = 1000000;
        ANALYZE tidings_log, tidings_receipts, tidings_partitions";
    sqlx::raw_sql(passed).execute(&mut connection).await.expect("rows are changed");
    let sql = concat!(
        "EXPLAIN (ANALYZE, FORMAT JSON) ",
        include_str!("../../queries/retention_delete_messages.sql")
    );
    let delete = sqlx::query_scalar(sql).bind(i64::MIN).bind(1_000_i64).bind(i64::MIN).bind(1_000_i64);
    let plan: serde_json::Value = delete.fetch_one(&mut connection).await.expect("messages are deleted");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM tidings_log")
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!(left, 15_000);
    let looked = rows_of(&plan[0]["Plan"]) / 1_000.0;
    assert!(looked < 50.0, "rows for each message: {looked}");

    let sql =
        concat!("EXPLAIN (ANALYZE, FORMAT JSON) ", include_str!("../../queries/receipts_make_stable.sql"));
    let make = sqlx::query_scalar(sql).bind(200_i64);
    let plan: serde_json::Value = make.fetch_one(&mut connection).await.expect("receipts become stable");
    let looked = rows_of(&plan[0]["Plan"]) / 200.0;
    assert!(looked < 50.0, "rows for each receipt: {looked}");
}

async fn connect(url: &str, config: &PostgresConfig) -> PgConnection {
    let schema = config.schema.as_deref().expect("a schema of its own");
    let options = PgConnectOptions::from_str(url).expect("a URL").options([("search_path", schema)]);
    PgConnection::connect_with(&options).await.expect("the server is there")
}

/// All rows that the nodes of a plan have had, those that they dropped included.
fn rows_of(plan: &serde_json::Value) -> f64 {
    let number = |field: &str| plan[field].as_f64().unwrap_or(0.0);
    let removed = number("Rows Removed by Filter") + number("Rows Removed by Join Filter");
    let below = plan["Plans"].as_array().into_iter().flatten().map(rows_of).sum::<f64>();
    number("Actual Loops") * (number("Actual Rows") + removed) + below
}
