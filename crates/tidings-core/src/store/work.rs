//! A unit of work that becomes one transaction.

use std::time::Duration;

use async_trait::async_trait;

use super::{StoreError, Tx};

/// Something to run inside a transaction.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// What is running, for errors and logs: ``listener `inventory.reserve-stock` ``.
    fn name(&self) -> String;

    /// The driver whose connection the work needs: `native`, or another name that the store
    /// documents, such as `sqlx`.
    fn driver(&self) -> &'static str {
        "native"
    }

    /// Whether the work moves a consumer's cursor or settles what it has parked. What it appends is accepted at the hard
    /// limit of the log too: refused, a consumer that publishes could never move on, and the log never shrink.
    fn drains_log(&self) -> bool {
        false
    }

    /// Whether code of an application's modules may run in it. What is the runtime's own keeps to the isolation level that
    /// it is written for, whatever the application has chosen for its handlers.
    fn runs_handlers(&self) -> bool {
        true
    }

    /// Runs against `tx` and hands it back. On `Err` what it wrote is undone.
    ///
    /// May be called more than once: when a transaction that was shared with other work is lost, each of its works is
    /// run again alone. So it keeps no effect outside `tx` until [`Store::transact`](super::Store::transact) has
    /// returned.
    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>);
}

/// Bounds of one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long the work may hold the transaction before it is interrupted and named.
    pub budget: Duration,
    /// How long it may wait for its turn and its commit; `None` waits as long as it takes.
    pub wait: Option<Duration>,
}

impl Default for Limits {
    /// Five seconds of budget, no bound on waiting.
    fn default() -> Self {
        Self { budget: Duration::from_secs(5), wait: None }
    }
}
