//! The transaction of an outbox as an executor of sqlx.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use sqlx::{Describe, Either, Execute, Executor, SqlStr};
use tidings_core::store::StoreError;

use super::{Inspected, TypedDriver};
use crate::Outbox;
use crate::outbox::OwnedTx;

/// A transaction that was begun outside of handlers, as an executor of sqlx; see [`OutboxTx::tx`](crate::OutboxTx::tx).
pub struct BegunTx<'c, DB: TypedDriver> {
    pub(crate) outbox: &'c Outbox,
    pub(crate) tx: &'c mut DB::Owned,
}

impl<DB: TypedDriver> std::fmt::Debug for BegunTx<'_, DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BegunTx").finish_non_exhaustive()
    }
}

/// What a store says, as an executor says it.
pub(crate) fn of_the_store(error: StoreError) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(error))
}

impl<'c, DB: TypedDriver> BegunTx<'c, DB> {
    fn checked(self, sql: &str) -> Result<&'c mut DB::Owned, sqlx::Error> {
        self.outbox.check_tables(sql).map_err(of_the_store)?;
        Ok(self.tx)
    }
}

impl<'c, DB: TypedDriver> Executor<'c> for BegunTx<'c, DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let begun = Inspected::take(query).and_then(|query| Ok((self.checked(query.text())?, query)));
        match begun {
            Ok((tx, query)) => tx.fetch_many(query),
            Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let inspected = Inspected::take(query);
        async move {
            let query = inspected?;
            let (mut connection, mark) = self.checked(query.text())?.borrow().await.map_err(of_the_store)?;
            mark.unless_ok(DB::fetch_optional(&mut connection, query).await)
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            let (mut connection, mark) = self.checked(sql.as_str())?.borrow().await.map_err(of_the_store)?;
            mark.unless_ok(DB::prepare_with(&mut connection, sql, parameters).await)
        }
        .boxed()
    }

    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            let (mut connection, mark) = self.checked(sql.as_str())?.borrow().await.map_err(of_the_store)?;
            mark.unless_ok(DB::describe(&mut connection, sql).await)
        }
        .boxed()
    }
}
