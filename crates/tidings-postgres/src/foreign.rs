//! Publishing through transactions that the caller began, on connections of their own.
//!
//! On a connection of sqlx this is [`PostgresStore::append_on`]. Any other driver inserts a [`LogRow`] with
//! [`INSERT_SQL`] in a transaction to the same database: the message exists if and only if that transaction commits. The
//! application finds it within its poll interval, or at once if [`PostgresStore::wake`] is called after the commit (in
//! `tidings`: `outbox.wake()`).
//!
//! Three things are the caller's to see to: the transaction's `search_path` has to find the table `tidings_log` (or the text
//! has to name its schema); a row must come from an envelope of the application, whose payload has been checked against its
//! contract (in `tidings`: `outbox.envelope(&event)`); and at the hard limit of the log nobody refuses it.

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tidings_core::envelope::Envelope;
use tidings_core::partition::slot;
use tidings_core::store::{Enqueued, NewJob, StoreError};
use uuid::Uuid;

use crate::connect::quoted;
use crate::error::meaning;
use crate::{PostgresStore, jobs, log};

/// Inserts one message. Its parameters are the fields of [`LogRow`], in their order; the server knows their types.
pub const INSERT_SQL: &str = include_str!("../queries/foreign_insert.sql");

/// A message as the table `tidings_log` holds it, but for the position and the transaction's id, which the table gives.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRow {
    /// `$1`, uuid: unique for ever.
    pub id: Uuid,
    /// `$2`, text: `event`.
    pub kind: &'static str,
    /// `$3`, text: the event's durable name.
    pub name: String,
    /// `$4`, bigint: the contract's version.
    pub version: i64,
    /// `$5`, text: the module that publishes.
    pub source: String,
    /// `$6`, text: what it is ordered by.
    pub key: Option<String>,
    /// `$7`, bigint: when it was published, in microseconds since 1970-01-01 UTC.
    pub time: i64,
    /// `$8`, uuid: the flow it belongs to.
    pub correlation_id: Uuid,
    /// `$9`, uuid: the message that caused it.
    pub causation_id: Option<Uuid>,
    /// `$10`, text: W3C trace context.
    pub traceparent: Option<String>,
    /// `$11`, text.
    pub tracestate: Option<String>,
    /// `$12`, text.
    pub baggage: Option<String>,
    /// `$13`, text: who wants the outcome of a command.
    pub reply_to: Option<String>,
    /// `$14`, text: the payload, as JSON.
    pub data: String,
    /// `$15`, smallint: the key's slot, by which consumers are split between processes.
    pub slot: i16,
}

impl LogRow {
    /// The row of a message.
    #[must_use]
    pub fn of(message: &Envelope) -> Self {
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(ToOwned::to_owned);
        Self {
            id: message.id.0,
            kind: message.kind.as_str(),
            name: message.name.to_string(),
            version: i64::from(message.version),
            source: message.source.to_string(),
            key: message.key.as_ref().map(|key| key.as_str().to_owned()),
            time: message.time.as_microsecond(),
            correlation_id: message.correlation_id.0,
            causation_id: message.causation_id.map(|id| id.0),
            traceparent: message.trace.traceparent(),
            tracestate: message.trace.tracestate.as_deref().map(ToOwned::to_owned),
            baggage: message.trace.baggage.as_deref().map(ToOwned::to_owned),
            reply_to: text(&message.reply_to),
            data: message.data.clone(),
            slot: i16::from(slot(message)),
        }
    }
}

impl PostgresStore {
    /// Appends messages in a transaction that the caller began on a connection of their own to the same database, and will
    /// commit. The messages exist if and only if that commit happens. This store does not see it happen: call
    /// [`wake`](Self::wake) then, or they are found within the poll interval.
    ///
    /// # Errors
    /// [`StoreError::Sql`] if no transaction is open, [`StoreError::LogFull`], or what the database says.
    pub async fn append_on(
        &self,
        connection: &mut PgConnection,
        messages: &[Envelope],
    ) -> Result<(), StoreError> {
        refuse_without_transaction(connection).await?;
        let path = self.enter_schema(connection).await?;
        self.fullness().check(connection).await?;
        let newest = log::append(connection, messages).await?;
        self.fullness().appended(newest);
        leave_schema(connection, path).await
    }

    /// Enqueues jobs in a transaction that the caller began on a connection of their own; as [`append_on`](Self::append_on).
    ///
    /// # Errors
    /// [`StoreError::Sql`] if no transaction is open, or what the database says.
    pub async fn enqueue_on(
        &self,
        connection: &mut PgConnection,
        jobs: &[NewJob],
    ) -> Result<Vec<Enqueued>, StoreError> {
        refuse_without_transaction(connection).await?;
        let path = self.enter_schema(connection).await?;
        let enqueued = jobs::enqueue(connection, jobs).await?;
        leave_schema(connection, path).await?;
        Ok(enqueued)
    }

    /// The connection need not look for tables where this store does. What its own path was, to be set again.
    async fn enter_schema(&self, connection: &mut PgConnection) -> Result<Option<String>, StoreError> {
        let Some(schema) = self.schema() else { return Ok(None) };
        let quoted = quoted(schema);
        let before = sqlx::query(include_str!("../queries/search_path_swap.sql")).bind(quoted);
        let before = before.fetch_one(connection).await.and_then(|row| row.try_get(0));
        before.map(Some).map_err(|error| meaning("looking for the schema of the log", error))
    }
}

async fn leave_schema(connection: &mut PgConnection, path: Option<String>) -> Result<(), StoreError> {
    let Some(path) = path else { return Ok(()) };
    let back =
        sqlx::query(include_str!("../queries/search_path_swap.sql")).bind(path).execute(connection).await;
    back.map(|_| ()).map_err(|error| meaning("setting the search path again", error))
}

/// Outside a transaction the message would be out before the caller has committed anything. sqlx knows of the transactions
/// that it began; whether there is another the server tells.
async fn refuse_without_transaction(connection: &mut PgConnection) -> Result<(), StoreError> {
    if connection.is_in_transaction() {
        return Ok(());
    }
    let probe = "SAVEPOINT tidings_probe; RELEASE SAVEPOINT tidings_probe";
    match connection.execute(sqlx::raw_sql(probe)).await {
        Ok(_) => Ok(()),
        Err(error)
            if error.as_database_error().and_then(|error| error.code()).as_deref() == Some("25P01") =>
        {
            Err(StoreError::Sql {
                context: "no transaction is open on the connection that messages are to be appended on"
                    .to_owned(),
                source: "begin one (in sqlx `pool.begin()`), or use `outbox.begin()`".into(),
            })
        }
        Err(error) => Err(meaning("looking for the caller's transaction", error)),
    }
}
