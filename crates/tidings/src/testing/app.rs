//! The application under test, and what it stands on.

use std::collections::HashSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tidings_core::contract::{Command, ContractInfo, Event, Job, Query};
use tidings_core::envelope::{Cursor, Recorded};
use tidings_core::error::chain;
use tidings_core::ids::MessageId;
use tidings_core::store::Filter;
use tidings_sqlite::SqliteStore;
use tidings_testkit::clock::ManualClock;

use super::fail::{Place, fail, here};
use super::readers::{Checked, Outside};
use super::{Sending, TestAppBuilder};
use crate::app::App;
use crate::module::Module;

/// An application under test: real modules on a real SQLite file of its own, with a clock that moves when the test says so.
///
/// It is an [`App`], too. Dropped, it stops, and its file goes; [`shutdown`](Self::shutdown) does so in order.
pub struct TestApp {
    pub(super) app: App,
    pub(super) clock: ManualClock,
    pub(super) patience: Duration,
    pub(super) steps_max: u32,
    /// The contracts that its modules publish.
    pub(super) owned: Vec<ContractInfo>,
    /// Readers of other applications.
    pub(super) outside: Vec<Outside>,
    /// How far what was published was held against its readers.
    pub(super) checked: tokio::sync::Mutex<Checked>,
    pub(super) checks_readers: bool,
    /// The flows of commands that were sent: one that wrote nothing leaves nothing on record.
    pub(super) sent: Mutex<HashSet<MessageId>>,
    /// Gone once it is given to whoever stops the application.
    pub(super) folder: Option<TempDir>,
}

impl TestApp {
    /// Starts an application of these modules, on an empty database, at 2026-01-31T09:30:00Z. For anything else there is a
    /// [builder](Self::builder).
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn start(modules: impl IntoIterator<Item = Module>) -> impl Future<Output = Self> {
        Self::builder().modules(modules).start()
    }

    /// Begins an application under test.
    pub fn builder() -> TestAppBuilder {
        TestAppBuilder::default()
    }

    /// Sends a command and waits for its outcome. What it caused goes on; [`settle`](Self::settle) waits for that.
    pub fn send<C: Command>(&self, command: C) -> Sending<'_, C> {
        let command = self.app.send(command);
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).insert(command.id());
        Sending::new(command)
    }

    /// Publishes an event on behalf of the module that owns it; returns the flow that begins with it.
    ///
    /// # Panics
    /// If it is not the module's, or breaks its contract.
    #[track_caller]
    pub fn publish<E: Event>(&self, module: &str, event: E) -> impl Future<Output = MessageId> {
        let place = here();
        async move {
            let outbox = self.app.outbox(module).unwrap_or_else(|error| fail(place, &chain(&error)));
            let published = outbox.publish_now(&event).await;
            published.unwrap_or_else(|error| {
                fail(place, &format!("`{}` was not published: {}", E::NAME, error.chain()))
            })
        }
    }

    /// Enqueues a job, on behalf of the module that its name begins with; returns its id. For options there is
    /// `app.outbox(module)?.enqueue(job)`.
    ///
    /// # Panics
    /// If it cannot be enqueued.
    #[track_caller]
    pub fn enqueue<J: Job>(&self, job: J) -> impl Future<Output = MessageId> {
        let place = here();
        async move {
            let module = J::NAME.split('.').next().unwrap_or_default();
            let outbox = self.app.outbox(module).unwrap_or_else(|error| fail(place, &chain(&error)));
            match outbox.enqueue(job).await {
                Ok(enqueued) => enqueued.id,
                Err(error) => fail(place, &format!("job `{}` was not enqueued: {}", J::NAME, error.chain())),
            }
        }
    }

    /// Asks a query.
    ///
    /// # Panics
    /// If it fails.
    #[track_caller]
    pub fn ask<Q: Query>(&self, query: Q) -> impl Future<Output = Q::Output> {
        let place = here();
        async move { self.app.ask(query).await.unwrap_or_else(|error| fail(place, &chain(&error))) }
    }

    /// The clock. Moved by hand it wakes whoever is due; [`advance`](Self::advance) plays time forward instead, so that
    /// everything happens at its time.
    #[must_use]
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// What time it is for the application.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        use tidings_core::clock::Clock;
        self.clock.now()
    }

    /// The database, for a look of one's own.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.app.shared.config.store.path.clone()
    }

    /// Stops the application in order and deletes its database.
    ///
    /// # Panics
    /// If it does not stop.
    #[track_caller]
    pub fn shutdown(mut self) -> impl Future<Output = ()> {
        let place = here();
        async move {
            let folder = self.folder.take();
            if let Err(error) = self.app.shutdown().await {
                fail(place, &chain(&error));
            }
            if let Some(Err(error)) = folder.map(TempDir::close) {
                fail(place, &format!("the application's folder cannot be deleted: {error}"));
            }
        }
    }

    /// Stops the application in order and starts another one of these modules on its database, at the same time, with the
    /// same settings.
    ///
    /// # Panics
    /// If it does not stop or start.
    #[track_caller]
    pub fn restart(mut self, modules: impl IntoIterator<Item = Module>) -> impl Future<Output = Self> {
        let place = here();
        let builder = TestAppBuilder::like(&mut self).modules(modules);
        async move {
            if let Err(error) = self.app.shutdown().await {
                fail(place, &chain(&error));
            }
            let started = builder.try_start().await;
            started.unwrap_or_else(|error| fail(place, &format!("it did not start again: {}", chain(&error))))
        }
    }

    pub(super) fn store(&self, place: Place) -> &SqliteStore {
        let store = self.app.store().as_any().downcast_ref();
        store.unwrap_or_else(|| fail(place, "the application's store is not SQLite"))
    }

    /// The messages of the log behind a cursor that match, oldest first, with the cursor behind them.
    pub(super) async fn messages(
        &self,
        place: Place,
        after: Cursor,
        filter: &Filter,
    ) -> (Vec<Recorded>, Cursor) {
        let (mut messages, mut cursor) = (Vec::new(), after);
        loop {
            let read = self.app.store().read_after(&cursor, filter, READ_AT_ONCE).await;
            let batch = read.unwrap_or_else(|error| fail(place, &chain(&error)));
            messages.extend(batch.messages);
            cursor = batch.next;
            if batch.at_end {
                return (messages, cursor);
            }
        }
    }
}

const READ_AT_ONCE: usize = 1_000;

/// Before the oldest message.
pub(super) fn beginning() -> Cursor {
    SqliteStore::beginning()
}

impl Deref for TestApp {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl Drop for TestApp {
    /// Nobody can wait here, so whoever is still there to do it stops the application and lets its folder go. Where the
    /// async runtime ends first, the application ends with it.
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let app = self.app.clone();
            runtime.spawn(async move {
                if let Err(error) = app.shutdown().await {
                    tracing::warn!(%error, "an application under test did not stop in order");
                }
                drop(folder);
            });
        }
    }
}
