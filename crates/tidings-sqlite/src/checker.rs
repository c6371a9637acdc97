//! Looking at a statement before another driver runs it.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::AuthContext;
use rusqlite::{Batch, Connection};
use tidings_core::store::StoreError;

use crate::config::SqliteConfig;
use crate::guard::{Guard, Owners};
use crate::module_sql::numbers;
use crate::open::connect_reader;

/// Verdicts remembered before all are forgotten: more than an application has statements, unless it makes them up.
const PASSED_MAX: usize = 4_096;

/// A guarded connection that prepares statements and never runs one.
pub(crate) struct Checker {
    config: SqliteConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    guard: Guard,
    passed: HashSet<(u64, String, String)>,
}

impl Checker {
    pub(crate) fn new(config: SqliteConfig) -> Self {
        Self { config, state: Mutex::default() }
    }

    /// Refuses other modules' tables and what is no module's to do, in each statement of the text. What cannot be prepared
    /// passes: running it will say why. Nothing can be prepared only there: a connection keeps no tables or views of its
    /// own, because those are refused here, too.
    pub(crate) fn check(&self, owners: &Owners, module: &str, sql: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        let verdict = (owners.generation(), module.to_owned(), sql.to_owned());
        if state.passed.contains(&verdict) {
            return Ok(());
        }
        self.connect(&mut state)?;
        let State { connection: Some(connection), guard, passed } = &mut *state else { return Ok(()) };
        let entered = guard.enter(owners, module, sql);
        let known = prepare_each(connection, sql).is_ok();
        if let Some(refusal) = entered.refusal() {
            return Err(refusal);
        }
        if known {
            if passed.len() >= PASSED_MAX {
                passed.clear();
            }
            passed.insert(verdict);
        }
        Ok(())
    }

    /// Refuses a number of values that is not the statement's number of parameters.
    pub(crate) fn check_parameters(&self, sql: &str, given: usize) -> Result<(), String> {
        let mut state = self.lock();
        if let Err(error) = self.connect(&mut state) {
            return Err(error.to_string());
        }
        let prepared = state.connection.as_ref().and_then(|connection| connection.prepare_cached(sql).ok());
        prepared.map_or(Ok(()), |statement| numbers(&statement, given).map(drop))
    }

    fn connect(&self, state: &mut State) -> Result<(), StoreError> {
        if state.connection.is_none() {
            let connection = connect_reader(&self.config)?;
            let guard = state.guard.clone();
            let set = connection.authorizer(Some(move |context: AuthContext<'_>| guard.authorize(context)));
            set.map_err(|source| crate::open::explain(&self.config.path, source))?;
            state.connection = Some(connection);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prepare_each(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut statements = Batch::new(connection, sql);
    while statements.next()?.is_some() {}
    Ok(())
}
