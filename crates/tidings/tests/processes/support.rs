//! Applications that share a schema of their own, and what they have done in it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres, Row as _, Transaction};
use tidings::store::{Crew, Migration};
use tidings::{App, BuildError, Config, Ctx, Error, MessageId, Module, Reads, Result, sql};
use tidings_postgres::{PostgresConfig, PostgresStore};

pub(crate) mod contracts {
    tidings::contracts!("tests/it/schemas");
}
use contracts::counters::{Bumped, Reset};

pub(crate) const NOTE: &str = "audit.note";
pub(crate) const OTHER: &str = "audit.other";

#[derive(Debug, Reads)]
#[reads("counters.bumped", versions = "1", schemas = "tests/it/schemas")]
pub(crate) struct SomeBumped {
    pub(crate) counter: String,
    total: i64,
}

#[derive(Debug, Reads)]
#[reads("counters.reset", versions = "1", schemas = "tests/it/schemas")]
pub(crate) struct SomeReset {
    counter: String,
}

const TABLES: &str = "CREATE TABLE handled (seq bigint GENERATED ALWAYS AS IDENTITY, by_whom text, counter text, total bigint)";

pub(crate) async fn note_bumped(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    if event.counter.starts_with("garbage") {
        return Err(Error::permanent("it is garbage"));
    }
    note(ctx, "note", &event.counter, event.total).await
}

pub(crate) async fn note_reset(ctx: &mut Ctx, event: SomeReset) -> Result<()> {
    note(ctx, "note", &event.counter, 0).await
}

pub(crate) async fn other(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    note(ctx, "other", &event.counter, event.total).await
}

async fn note(ctx: &mut Ctx, by_whom: &str, counter: &str, total: i64) -> Result<()> {
    let insert = sql("INSERT INTO handled (by_whom, counter, total) VALUES ($1, $2, $3)");
    insert.bind(by_whom).bind(counter).bind(total).execute(ctx.tx()).await?;
    Ok(())
}

pub(crate) fn counters() -> Module {
    Module::new("counters").owns::<Bumped>().owns::<Reset>()
}

pub(crate) fn audit() -> Module {
    let tables = &[Migration { version: 1, name: "tables", sql: TABLES }];
    Module::new("audit").tables(["handled"]).migrations(tables)
}

/// The database that all processes of a test share.
pub(crate) struct World {
    url: String,
    schema: String,
    pool: PgPool,
}

impl World {
    /// A schema of its own; `None` if there is no server, which it says.
    pub(crate) async fn new() -> Option<Self> {
        let url = std::env::var("TIDINGS_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty());
        let Some(url) = url else {
            assert!(
                std::env::var_os("CI").is_none(),
                "TIDINGS_TEST_POSTGRES_URL is not set, and CI must not skip suites"
            );
            let note = "tests of several processes were NOT RUN: TIDINGS_TEST_POSTGRES_URL is not set";
            writeln!(std::io::stderr(), "{note}").expect("stderr takes a line");
            return None;
        };
        let pool = PgPool::connect(&url).await.unwrap();
        Some(Self { url, schema: format!("processes_{}", MessageId::new().0.simple()), pool })
    }

    /// The same in a database of its own, for who counts what happens in it; see [`drop_database`](Self::drop_database).
    pub(crate) async fn with_database() -> Option<Self> {
        let world = Self::new().await?;
        let make = format!("CREATE DATABASE {}", world.schema);
        sqlx::query(AssertSqlSafe(make)).execute(&world.pool).await.unwrap();
        let (server, rest) = world.url.rsplit_once('/').unwrap();
        let settings = rest.split_once('?').map_or(String::new(), |(_, settings)| format!("?{settings}"));
        Some(Self { url: format!("{server}/{}{settings}", world.schema), ..world })
    }

    pub(crate) async fn drop_database(self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.schema);
        sqlx::query(AssertSqlSafe(drop)).execute(&self.pool).await.unwrap();
    }

    /// A process: an application with a store of its own. Its lease is longer than any test if none is said.
    pub(crate) async fn process(
        &self,
        modules: impl IntoIterator<Item = Module>,
        lease_seconds: Option<f64>,
    ) -> std::result::Result<App, BuildError> {
        self.process_with(modules, |_, config| config.store.lease_seconds = lease_seconds.unwrap_or(600.0))
            .await
    }

    /// A process with settings of its own.
    pub(crate) async fn process_with(
        &self,
        modules: impl IntoIterator<Item = Module>,
        change: impl FnOnce(&mut PostgresConfig, &mut Config),
    ) -> std::result::Result<App, BuildError> {
        let mut of_store =
            PostgresConfig { schema: Some(self.schema.clone()), ..PostgresConfig::new(self.url.as_str()) };
        let mut config = Config::default();
        change(&mut of_store, &mut config);
        let store = Arc::new(PostgresStore::open(of_store).await.unwrap());
        App::builder().modules(modules).config(config).store(store).build().await
    }

    /// Transactions that the database of its own has seen.
    pub(crate) async fn transactions(&self) -> i64 {
        let sql = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1";
        sqlx::query(sql).bind(&self.schema).fetch_one(&self.pool).await.unwrap().get(0)
    }

    async fn connect(&self) -> PgConnection {
        let options = PgConnectOptions::from_str(&self.url).unwrap().options([("search_path", &self.schema)]);
        PgConnection::connect_with(&options).await.unwrap()
    }

    /// Runs statements in the schema.
    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.connect().await).await.unwrap();
    }

    /// Nobody else can use this table until it is rolled back.
    pub(crate) async fn lock(&self, table: &str) -> Transaction<'static, Postgres> {
        let mut tx = self.pool.begin().await.unwrap();
        let lock = format!("LOCK TABLE {}.{table}", self.schema);
        sqlx::query(AssertSqlSafe(lock)).execute(&mut *tx).await.unwrap();
        tx
    }

    pub(crate) async fn ask(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// Whoever connects from now on to the database of its own is told all plans. The role has to be a superuser.
    pub(crate) async fn explain_all(&self) {
        for setting in [
            "session_preload_libraries = 'auto_explain'",
            "auto_explain.log_min_duration = 0",
            "auto_explain.log_nested_statements = on",
            "auto_explain.log_format = json",
            "auto_explain.log_level = notice",
        ] {
            let set = format!("ALTER DATABASE {} SET {setting}", self.schema);
            sqlx::query(AssertSqlSafe(set)).execute(&self.pool).await.expect("the role is a superuser");
        }
    }

    /// What was handled, by whom and of which counter, in order.
    pub(crate) async fn handled(&self) -> BTreeMap<(String, String), Vec<i64>> {
        let sql = format!("SELECT by_whom, counter, total FROM {}.handled ORDER BY seq", self.schema);
        let mut handled: BTreeMap<_, Vec<i64>> = BTreeMap::new();
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.pool).await.unwrap() {
            handled.entry((row.get(0), row.get(1))).or_default().push(row.get(2));
        }
        handled
    }
}

/// Publishes the next of each of so many counters, so many times.
pub(crate) async fn publish(app: &App, counters: usize, totals: std::ops::Range<u32>) {
    let outbox = app.outbox("counters").unwrap();
    for total in totals {
        for counter in 0..counters {
            let counter = format!("counter-{counter}");
            outbox.publish_now(&Bumped { counter, total, owner: None }).await.unwrap();
        }
    }
}

/// How many partitions of a consumer each worker holds, fewest first.
pub(crate) fn holders(crew: &Crew, consumer: &str) -> Vec<usize> {
    let mut counts: BTreeMap<_, usize> = crew.members.keys().map(|worker| (*worker, 0)).collect();
    for holder in crew.consumers[consumer].holders.iter().flatten() {
        *counts.entry(*holder).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_values().collect();
    counts.sort_unstable();
    counts
}

/// Waits until the workers hold so many partitions of a consumer, fewest first; returns how long that took.
pub(crate) async fn until_held(app: &App, consumer: &str, expected: &[usize]) -> Duration {
    let begun = Instant::now();
    loop {
        let crew = app.store().crew().await.unwrap();
        if holders(&crew, consumer) == expected {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never {expected:?}: {crew:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until everything is read.
pub(crate) async fn settle(app: &App) {
    let begun = Instant::now();
    loop {
        let all = app.store().consumers().await.unwrap();
        if all.iter().all(|status| status.lag == 0 && status.retrying == 0) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "never settled: {all:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
