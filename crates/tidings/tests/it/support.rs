//! Starting the test application, and waiting for states.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidings::store::ConsumerStatus;
use tidings::{App, BuildError, Config, Module, Synchronous};
use tidings_testkit::clock::ManualClock;

use crate::app::{audit, contracts, counters};

/// An application on a database file of its own, with a clock that stands still.
pub(crate) struct Harness {
    pub(crate) app: App,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: Arc<TempDir>,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self::with([counters(), audit()]).await
    }

    pub(crate) async fn with(modules: impl IntoIterator<Item = Module>) -> Self {
        Self::at("2026-01-31T09:30:00Z", modules).await
    }

    /// Starts at this time.
    pub(crate) async fn at(now: &str, modules: impl IntoIterator<Item = Module>) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let clock = Arc::new(ManualClock::new(now.parse().unwrap()));
        let app = build(&dir, &clock, modules, config(&dir)).await.unwrap();
        Self { app, clock, dir }
    }

    /// Stops the application and starts another one on the same file.
    pub(crate) async fn restart_with(
        self,
        modules: impl IntoIterator<Item = Module>,
    ) -> Result<Self, BuildError> {
        self.app.shutdown().await.unwrap();
        self.start_again_with(modules).await
    }

    /// Starts another application on the file of one that was stopped.
    pub(crate) async fn start_again_with(
        self,
        modules: impl IntoIterator<Item = Module>,
    ) -> Result<Self, BuildError> {
        let app = build(&self.dir, &self.clock, modules, config(&self.dir)).await?;
        Ok(Self { app, ..self })
    }

    pub(crate) fn path(&self) -> PathBuf {
        path(&self.dir)
    }

    pub(crate) async fn consumer(&self, name: &str) -> ConsumerStatus {
        let all = self.app.store().consumers().await.unwrap();
        all.into_iter().find(|status| &*status.name == name).unwrap_or_else(|| panic!("no consumer {name}"))
    }

    /// Waits until every consumer has read everything and nothing that is due is left to retry.
    pub(crate) async fn settle(&self) {
        self.until("everything is settled", async |harness| {
            harness.app.store().consumers().await.unwrap().iter().all(|status| status.lag == 0)
        })
        .await;
    }

    /// Waits until the consumer's dead, retrying and behind are as given.
    pub(crate) async fn until_parked(&self, consumer: &str, retrying: u64, behind: u64, dead: u64) {
        self.until(
            &format!("{consumer}: {retrying} retrying, {behind} behind, {dead} dead"),
            async |harness| {
                let status = harness.consumer(consumer).await;
                (status.retrying, status.behind, status.dead) == (retrying, behind, dead)
            },
        )
        .await;
    }

    /// Waits for a state; a state that does not come within ten seconds is a failure that prints the consumers.
    pub(crate) async fn until(&self, what: &str, reached: impl AsyncFn(&Self) -> bool) {
        let begun = Instant::now();
        while !reached(self).await {
            if begun.elapsed() > Duration::from_secs(10) {
                panic!("never reached: {what}\n{:#?}", self.app.store().consumers().await);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

pub(crate) fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("app.db")
}

/// Makes a file look as if its last runtime had been killed.
pub(crate) async fn mark_unclean(path: &Path) {
    alter(path, "UPDATE tidings_runtime SET clean = 0").await;
}

/// Changes the file of a stopped application behind its back.
pub(crate) async fn alter(path: &Path, statement: &'static str) {
    use sqlx::Connection;
    let mut connection = sqlx::SqliteConnection::connect(&path.display().to_string()).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
}

pub(crate) const WRITE_BUDGET_MS: u64 = 500;

pub(crate) fn config(dir: &TempDir) -> Config {
    let mut config = Config::default();
    config.store.path = path(dir);
    config.store.synchronous = Synchronous::Off;
    config.store.guard_tables = true;
    config.store.write_budget_ms = WRITE_BUDGET_MS;
    config
}

pub(crate) async fn build(
    dir: &TempDir,
    clock: &Arc<ManualClock>,
    modules: impl IntoIterator<Item = Module>,
    config: Config,
) -> Result<App, BuildError> {
    let _ = dir;
    App::builder()
        .modules(modules)
        .contracts(contracts::CONTRACTS)
        .config(config)
        .clock(clock.clone())
        .build()
        .await
}
