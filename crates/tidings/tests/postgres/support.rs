//! An application on a schema of its own, and waiting for states.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tidings::store::JobState;
use tidings::{App, BuildError, Config, MessageId, Module};
use tidings_core::ids::MessageId as Id;

use crate::app::contracts;

pub(crate) fn url() -> String {
    std::env::var("TIDINGS_TEST_POSTGRES_URL").expect("TIDINGS_TEST_POSTGRES_URL names a database for tests")
}

/// An application; its schema is dropped at the end of the test, if that is reached.
pub(crate) struct Harness {
    pub(crate) app: App,
    pub(crate) schema: String,
}

pub(crate) fn config(schema: &str) -> Config {
    let mut config = Config::default();
    config.store.url = url().into();
    config.store.schema = schema.to_owned();
    config.listeners.retry_seconds = vec![0.05];
    config.jobs.retry_seconds = vec![0.05];
    config
}

pub(crate) fn new_schema() -> String {
    format!("app_{}", Id::new().0.simple())
}

pub(crate) async fn build(
    modules: impl IntoIterator<Item = Module>,
    config: Config,
) -> Result<App, BuildError> {
    App::builder().modules(modules).contracts(contracts::CONTRACTS).config(config).build().await
}

impl Harness {
    pub(crate) async fn with(modules: impl IntoIterator<Item = Module>) -> Self {
        let schema = new_schema();
        let app = build(modules, config(&schema)).await.unwrap();
        Self { app, schema }
    }

    /// A pool as the user's own code has one, which knows nothing of the application's schema.
    pub(crate) async fn pool(&self) -> PgPool {
        PgPool::connect(&url()).await.unwrap()
    }

    /// The text of a column, in the order of its rows.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(&url()).await.unwrap();
        let path = format!("SET search_path TO {}", self.schema);
        sqlx::query(AssertSqlSafe(path)).execute(&mut connection).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap()
    }

    pub(crate) async fn until(&self, what: &str, reached: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !reached().await {
            if begun.elapsed() > Duration::from_secs(20) {
                panic!("never reached: {what}\n{:#?}", self.app.store().consumers().await);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the notes are these, and stay so once everything has been read.
    pub(crate) async fn until_noted(&self, counter: &str, expected: &[&str]) {
        self.until(&format!("{counter} is noted"), async || {
            self.noted(counter).await.len() >= expected.len()
        })
        .await;
        self.settle().await;
        assert_eq!(self.noted(counter).await, expected);
    }

    pub(crate) async fn noted(&self, counter: &str) -> Vec<String> {
        self.texts(&format!("SELECT what FROM notes WHERE counter = '{counter}' ORDER BY id")).await
    }

    pub(crate) async fn settle(&self) {
        self.until("everything is read", async || {
            self.app.store().consumers().await.unwrap().iter().all(|of| of.lag == 0 && of.retrying == 0)
        })
        .await;
    }

    pub(crate) async fn until_completed(&self, job: MessageId) {
        self.until("the job is done", async || {
            self.app.jobs().get(job).await.unwrap().is_some_and(|job| job.state == JobState::Completed)
        })
        .await;
    }

    pub(crate) async fn end(self) {
        self.app.shutdown().await.unwrap();
        let mut connection = PgConnection::connect(&url()).await.unwrap();
        let sql = format!("DROP SCHEMA {} CASCADE", self.schema);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
}
