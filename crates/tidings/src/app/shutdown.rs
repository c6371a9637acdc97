//! Stopping in order.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::StoreError;

use super::App;
use crate::ctx::in_handler;

/// How long handlers may take to end beyond the time that one may hold the writer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to give back the jobs that are still running then, which is a matter of one transaction.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// Why an application did not stop in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Handlers did not end. They cannot be stopped from outside: end the process; nothing that was committed is lost by
    /// that, and the next start is only a careful one.
    #[error(
        "after {waited:?} still running: {}; end the process, and find what does not await there",
        if .handlers.is_empty() { "the store".to_owned() } else { .handlers.join(", ") }
    )]
    StillRunning {
        /// The handlers, as errors and logs name them.
        handlers: Vec<String>,
        /// How long they were waited for.
        waited: Duration,
    },
    /// Called from inside a handler, which it would wait for.
    #[error(
        "{handler} called `app.shutdown`, which would wait for that handler; tell whoever runs the application instead"
    )]
    InsideHandler {
        /// The handler that called.
        handler: Arc<str>,
    },
    /// The store cannot be closed in order; nothing is lost by that, the next start is only a careful one.
    #[error("the store was not closed in order")]
    Store(#[from] StoreError),
}

impl App {
    /// Stops in order: no new commands are taken, running work ends, consumers finish what they are at, no more jobs are
    /// started, the store is closed. A job that is still running after the patience is given back: its handler is dropped at
    /// its next await, and another attempt is made after the next start. It may be called again, also after a call that was dropped or failed.
    ///
    /// # Errors
    /// If handlers do not end within 30 seconds beyond `store.write_budget_ms`; if the store cannot be closed in order.
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        self.shutdown_within(self.shared.config.limits().budget.saturating_add(PATIENCE)).await
    }

    /// Like [`shutdown`](Self::shutdown), with a patience of your own.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    pub async fn shutdown_within(&self, patience: Duration) -> Result<(), ShutdownError> {
        if let Some(handler) = in_handler::current_or_attempt() {
            return Err(ShutdownError::InsideHandler { handler });
        }
        self.running.stop.send_replace(true);
        self.shared.gate.close();
        self.shared.query_gate.close();
        if let Ok(stopped) = tokio::time::timeout(patience, self.stop_in_order()).await {
            return Ok(stopped?);
        }
        let mut waited = patience;
        // Jobs may take longer than anybody waits for a stop; those that await are dropped now, and done again later.
        // Asked before they are told, for they may be gone at once then.
        let are_running = self.shared.jobs.is_running();
        if !self.shared.jobs.give_back.send_replace(true) && are_running {
            if let Ok(stopped) = tokio::time::timeout(GIVING_BACK, self.stop_in_order()).await {
                return Ok(stopped?);
            }
            waited = waited.saturating_add(GIVING_BACK);
        }
        Err(ShutdownError::StillRunning { handlers: self.shared.underway.names(), waited })
    }

    async fn stop_in_order(&self) -> Result<(), StoreError> {
        let mut tasks = self.running.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
        self.shared.gate.drained().await;
        self.shared.query_gate.drained().await;
        self.close_store().await
    }

    /// Closes the store in a task of its own, so that a caller that goes away does not leave it half closed.
    async fn close_store(&self) -> Result<(), StoreError> {
        let mut closing = self.running.closing.lock().await;
        let store = self.shared.store.clone();
        let closed = closing.get_or_insert_with(|| tokio::spawn(async move { store.close().await })).await;
        *closing = None;
        // It is aborted only with the async runtime, and then nobody hears this.
        closed.unwrap_or(Err(StoreError::Closed))
    }
}
