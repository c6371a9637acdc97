//! Starting an application under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tidings_core::contract::{ContractInfo, Reads};
use tidings_core::error::chain;
use tidings_testkit::clock::ManualClock;

use super::fail::{fail, here};
use super::readers::{Checked, Outside};
use super::{TestApp, app::beginning};
use crate::app::{App, BuildError};
use crate::config::{Config, Synchronous};
use crate::module::Module;

/// How long the application may take, in real time, for what should be there at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whatever takes more steps is a mistake, or is better played in pieces.
const STEPS_MAX: u32 = 10_000;

/// No round of maintenance after the one at the start: nobody wants a test to lose what it asserts on.
const NO_MAINTENANCE_S: u64 = 100 * 365 * 24 * 3_600;

/// Joins modules and settings to an application under test; see [`TestApp::builder`].
#[must_use = "nothing runs until `start` is awaited"]
pub struct TestAppBuilder {
    modules: Vec<Module>,
    contracts: Vec<ContractInfo>,
    changes: Vec<Change>,
    clock: ManualClock,
    patience: Duration,
    steps_max: u32,
    outside: Vec<Outside>,
    checks_readers: bool,
    /// Of the application before this one, if there was one.
    folder: Option<TempDir>,
    before: Option<Config>,
}

type Change = Box<dyn FnOnce(&mut Config) + Send>;

impl Default for TestAppBuilder {
    fn default() -> Self {
        Self {
            modules: Vec::new(),
            contracts: Vec::new(),
            changes: Vec::new(),
            clock: ManualClock::default(),
            patience: PATIENCE,
            steps_max: STEPS_MAX,
            outside: Vec::new(),
            checks_readers: true,
            folder: None,
            before: None,
        }
    }
}

impl TestAppBuilder {
    /// Adds a module.
    pub fn module(mut self, module: Module) -> Self {
        self.modules.push(module);
        self
    }

    /// Adds modules.
    pub fn modules(mut self, modules: impl IntoIterator<Item = Module>) -> Self {
        self.modules.extend(modules);
        self
    }

    /// The contracts of the registry (`CONTRACTS`), so that events of modules that are not here are known too.
    pub fn contracts(mut self, contracts: &[ContractInfo]) -> Self {
        self.contracts.extend_from_slice(contracts);
        self
    }

    /// Changes the configuration. It begins with the defaults (no file and no environment is read), but for what makes
    /// tests quick and repeatable: a database of its own with `synchronous = "off"`, tables that are guarded, retries without
    /// jitter, and maintenance at the start only. Where `retention.every_seconds` says otherwise, a round that is due is waited
    /// for, but time does not stop at it.
    pub fn config(mut self, change: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Begins at this time, instead of 2026-01-31T09:30:00Z.
    pub fn at(mut self, start: Timestamp) -> Self {
        self.clock = ManualClock::new(start);
        self
    }

    /// How long to wait, in real time, for what should be there at once; ten seconds unless it is said.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How often something may be due while time is played forward in one go; 10,000 times unless it is said.
    pub fn steps_max(mut self, steps: u32) -> Self {
        self.steps_max = steps;
        self
    }

    /// A reader of another application, by a name for people: what this one publishes is held against it as well.
    pub fn reader<R: Reads>(mut self, name: &str) -> Self {
        self.outside.push(Outside::of::<R>(name));
        self
    }

    /// Does not hold what was published against its readers whenever the application settles. It is asked for with
    /// [`check_readers`](TestApp::check_readers) then.
    pub fn without_reader_checks(mut self) -> Self {
        self.checks_readers = false;
        self
    }

    /// Starts the application.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn start(self) -> impl Future<Output = TestApp> {
        let place = here();
        async move {
            let started = self.try_start().await;
            started.unwrap_or_else(|error| fail(place, &format!("it did not start: {}", chain(&error))))
        }
    }

    /// Starts the application, for tests of what it refuses.
    ///
    /// # Errors
    /// As [`AppBuilder::build`](crate::AppBuilder::build).
    ///
    /// # Panics
    /// If no temporary folder can be made.
    pub async fn try_start(self) -> Result<TestApp, BuildError> {
        let folder = match self.folder {
            Some(folder) => folder,
            None => TempDir::with_prefix("tidings-test-")
                .unwrap_or_else(|error| panic!("no temporary folder can be made: {error}")),
        };
        let mut config = self.before.unwrap_or_else(|| config(&folder));
        for change in self.changes {
            change(&mut config);
        }
        let owned = self.modules.iter().flat_map(|module| module.owned.iter().copied()).collect();
        let clock = Arc::new(self.clock.clone());
        let app = App::builder().modules(self.modules).contracts(&self.contracts).config(config).clock(clock);
        Ok(TestApp {
            sent: Mutex::default(),
            app: app.build().await?,
            clock: self.clock,
            patience: self.patience,
            steps_max: self.steps_max,
            owned,
            outside: self.outside,
            checked: Checked::new(beginning()).into(),
            checks_readers: self.checks_readers,
            folder: Some(folder),
        })
    }

    /// What an application was started with, but for its modules; with its folder.
    pub(super) fn like(app: &mut TestApp) -> Self {
        Self {
            clock: app.clock.clone(),
            patience: app.patience,
            steps_max: app.steps_max,
            outside: std::mem::take(&mut app.outside),
            checks_readers: app.checks_readers,
            folder: app.folder.take(),
            before: Some(app.app.shared.config.clone()),
            ..Self::default()
        }
    }
}

fn config(folder: &TempDir) -> Config {
    let mut config = Config::default();
    config.store.path = folder.path().join("test.db");
    config.store.synchronous = Synchronous::Off;
    config.store.guard_tables = true;
    config.listeners.jitter_percent = 0;
    config.jobs.jitter_percent = 0;
    config.retention.every_seconds = NO_MAINTENANCE_S;
    config
}
