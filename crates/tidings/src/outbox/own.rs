//! Publishing through a transaction that the caller began on a connection of their own.

use tidings_core::contract::{Event, Job};
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::store::NewJob;

use super::Outbox;
use crate::jobs::{Enqueue, Enqueued, EnqueuedMany, IntoEnqueue, UniqueKeyTaken, Within, told_all};

/// What [`Outbox::publish`] and its kin take: a connection of sqlx on the database of the store, with a transaction open on
/// it. `&mut tx` of a `sqlx::Transaction`, a pooled connection, or the connection itself will do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no transaction that an event can be published in",
    label = "not a transaction of sqlx on the store's database",
    note = "pass `&mut tx` of `sqlx::Transaction<'_, sqlx::Sqlite>` or `sqlx::Transaction<'_, sqlx::Postgres>`, whose feature of `tidings` (`sqlite`, `postgres`) is on",
    note = "for PostgreSQL by another driver, insert the row of `outbox.envelope(&event)`: see `tidings_postgres::foreign`"
)]
#[allow(private_interfaces, reason = "the trait is sealed by this type")]
pub trait OutboxConnection: Send {
    #[doc(hidden)]
    fn own(&mut self) -> Own<'_>;
}

/// A connection of one of the databases.
pub(crate) enum Own<'c> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut sqlx::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'c mut sqlx::PgConnection),
}

macro_rules! connections {
    ($database:ty, $connection:ty, $variant:ident, $feature:literal) => {
        #[cfg(feature = $feature)]
        #[allow(private_interfaces, reason = "see the trait")]
        impl OutboxConnection for $connection {
            fn own(&mut self) -> Own<'_> {
                Own::$variant(self)
            }
        }

        #[cfg(feature = $feature)]
        #[allow(private_interfaces, reason = "see the trait")]
        impl OutboxConnection for sqlx::Transaction<'_, $database> {
            fn own(&mut self) -> Own<'_> {
                Own::$variant(self)
            }
        }

        #[cfg(feature = $feature)]
        #[allow(private_interfaces, reason = "see the trait")]
        impl OutboxConnection for sqlx::pool::PoolConnection<$database> {
            fn own(&mut self) -> Own<'_> {
                Own::$variant(self)
            }
        }
    };
}
connections!(sqlx::Sqlite, sqlx::SqliteConnection, Sqlite, "sqlite");
connections!(sqlx::Postgres, sqlx::PgConnection, Postgres, "postgres");

impl Outbox {
    /// Publishes inside a transaction of your own, of sqlx on the store's database: the event is published if and only if
    /// that transaction commits. On SQLite begin it with `BEGIN IMMEDIATE`.
    ///
    /// The application does not see that commit. On PostgreSQL it finds the event within `store.poll_ms`, or at once if you
    /// call [`wake`](Self::wake) after the commit; on SQLite it looks for it by itself.
    ///
    /// ```
    /// # async fn example<E: tidings::Event>(outbox: tidings::Outbox, pool: sqlx::SqlitePool, placed: E) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    /// sqlx::query("INSERT INTO orders (sku) VALUES ('tea')").execute(&mut *tx).await?;
    /// outbox.publish(&mut tx, &placed).await?;
    /// tx.commit().await?;
    /// outbox.wake();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`publish_now`](Self::publish_now); if the connection is of another database than the store, or has no transaction.
    pub async fn publish<C: OutboxConnection, E: Event>(&self, tx: &mut C, event: &E) -> Result<MessageId> {
        let envelope = self.envelope(event)?;
        match tx.own() {
            #[cfg(feature = "sqlite")]
            Own::Sqlite(tx) => self.sqlite()?.append_on(tx, std::slice::from_ref(&envelope)).await?,
            #[cfg(feature = "postgres")]
            Own::Postgres(tx) => self.postgres()?.append_on(tx, std::slice::from_ref(&envelope)).await?,
        }
        Ok(envelope.id)
    }

    /// Enqueues a job of the module inside a transaction of your own, as [`publish`](Self::publish) publishes: the job exists
    /// if and only if that transaction commits. Await it after its options.
    ///
    /// # Errors
    /// As of [`Ctx::enqueue`](crate::Ctx::enqueue) and of [`publish`](Self::publish).
    pub fn enqueue_in<'a, C: OutboxConnection, J: Job>(&'a self, tx: &'a mut C, job: J) -> Enqueue<'a, J> {
        Enqueue::new(Within::Own(self, tx.own()), job)
    }

    /// Enqueues jobs, in order, inside a transaction of your own; as [`enqueue_in`](Self::enqueue_in). A unique key that
    /// is taken concerns that job alone.
    ///
    /// # Errors
    /// As [`enqueue_in`](Self::enqueue_in), but for keys that are taken; no job is enqueued then.
    pub async fn enqueue_many_in<C: OutboxConnection, T: IntoEnqueue>(
        &self,
        tx: &mut C,
        jobs: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Result<Enqueued, UniqueKeyTaken>>> {
        Within::Own(self, tx.own()).enqueue_many(jobs).await
    }

    pub(crate) async fn enqueue_own(&self, own: &mut Own<'_>, jobs: Vec<NewJob>) -> Result<EnqueuedMany> {
        let rows = match own {
            #[cfg(feature = "sqlite")]
            Own::Sqlite(tx) => self.sqlite()?.enqueue_on(tx, &jobs).await?,
            #[cfg(feature = "postgres")]
            Own::Postgres(tx) => self.postgres()?.enqueue_on(tx, &jobs).await?,
        };
        Ok(told_all(&jobs, rows))
    }

    /// Wakes whoever waits for events and jobs: to be called after the commit of a transaction of your own. It costs a look at
    /// the log for each listener, and does nothing on SQLite, which looks by itself.
    pub fn wake(&self) {
        #[cfg(feature = "postgres")]
        if let Ok(store) = self.postgres() {
            store.wake();
        }
    }
}

/// The connection is of another database than the store.
#[cfg_attr(
    not(all(feature = "sqlite", feature = "postgres")),
    allow(dead_code, reason = "there is one database only")
)]
pub(super) fn wrong_store(database: &str, store: &str) -> Error {
    Error::permanent(format!("a transaction of {database} was given, and the store is `{store}`"))
}
