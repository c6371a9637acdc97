//! The outbox on PostgreSQL.

use std::future::ready;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use sqlx::{Executor, PgConnection, Postgres};
use tidings_core::envelope::Envelope;
use tidings_core::error::Result;
use tidings_core::store::{Enqueued, NewJob, StoreError};
use tidings_postgres::{OwnedPgTx, PostgresStore};

use super::own::wrong_store;
use super::{Outbox, OwnedTx};
use crate::ctx::{Fetched, Inspected, Mark, of_the_store};

impl Outbox {
    pub(super) fn postgres(&self) -> Result<&PostgresStore> {
        let store = self.shared.store.as_any().downcast_ref();
        store.ok_or_else(|| wrong_store("PostgreSQL", self.shared.store.kind()))
    }
}

#[async_trait]
impl OwnedTx<Postgres> for OwnedPgTx {
    type Lent<'t> = &'t mut PgConnection;

    async fn begin(outbox: &Outbox) -> Result<Self> {
        Ok(outbox.postgres()?.begin_within(outbox.shared.config.limits()).await?)
    }

    async fn lend(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.connection()
    }

    async fn borrow(&mut self) -> Result<(&mut PgConnection, Mark<'_>), StoreError> {
        let (connection, doubt) = self.typed()?;
        Ok((connection, Mark::of(doubt)))
    }

    fn fetch_many(&mut self, query: Inspected<Postgres>) -> Fetched<'_, Postgres> {
        match self.typed() {
            Ok((connection, doubt)) => {
                Mark::of(doubt).stream(Executor::fetch_many(connection, query)).boxed()
            }
            Err(error) => stream::once(ready(Err(of_the_store(error)))).boxed(),
        }
    }

    async fn append(&mut self, messages: &[Envelope]) -> Result<(), StoreError> {
        self.append(messages).await
    }

    async fn enqueue(&mut self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, StoreError> {
        self.enqueue(jobs).await
    }

    async fn commit(self, outbox: &Outbox) -> Result<()> {
        Ok(outbox.postgres()?.commit(self).await?)
    }

    async fn rollback(self) -> Result<(), StoreError> {
        self.rollback().await;
        Ok(())
    }
}
