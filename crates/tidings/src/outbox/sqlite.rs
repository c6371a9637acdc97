//! The outbox on SQLite.

use async_trait::async_trait;
use sqlx::Sqlite;
use tidings_core::envelope::Envelope;
use tidings_core::error::Result;
use tidings_core::store::{Enqueued, NewJob, StoreError};
use tidings_sqlite::{LentConnection, OwnedSqliteTx, SqliteStore};

use super::own::wrong_store;
use super::{Outbox, OwnedTx};

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
