//! Publishing from code that has a transaction of its own, or none.

use std::sync::Arc;

use tidings_core::contract::Event;
use tidings_core::envelope::Envelope;
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::trace::TraceContext;

use crate::app::Shared;
use crate::command::SendError;
use crate::ctx::{Origin, in_handler};
use crate::module::ModuleFacts;
use crate::unit::{self, Access, Unit};

/// Publishes on behalf of a module, outside its handlers. Made by [`App::outbox`](crate::App::outbox).
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
    module: Arc<ModuleFacts>,
    trace: TraceContext,
}

impl Outbox {
    pub(crate) fn new(shared: &Arc<Shared>, module: &str) -> Result<Self, SendError> {
        let unknown = || SendError::NoModule { module: module.to_owned() };
        let module = shared.modules.get(module).cloned().ok_or_else(unknown)?;
        Ok(Self { shared: shared.clone(), module, trace: TraceContext::default() })
    }

    /// The trace that what is published belongs to; without it each event begins one.
    #[must_use]
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        self.trace = trace;
        self
    }

    /// Publishes one event in a transaction of its own; returns when it is durable.
    ///
    /// # Errors
    /// If the module does not own the event or the payload breaks its contract; the store's. Fails at once inside a
    /// handler, where `ctx.publish` is the way.
    pub async fn publish_now<E: Event>(&self, event: &E) -> Result<MessageId> {
        self.refuse_inside_handler("publish_now")?;
        let envelope = self.envelope(event)?;
        let id = envelope.id;
        let messages: Arc<[Envelope]> = Arc::new([envelope]);
        let unit = Unit {
            name: self.module.name.clone(),
            driver: "native",
            start: Box::new(move |slot| {
                let messages = messages.clone();
                Box::pin(async move {
                    let mut tx = slot.take().await;
                    let appended = tx.append(&messages).await.map_err(Error::from);
                    (Some(tx), appended)
                })
            }),
        };
        unit::run(&self.shared, unit, self.shared.config.limits(), Access::Write).await?;
        Ok(id)
    }

    /// The payload that publishing would write, after the same checks; nothing is published. For tests of what a module
    /// publishes.
    ///
    /// # Errors
    /// If the module does not own the event or the payload breaks its contract.
    pub fn payload<E: Event>(&self, event: &E) -> Result<String> {
        self.shared.event_payload(&self.module, event).map(|(_, payload)| payload)
    }

    fn envelope<E: Event>(&self, event: &E) -> Result<Envelope> {
        let origin = Origin::nobody(self.trace.child());
        let mut envelope = self.shared.event_envelope(&self.module, event, &origin)?;
        envelope.correlation_id = envelope.id;
        Ok(envelope)
    }

    fn refuse_inside_handler(&self, call: &'static str) -> Result<()> {
        match in_handler::current() {
            Some(handler) => Err(Error::permanent(SendError::InsideHandler { handler, call })),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use sqlx::SqliteConnection;
    use tidings_sqlite::{LentConnection, OwnedSqliteTx, SqliteStore};

    use super::{Error, Event, MessageId, Outbox, Result};

    impl Outbox {
        /// Begins a transaction that can write, after whoever waits for the writer already. A `BEGIN` of your own that
        /// reads first and writes later can fail with `SQLITE_BUSY` at once; this one cannot.
        ///
        /// # Errors
        /// If the store is not SQLite, or is overloaded. Fails at once inside a handler, whose transaction is open.
        pub async fn begin(&self) -> Result<OutboxTx> {
            self.refuse_inside_handler("outbox.begin")?;
            let tx = self.store()?.begin_within(self.shared.config.limits()).await?;
            Ok(OutboxTx { outbox: self.clone(), tx })
        }

        /// Publishes inside a transaction of your own, of sqlx on the same database file: the event is published if and
        /// only if that transaction commits. Begin it with `BEGIN IMMEDIATE`.
        ///
        /// # Errors
        /// As [`publish_now`](Self::publish_now).
        pub async fn publish<E: Event>(&self, tx: &mut SqliteConnection, event: &E) -> Result<MessageId> {
            let envelope = self.envelope(event)?;
            self.store()?.append_on(tx, std::slice::from_ref(&envelope)).await?;
            Ok(envelope.id)
        }

        fn store(&self) -> Result<&SqliteStore> {
            let store = self.shared.store.as_any().downcast_ref();
            store.ok_or_else(|| Error::permanent("the store is not SQLite"))
        }
    }

    /// A transaction outside handlers; see [`Outbox::begin`]. Dropping it rolls it back.
    pub struct OutboxTx {
        outbox: Outbox,
        tx: OwnedSqliteTx,
    }

    impl OutboxTx {
        /// The connection, for statements: `sqlx::query(..).execute(&mut *tx.connection().await?)`.
        ///
        /// # Errors
        /// If the transaction was taken back because it had used up `store.write_budget_ms`.
        pub async fn connection(&mut self) -> Result<LentConnection<'_>> {
            Ok(self.tx.connection().await?)
        }

        /// Publishes an event in this transaction.
        ///
        /// # Errors
        /// As [`Outbox::publish_now`].
        pub async fn publish<E: Event>(&mut self, event: &E) -> Result<MessageId> {
            let envelope = self.outbox.envelope(event)?;
            self.tx.append(std::slice::from_ref(&envelope)).await?;
            Ok(envelope.id)
        }

        /// Commits; returns when that is durable.
        ///
        /// # Errors
        /// If the transaction was taken back or ended by the database; nothing is committed then.
        pub async fn commit(self) -> Result<()> {
            Ok(self.tx.commit().await?)
        }

        /// Rolls back.
        ///
        /// # Errors
        /// If the transaction had been taken back before.
        pub async fn rollback(self) -> Result<()> {
            Ok(self.tx.rollback().await?)
        }
    }
}

#[cfg(feature = "sqlite")]
pub use sqlite::OutboxTx;
