//! How a store under test is made, ended and made again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidings_core::store::Store;

use crate::layer::{Layer, Layered};

/// Makes databases for suites.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// A new, empty database with its store open.
    async fn fresh(&self) -> Box<dyn TestDatabase>;
}

/// One database under test.
#[async_trait]
pub trait TestDatabase: Send + Sync {
    /// The store that is open on it.
    fn store(&self) -> Arc<dyn Store>;

    /// Ends the store in order and opens the same database again.
    async fn reopen(&mut self) -> Arc<dyn Store>;

    /// Opens what a process that was killed now would leave behind. The store before it is not closed and not used
    /// any more.
    async fn crash(&mut self) -> Arc<dyn Store>;

    /// How many transactions may wait before the store refuses more; `None` if it has no such bound.
    fn waiting_max(&self) -> Option<usize> {
        None
    }

    /// Moves the time on by which the leases of workers lapse, and says so. One that cannot answers `false`; its suites
    /// let the time pass.
    fn lapse(&self, _by: Duration) -> bool {
        false
    }
}

/// Databases of another factory with a layer around each store: how suites are shown a planted bug.
pub struct LayeredFactory<F> {
    inner: F,
    layer: Box<dyn Fn() -> Arc<dyn Layer> + Send + Sync>,
}

impl<F: StoreFactory> LayeredFactory<F> {
    /// Puts what `layer` makes around every store of `inner`.
    pub fn new(inner: F, layer: impl Fn() -> Arc<dyn Layer> + Send + Sync + 'static) -> Self {
        Self { inner, layer: Box::new(layer) }
    }
}

#[async_trait]
impl<F: StoreFactory> StoreFactory for LayeredFactory<F> {
    async fn fresh(&self) -> Box<dyn TestDatabase> {
        Box::new(LayeredDatabase { inner: self.inner.fresh().await, layer: (self.layer)() })
    }
}

struct LayeredDatabase {
    inner: Box<dyn TestDatabase>,
    layer: Arc<dyn Layer>,
}

impl LayeredDatabase {
    fn around(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Layered::new(store, self.layer.clone()))
    }
}

#[async_trait]
impl TestDatabase for LayeredDatabase {
    fn store(&self) -> Arc<dyn Store> {
        self.around(self.inner.store())
    }

    async fn reopen(&mut self) -> Arc<dyn Store> {
        let store = self.inner.reopen().await;
        self.around(store)
    }

    async fn crash(&mut self) -> Arc<dyn Store> {
        let store = self.inner.crash().await;
        self.around(store)
    }

    fn waiting_max(&self) -> Option<usize> {
        self.inner.waiting_max()
    }

    fn lapse(&self, by: Duration) -> bool {
        self.inner.lapse(by)
    }
}
