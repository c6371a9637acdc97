//! The application that is killed. Its one argument is a [`Plan`] as JSON.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use tidings::{App, Command, Config, SendError};
use tidings_core::error::chain;
use tidings_core::store::{JobState, Store};
use tidings_kill_tests::app::{self, Entry, Fate, Hand, Provider, Record, RecordTyped, Way};
use tidings_kill_tests::plan::{CallerPlan, Durability, Plan, Twin, Until};
use tidings_kill_tests::random::mix;
use tidings_kill_tests::twins;
use tidings_kill_tests::words::{Word, say};
use tidings_sqlite::{SqliteConfig, SqliteStore, Synchronous};
use tokio::sync::watch;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let argument = std::env::args().nth(1).ok_or("the argument is a plan, as JSON")?;
    let plan: Plan = serde_json::from_str(&argument)?;
    // Planted panics are part of the plan, and would only hide others among their words.
    std::panic::set_hook(Box::new(|panic| {
        if !panic.payload().downcast_ref::<&str>().is_some_and(|text| text.contains("planted")) {
            let _nobody_listens = writeln!(std::io::stderr(), "{panic}");
        }
    }));
    Fate::decide(&plan);
    Provider::is_at(plan.provider, plan.twin == Some(Twin::KeyPerAttempt));
    match start(&plan).await {
        Ok(app) => live(app, plan).await,
        Err(error) => {
            say(&Word::Refused(chain(error.as_ref())));
            Err(error)
        }
    }
}

async fn start(plan: &Plan) -> Result<App, Failure> {
    let mut sqlite = SqliteConfig::new(&plan.database);
    sqlite.vfs.clone_from(&plan.vfs);
    sqlite.synchronous = match plan.durability {
        Durability::Full => Synchronous::Full,
        Durability::Normal => Synchronous::Normal,
    };
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(sqlite).await?);
    let store = plan.twin.map_or(store.clone(), |twin| twins::plant(twin, store));
    if plan.freeze.is_some() {
        let first = (plan.clone(), store.clone());
        std::thread::spawn(move || run_until_frozen(&first.0, first.1));
        tokio::task::spawn_blocking(Fate::wait_for_frost).await?;
    }
    build(plan, store).await
}

async fn build(plan: &Plan, store: Arc<dyn Store>) -> Result<App, Failure> {
    let modules = app::modules().into_iter().filter(|(name, _)| !plan.without.iter().any(|out| out == name));
    let app =
        App::builder().modules(modules.map(|(_, module)| module)).config(config(plan)?).store(store).build();
    Ok(app.await?)
}

/// An application beside the one that takes commands, with a runtime of one thread, so that a frozen handler freezes all
/// of it, its heartbeats too. It ends with the process.
fn run_until_frozen(plan: &Plan, store: Arc<dyn Store>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            let _app = build(plan, store).await?;
            std::future::pending::<Result<(), Failure>>().await
        })
    });
    if let Err(error) = ran {
        say(&Word::Refused(chain(error.as_ref())));
        std::process::exit(1);
    }
}

/// Retries that come soon, and enough of them that chance alone makes no dead letter and no dead job.
fn config(plan: &Plan) -> Result<Config, Failure> {
    let tiers = vec!["0.02"; 40].join(", ");
    let text = format!(
        "[listeners]\nretry_seconds = [{tiers}]\njitter_percent = 50\n[jobs]\nretry_seconds = [{tiers}]\njitter_percent = 50\n"
    );
    let mut config = Config::from_parts(Some(&text), [])?;
    config.store.lease_seconds = plan.lease_seconds;
    config.jobs.kills_max = plan.kills_max.unwrap_or(u32::MAX);
    if plan.freeze.is_some() {
        // So that the frozen runtime has nothing else under way, the one transaction of another charge for example.
        config.queues.entry("charges".to_owned()).or_default().concurrency = Some(1);
    }
    if plan.twin.is_some() {
        // A twin may rehearse a batch: the performance must not end earlier or later for lack of time.
        config.listeners.slice_ms = config.store.write_budget_ms;
    }
    Ok(config)
}

async fn live(app: App, plan: Plan) -> Result<(), Failure> {
    say(&Word::Ready);
    let (stop, stopped) = watch::channel(false);
    let mut callers = JoinSet::new();
    let hand = Hand::new(&app, own_connections(&plan))?;
    for caller in plan.callers.clone() {
        let desk = Desk { app: app.clone(), hand: hand.clone() };
        callers.spawn(call(desk, caller, plan.last_seq, stopped.clone()));
    }
    match plan.until {
        Until::Told => told().await,
        Until::Settled => {
            while callers.join_next().await.is_some() {}
            settle(&app).await?;
            say(&Word::Settled);
        }
    }
    say(&Word::Stopping);
    // Some callers still wait for their answers: a stop in order lets running work end.
    let ended = app.shutdown().await;
    stop.send_replace(true);
    while callers.join_next().await.is_some() {}
    Ok(ended?)
}

/// What a user's own connections to the same file are opened with.
fn own_connections(plan: &Plan) -> SqliteConnectOptions {
    let synchronous = match plan.durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Normal => SqliteSynchronous::Normal,
    };
    let options = SqliteConnectOptions::new().filename(&plan.database).synchronous(synchronous);
    match &plan.vfs {
        Some(vfs) => options.vfs(vfs.clone()),
        None => options,
    }
}

/// Returns when standard input ends.
async fn told() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let read = std::io::stdin().read_to_end(&mut rest);
        drop((end, read));
    });
    let _gone = ended.await;
}

/// Sends one command after the other, each until it is acknowledged.
async fn call(desk: Desk, caller: CallerPlan, last: Option<i64>, stopped: watch::Receiver<bool>) {
    let mut seq = caller.next_seq;
    while !*stopped.borrow() && last.is_none_or(|last| seq <= last) {
        let account = caller.account.clone();
        if ask(&desk, &account, seq).await {
            // Asking again must give the same answer, and do nothing.
            if mix(seq.unsigned_abs()).is_multiple_of(10) {
                ask(&desk, &account, seq).await;
            }
            seq += 1;
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Where a caller is served.
struct Desk {
    app: App,
    hand: Hand,
}

async fn ask(desk: &Desk, account: &str, seq: i64) -> bool {
    let (word, is_acknowledged) = match desk.serve(account, seq).await {
        Ok(Some(event_id)) => (Word::Done { account: account.to_owned(), seq, event_id }, true),
        Ok(None) => (Word::Rejected { account: account.to_owned(), seq }, true),
        Err(error) => {
            (Word::Failed { account: account.to_owned(), seq, error: chain(error.as_ref()) }, false)
        }
    };
    say(&word);
    is_acknowledged
}

impl Desk {
    /// The id of the event that came of it; nothing if the entry was refused.
    async fn serve(&self, account: &str, seq: i64) -> Result<Option<String>, Failure> {
        let record = Record { account: account.to_owned(), seq, amount: seq % 100 };
        match Way::of(account) {
            Way::Command => self.command(record, account, seq).await,
            Way::TypedCommand => self.command(RecordTyped(record), account, seq).await,
            Way::Lent => self.hand.lent(account, seq, record.amount).await,
            Way::OwnPool => self.hand.pooled(account, seq, record.amount).await,
        }
    }

    async fn command<C>(&self, command: C, account: &str, seq: i64) -> Result<Option<String>, Failure>
    where
        C: Command<Output = Entry>,
    {
        let key = format!("{account}-{seq}");
        match self.app.send(command).caller("harness").idempotency_key(key).await {
            Ok(entry) => Ok(Some(entry.event_id)),
            Err(SendError::Rejected { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns when every message is handled, or dead, or waits behind a dead one, and every job has ended or is dead.
async fn settle(app: &App) -> Result<(), Failure> {
    // Jobs come from messages of callers, of whom there are none any more; what jobs publish enqueues nothing. So nothing
    // comes after the last of these three.
    settle_messages(app).await?;
    settle_jobs(app).await?;
    settle_messages(app).await
}

async fn settle_messages(app: &App) -> Result<(), Failure> {
    loop {
        let consumers = app.store().consumers().await?;
        let dead: u64 = consumers.iter().map(|consumer| consumer.dead).sum();
        let left: u64 = consumers.iter().map(|consumer| consumer.lag + consumer.retrying).sum();
        let behind: u64 = consumers.iter().map(|consumer| consumer.behind).sum();
        if left == 0 && (behind == 0 || dead > 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn settle_jobs(app: &App) -> Result<(), Failure> {
    let is_left = |state: &JobState| !state.is_final() && *state != JobState::Dead;
    loop {
        let queues = app.queues().list().await?;
        if !queues.iter().flat_map(|queue| &queue.jobs).any(|(state, count)| is_left(state) && *count > 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
