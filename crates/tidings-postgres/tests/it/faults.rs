//! A network that fails.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{Inspect as _, JobStore as _, Limits, Member, Store as _, StoreError};
use tidings_postgres::{PostgresConfig, PostgresStore};
use tidings_testkit::proxy::{CutAt, Proxy};
use tidings_testkit::script::{Gate, Op};

use crate::support::*;

/// With the end of the message: READ COMMITTED is another.
const COMMIT: &[u8] = b"COMMIT\0";
const BUMP: &str = "UPDATE counter SET n = n + 1 WHERE id = 1";

/// A store behind a proxy, and the same without one, to see what really happened.
async fn behind_proxy(
    change: impl FnOnce(&mut PostgresConfig),
) -> Option<(Arc<PostgresStore>, Proxy, Arc<PostgresStore>)> {
    let url = url()?;
    let proxy = Proxy::to(address(&url).await).await.expect("a proxy");
    let direct = fresh(&url);
    let mut config = PostgresConfig { url: through(&url, proxy.address()).into(), ..direct.clone() };
    change(&mut config);
    let (direct, store) = (open(&direct).await, open(&config).await);
    make_counter(&direct).await;
    Some((store, proxy, direct))
}

fn bump() -> Vec<Op> {
    vec![execute(BUMP), Op::Append(vec![event("1")])]
}

/// Connections that were cut while they were idle trouble nobody, however many.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_cut_while_idle_are_replaced() {
    let Some((store, proxy, direct)) = behind_proxy(|_| {}).await else { return };
    for round in 0..3 {
        let works: Vec<_> = (0..5)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { run_for(&store, bump(), Limits::default()).await })
            })
            .collect();
        for work in works {
            work.await.expect("a task ends").expect("a work commits");
        }
        assert_eq!(counter(&direct).await, 5 * (round + 1));
        proxy.cut();
    }
}

/// A work whose connection is cut in the middle runs again, and counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_work_that_is_cut_runs_again() {
    let Some((store, proxy, direct)) = behind_proxy(|_| {}).await else { return };
    let gate = Gate::new();
    let ops = [bump(), vec![Op::Gate(gate.clone()), execute(BUMP)]].concat();
    let running = {
        let store = store.clone();
        tokio::spawn(async move { run_for(&store, ops, Limits::default()).await })
    };
    gate.reached().await;
    proxy.cut();
    gate.open();
    running.await.expect("a task ends").expect("it runs again");
    assert_eq!(counter(&direct).await, 2, "and counts once");
    assert_eq!(keys(&direct).await.len(), 1);
}

/// Where it may not run again it says what happened, as something that passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_work_that_is_cut_and_may_not_run_again_is_told() {
    let Some((store, proxy, direct)) = behind_proxy(|config| config.reruns_max = 0).await else { return };
    for bytes in ["UPDATE counter", "INSERT INTO tidings_log"] {
        proxy.cut_at(CutAt::After(bytes.as_bytes()));
        let cut = run_for(&store, bump(), Limits::default()).await;
        assert!(matches!(&cut, Err(error @ StoreError::Busy { .. }) if error.is_transient()), "{cut:?}");
        assert!(proxy.has_cut());
        // Also where the work makes nothing of it.
        proxy.cut_at(CutAt::After(bytes.as_bytes()));
        let swallowed: Vec<_> = bump().into_iter().map(|op| Op::Swallow(Box::new(op))).collect();
        let cut = run_for(&store, swallowed, Limits::default()).await;
        assert!(matches!(&cut, Err(StoreError::Busy { .. })), "{cut:?}");
    }
    assert_eq!((counter(&direct).await, keys(&direct).await.len()), (0, 0), "nothing was written");
    run_for(&store, bump(), Limits::default()).await.expect("the store goes on");
}

/// A commit without an answer is unknown, whether it happened or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_without_an_answer_is_unknown() {
    let Some((store, proxy, direct)) = behind_proxy(|_| {}).await else { return };
    for (at, committed) in [(CutAt::Before(COMMIT), 0), (CutAt::After(COMMIT), 1)] {
        proxy.cut_at(at.clone());
        let unknown = run_for(&store, bump(), Limits::default()).await;
        assert!(
            matches!(&unknown, Err(StoreError::Unknown { work }) if work == "listener `test.one`"),
            "{at:?}: {unknown:?}"
        );
        assert_eq!(counter(&direct).await, committed, "{at:?}");
        assert_eq!(keys(&direct).await.len() as i64, committed, "{at:?}");
    }
    run_for(&store, bump(), Limits::default()).await.expect("the store goes on");
}

/// A network that swallows what is sent holds nobody for longer than he can wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_silent_network_holds_nobody_for_ever() {
    let within = Duration::from_millis(300);
    let short = |config: &mut PostgresConfig| {
        (config.answer_timeout, config.acquire_timeout, config.reruns_max) = (within, within, 0);
        config.connections_max = 3;
    };
    let Some((store, proxy, direct)) = behind_proxy(short).await else { return };
    let gate = Gate::new();
    let held = {
        let (store, gate) = (store.clone(), gate.clone());
        let ops = [bump(), vec![Op::Gate(gate)]].concat();
        tokio::spawn(async move { run_for(&store, ops, Limits::default()).await })
    };
    gate.reached().await;
    proxy.swallow(true);
    gate.open();
    let silent = async {
        let commit = held.await.expect("a task ends");
        assert!(matches!(commit, Err(StoreError::Unknown { .. })), "a commit without an answer: {commit:?}");
        let limits = Limits { budget: within, wait: Some(within) };
        let work = run_for(&store, bump(), limits).await;
        assert!(work.is_err(), "a work that gets no answer: {work:?}");
        let question = hold(&store, "nobody").await;
        assert!(
            matches!(&question, Err(error) if error.is_transient()),
            "a question without an answer: {question:?}"
        );
    };
    tokio::time::timeout(Duration::from_secs(20), silent).await.expect("nobody is held for ever");
    proxy.swallow(false);
    proxy.cut();
    let recovered = async {
        while run_for(&store, bump(), Limits::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, recovered).await.expect("the store recovers");
    assert!(counter(&direct).await >= 1);
}

/// A network that has forgotten all connections, as a firewall does that was restarted, keeps nobody away for good: what hangs on
/// them is given up, and so are they.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_the_network_has_forgotten_are_given_up() {
    let within = Duration::from_millis(300);
    let short = |config: &mut PostgresConfig| {
        (config.answer_timeout, config.acquire_timeout, config.reruns_max) = (within, within, 0);
        (config.connections_max, config.listen) = (3, false);
    };
    let Some((store, proxy, _direct)) = behind_proxy(short).await else { return };
    let member = Member::named("a process");
    let worker = store.enlist(&member, Duration::from_secs(60)).await.expect("a worker is entered");
    // Every connection of the pool is used, and known, and that of heartbeats.
    let looks = (0..6).map(|_| store.suspects(&[], &[]));
    for look in futures_util::future::join_all(looks).await {
        look.expect("a question is answered");
    }
    store.heartbeat(worker).await.expect("it is live");
    proxy.forget();
    let questions = async {
        for round in 0..6 {
            let looks = futures_util::future::join_all((0..3).map(|_| store.suspects(&[], &[])));
            let (beat, looks) = futures_util::future::join(store.heartbeat(worker), looks).await;
            let answers: Vec<_> =
                looks.into_iter().map(|look| look.map(drop)).chain([beat.map(drop)]).collect();
            if answers.iter().all(Result::is_ok) {
                return;
            }
            assert!(round < 5, "it does not come back: {answers:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), questions).await.expect("nobody is held for ever");
    run_for(&store, bump(), Limits::default()).await.expect("the store goes on");
}

/// Heartbeats have a connection of their own: a pool that is exhausted keeps none away, one that was cut is replaced at once, and
/// it goes with the store.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heartbeats_wait_for_no_work() {
    let one = |config: &mut PostgresConfig| {
        (config.connections_max, config.listen) = (1, false);
        config.application_name = "of heartbeats".to_owned();
    };
    let Some((store, proxy, direct)) = behind_proxy(one).await else { return };
    let worker = store.enlist(&Member::named("a process"), PATIENCE).await.expect("a worker is entered");
    let gate = Gate::new();
    let held = {
        let (store, gate) = (store.clone(), gate.clone());
        tokio::spawn(async move { run_for(&store, [Op::Gate(gate)], Limits::default()).await })
    };
    gate.reached().await;
    let beats = async {
        for _ in 0..3 {
            store.heartbeat(worker).await.expect("its lease is renewed while the pool is exhausted");
        }
    };
    tokio::time::timeout(Duration::from_secs(5), beats).await.expect("a heartbeat waits for no work");
    gate.open();
    held.await.expect("a task ends").expect("a work commits");
    for _ in 0..3 {
        proxy.cut();
        store.heartbeat(worker).await.expect("a connection that was cut is replaced at once");
    }
    store.close().await.expect("a store closes");
    assert!(matches!(store.heartbeat(worker).await, Err(StoreError::Closed)), "and then it is closed");
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'of heartbeats'";
    let all_gone = async {
        while tidings_testkit::script::query(direct.as_ref(), sql).await.expect("a query")[0]
            .get::<i64>("n")
            .ok()
            != Some(0)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_gone).await.expect("no connection is left open");
}

/// While nobody is let in, one waits as long as one may, and is told; afterwards all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_lets_nobody_in_is_waited_for() {
    let Some((store, proxy, direct)) = behind_proxy(|_| {}).await else { return };
    proxy.refuse(true);
    proxy.cut();
    let limits = Limits { wait: Some(Duration::from_millis(200)), ..Limits::default() };
    let refused = run_for(&store, bump(), limits).await;
    assert!(matches!(&refused, Err(error) if error.is_transient()), "{refused:?}");
    assert!(matches!(store.consumers().await, Err(error) if error.is_transient()));
    proxy.refuse(false);
    run_for(&store, bump(), Limits::default()).await.expect("the store goes on");
    assert_eq!(counter(&direct).await, 1);
}

/// All connections are busy: whoever comes is told what he has waited for, and one's turn comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_exhausted_pool_is_told() {
    let Some(url) = url() else { return };
    let store = open(&PostgresConfig { connections_max: 2, ..fresh(&url) }).await;
    make_counter(&store).await;
    let gates = [Gate::new(), Gate::new()];
    let holding: Vec<_> = gates
        .iter()
        .map(|gate| {
            let (store, ops) = (store.clone(), vec![Op::Gate(gate.clone())]);
            tokio::spawn(async move { run_for(&store, ops, Limits::default()).await })
        })
        .collect();
    for gate in &gates {
        gate.reached().await;
    }
    let limits = Limits { wait: Some(Duration::from_millis(100)), ..Limits::default() };
    let late = run_for(&store, bump(), limits).await;
    let told = matches!(&late, Err(StoreError::Timeout { waited_for: Some(what), .. }) if what.contains("connections_max"));
    assert!(told, "{late:?}");
    let patient = {
        let store = store.clone();
        tokio::spawn(async move { run_for(&store, bump(), Limits::default()).await })
    };
    gates.iter().for_each(Gate::open);
    patient.await.expect("a task ends").expect("its turn comes");
    for held in holding {
        held.await.expect("a task ends").expect("it commits");
    }
    assert_eq!(counter(&store).await, 1, "who was refused has written nothing");
}

/// A transaction in which nothing happens is ended by the server, so that a process that stands still holds no locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_that_stands_still_is_ended_by_the_server() {
    let Some(url) = url() else { return };
    let idle = Duration::from_millis(100);
    let config = PostgresConfig { idle_in_transaction_max: idle, reruns_max: 0, ..fresh(&url) };
    let store = open(&config).await;
    make_counter(&store).await;
    // Within its budget a work may stand still: the store asks the server for as much.
    let ops = vec![execute(BUMP), Op::Linger(4 * idle), execute(BUMP)];
    run_for(&store, ops, Limits::default()).await.expect("it commits");
    assert_eq!(counter(&store).await, 2);
    let sql = "SELECT current_setting('idle_in_transaction_session_timeout') AS bound";
    let rows = tidings_testkit::script::query(store.as_ref(), sql).await.expect("a query");
    assert_eq!(rows[0].get::<String>("bound").as_deref(), Ok("7s"), "its budget of 5 s, and a little more");
}

/// The server's own trouble is told as such, blames no work, and passes.
#[tokio::test]
async fn the_server_s_trouble_is_told_as_such() {
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    make_counter(&store).await;
    let raise = |code: &str| -> &'static str {
        format!("DO $$ BEGIN RAISE EXCEPTION 'planned' USING ERRCODE = '{code}'; END $$").leak()
    };
    for code in ["53100", "53200", "58030", "XX001", "25006"] {
        let trouble = run_for(&store, [execute(BUMP), execute(raise(code))], Limits::default()).await;
        assert!(matches!(&trouble, Err(error) if error.is_trouble_of_the_store()), "{code}: {trouble:?}");
    }
    let full = run_for(&store, [execute(raise("53100"))], Limits::default()).await;
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    // A read that writes is at fault itself.
    let work = tidings_testkit::script::Script::named("a query", [execute(BUMP)]);
    let refused = store.read(Arc::new(work), Limits::default()).await;
    assert!(
        matches!(&refused, Err(StoreError::Sql { context, .. }) if context.contains("may not write")),
        "{refused:?}"
    );
    assert_eq!(counter(&store).await, 0);
    run_for(&store, bump(), Limits::default()).await.expect("the store goes on");
}
