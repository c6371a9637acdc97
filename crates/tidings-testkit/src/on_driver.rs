//! The same suites on another driver of a store.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_core::store::{Limits, Store, StoreError, Tx, Work};

use crate::layer::Layer;

/// Runs every work on the driver of this name, whatever the work says.
pub struct OnDriver(pub &'static str);

impl OnDriver {
    fn driven(&self, work: Arc<dyn Work>) -> Arc<dyn Work> {
        Arc::new(Driven { work, driver: self.0 })
    }
}

#[async_trait]
impl Layer for OnDriver {
    async fn transact(
        &self,
        inner: &dyn Store,
        work: Arc<dyn Work>,
        limits: Limits,
    ) -> Result<(), StoreError> {
        inner.transact(self.driven(work), limits).await
    }

    async fn read(&self, inner: &dyn Store, work: Arc<dyn Work>, limits: Limits) -> Result<(), StoreError> {
        inner.read(self.driven(work), limits).await
    }
}

struct Driven {
    work: Arc<dyn Work>,
    driver: &'static str,
}

#[async_trait]
impl Work for Driven {
    fn name(&self) -> String {
        self.work.name()
    }

    fn driver(&self) -> &'static str {
        self.driver
    }

    fn drains_log(&self) -> bool {
        self.work.drains_log()
    }

    async fn run(&self, tx: Box<dyn Tx>) -> (Box<dyn Tx>, Result<(), StoreError>) {
        self.work.run(tx).await
    }
}
