//! The outbox on SQLite.

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryFutureExt as _, stream};
use sqlx::{Executor, Sqlite};
use tidings_core::envelope::Envelope;
use tidings_core::error::Result;
use tidings_core::store::{Enqueued, NewJob, StoreError};
use tidings_sqlite::{LentConnection, OwnedSqliteTx, SqliteStore};

use super::own::wrong_store;
use super::{Outbox, OwnedTx};
use crate::ctx::{Fetched, Inspected, Mark, of_the_store};

impl Outbox {
    pub(super) fn sqlite(&self) -> Result<&SqliteStore> {
        let store = self.shared.store.as_any().downcast_ref();
        store.ok_or_else(|| wrong_store("SQLite", self.shared.store.kind()))
    }
}

#[async_trait]
impl OwnedTx<Sqlite> for OwnedSqliteTx {
    type Lent<'t> = LentConnection<'t>;

    async fn begin(outbox: &Outbox) -> Result<Self> {
        Ok(outbox.sqlite()?.begin_within(outbox.shared.config.limits()).await?)
    }

    async fn lend(&mut self) -> Result<LentConnection<'_>, StoreError> {
        self.connection().await
    }

    async fn borrow(&mut self) -> Result<(LentConnection<'_>, Mark<'_>), StoreError> {
        Ok((self.connection().await?, Mark::nobody()))
    }

    /// The rows are read before the first is given: whoever lends the connection takes it back after that.
    fn fetch_many(&mut self, query: Inspected<Sqlite>) -> Fetched<'_, Sqlite> {
        let rows = async move {
            let mut connection = self.connection().await.map_err(of_the_store)?;
            let rows: Vec<_> = Executor::fetch_many(&mut *connection, query).collect().await;
            Ok(stream::iter(rows))
        };
        rows.try_flatten_stream().boxed()
    }

    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        self.append(messages).await
    }

    async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        self.enqueue(jobs).await
    }

    async fn commit(self, _outbox: &Outbox) -> Result<()> {
        Ok(self.commit().await?)
    }

    async fn rollback(self) -> Result<(), StoreError> {
        self.rollback().await
    }
}
