//! The store's own transactions, as works like any other.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;
use tidings_core::store::{StoreError, Tx, Work};

use crate::guard::{Guard, Owners};
use crate::native::NativeTx;

/// A name for the watchdog, of something that is no work.
pub(crate) struct Named(pub(crate) &'static str);

#[async_trait]
impl Work for Named {
    fn name(&self) -> String {
        self.0.to_owned()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        (tx, Ok(()))
    }
}

/// The connection inside the writer's transaction, with the means to act on a module's behalf.
pub(crate) struct Inside<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) guard: &'a Guard,
    pub(crate) owners: &'a Owners,
}

impl Deref for Inside<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Inside<'_> {
    /// Runs a module's migration, which may touch no other module's tables and none of Tidings'.
    pub(crate) fn migrate(&self, module: &str, sql: &str) -> Result<(), MigrationError> {
        let entered = self.guard.enter_migration(self.owners, module);
        self.connection.execute_batch(sql).map_err(|source| match entered.refusal() {
            Some(refusal) => refusal.into(),
            None => source.into(),
        })
    }
}

/// Why a migration did not run, whoever said so.
pub(crate) type MigrationError = Box<dyn std::error::Error + Send + Sync>;

type Run<T> = Box<dyn Fn(&Inside<'_>) -> Result<T, StoreError> + Send + Sync>;

/// Runs a closure on the native connection, as often as the writer finds necessary.
pub(crate) struct Internal<T> {
    name: String,
    run: Run<T>,
    result: Mutex<Option<Result<T, StoreError>>>,
}

impl<T> Internal<T> {
    pub(crate) fn new(
        name: impl Into<String>,
        run: impl Fn(&Inside<'_>) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run), result: Mutex::new(None) }
    }

    /// What the last run came to.
    pub(crate) fn take(&self) -> Option<Result<T, StoreError>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl<T: Send + 'static> Work for Internal<T> {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn run(&self, mut tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        let ran = match tx.as_any_mut().downcast_mut::<NativeTx>() {
            Some(native) => native.exec.connection(|inside| (self.run)(inside)),
            None => Err(StoreError::Closed),
        };
        let done = if ran.is_ok() { Ok(()) } else { Err(StoreError::Undone) };
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(ran);
        (tx, done)
    }
}
