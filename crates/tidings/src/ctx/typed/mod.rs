//! Typed access: the handler's own transaction as an executor of sqlx.

mod begun;
mod inspected;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod watched;

use std::marker::PhantomData;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryFutureExt};
use sqlx::{Database, Describe, Either, Execute, Executor, SqlStr};
use tidings_core::store::Tx;

use super::{Ctx, CtxCore, Driver, QueryCtx};
pub use begun::BegunTx;
pub(crate) use begun::of_the_store;
pub(crate) use inspected::Inspected;
pub(crate) use watched::{Borrowed, Mark};

/// What a statement gives, as it comes: how many rows it changed, or a row.
pub(crate) type Fetched<'e, D> =
    BoxStream<'e, Result<Either<<D as Database>::QueryResult, <D as Database>::Row>, sqlx::Error>>;

/// A database of sqlx that a store gives typed access to: `sqlx::Sqlite` (feature `sqlite`) and `sqlx::Postgres` (feature
/// `postgres`). It is said once, in the handler's context, and the application refuses to start on another store.
#[diagnostic::on_unimplemented(
    message = "there is no typed access to `{Self}`",
    note = "use `Ctx` for portable SQL on every store, or a database of sqlx whose feature of `tidings` is on: `sqlx::Sqlite` (`sqlite`), `sqlx::Postgres` (`postgres`)"
)]
#[allow(
    private_interfaces,
    private_bounds,
    reason = "the trait is sealed by these; users only name the databases"
)]
pub trait TypedDriver: Driver + Database {
    /// A transaction in somebody's own hands, see [`Outbox::begin`](crate::Outbox::begin).
    #[doc(hidden)]
    type Owned: crate::outbox::OwnedTx<Self>;

    /// The connection of a transaction of this database's store.
    #[doc(hidden)]
    fn borrow(tx: &mut dyn Tx) -> BoxFuture<'_, Result<Borrowed<'_, Self>, sqlx::Error>>;

    #[doc(hidden)]
    fn fetch_many<'e>(connection: &'e mut Self::Connection, query: Inspected<Self>) -> Fetched<'e, Self>;

    #[doc(hidden)]
    fn fetch_optional(
        connection: &mut Self::Connection,
        query: Inspected<Self>,
    ) -> BoxFuture<'_, Result<Option<Self::Row>, sqlx::Error>>;

    #[doc(hidden)]
    fn prepare_with<'e>(
        connection: &'e mut Self::Connection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> BoxFuture<'e, Result<Self::Statement, sqlx::Error>>;

    #[doc(hidden)]
    fn describe(
        connection: &mut Self::Connection,
        sql: SqlStr,
    ) -> BoxFuture<'_, Result<Describe<Self>, sqlx::Error>>;
}

/// The four ways in which sqlx asks, passed on to the connection of a database.
macro_rules! pass_on {
    ($database:ty) => {
        fn fetch_many<'e>(
            connection: &'e mut <$database as sqlx::Database>::Connection,
            query: super::Inspected<Self>,
        ) -> futures_util::stream::BoxStream<
            'e,
            Result<
                sqlx::Either<<$database as sqlx::Database>::QueryResult, <$database as sqlx::Database>::Row>,
                sqlx::Error,
            >,
        > {
            sqlx::Executor::fetch_many(connection, query)
        }

        fn fetch_optional(
            connection: &mut <$database as sqlx::Database>::Connection,
            query: super::Inspected<Self>,
        ) -> futures_util::future::BoxFuture<'_, Result<Option<<$database as sqlx::Database>::Row>, sqlx::Error>>
        {
            sqlx::Executor::fetch_optional(connection, query)
        }

        fn prepare_with<'e>(
            connection: &'e mut <$database as sqlx::Database>::Connection,
            sql: sqlx::SqlStr,
            parameters: &'e [<$database as sqlx::Database>::TypeInfo],
        ) -> futures_util::future::BoxFuture<'e, Result<<$database as sqlx::Database>::Statement, sqlx::Error>>
        {
            sqlx::Executor::prepare_with(connection, sql, parameters)
        }

        fn describe(
            connection: &mut <$database as sqlx::Database>::Connection,
            sql: sqlx::SqlStr,
        ) -> futures_util::future::BoxFuture<'_, Result<sqlx::Describe<$database>, sqlx::Error>> {
            sqlx::Executor::describe(connection, sql)
        }
    };
}
use pass_on;

impl<DB: TypedDriver> Ctx<DB> {
    /// The transaction, as an executor for `sqlx::query!` and its kin. It is taken from the store at the first
    /// statement.
    pub fn tx(&mut self) -> TypedTx<'_, DB> {
        TypedTx { core: &mut self.core, database: PhantomData }
    }
}

impl<DB: TypedDriver> QueryCtx<DB> {
    /// The snapshot, as an executor for `sqlx::query!` and its kin.
    pub fn tx(&mut self) -> TypedTx<'_, DB> {
        TypedTx { core: &mut self.core, database: PhantomData }
    }
}

/// A handler's transaction as an executor of sqlx.
///
/// It is an executor of its own, not a connection, so that the transaction can be taken at the first statement and each
/// statement can be looked at: on SQLite it is checked against the module's tables; on PostgreSQL, whether it failed, after
/// which the server would answer a commit with a rollback, and no error.
pub struct TypedTx<'c, DB> {
    core: &'c mut CtxCore,
    database: PhantomData<fn() -> DB>,
}

impl<DB> std::fmt::Debug for TypedTx<'_, DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedTx").field("module", &self.core.module.name).finish_non_exhaustive()
    }
}

impl<'c, DB: TypedDriver> TypedTx<'c, DB> {
    /// The connection itself, for code that asks for one. Statements run on it are not checked against the module's
    /// tables. Begin and end no transaction on it, one is open already; sqlx's own `begin()` makes a savepoint and is fine.
    ///
    /// # Errors
    /// If the store is of another database.
    pub async fn connection(self) -> Result<&'c mut DB::Connection, sqlx::Error> {
        Ok(self.borrow().await?.given_out())
    }

    async fn borrow(self) -> Result<Borrowed<'c, DB>, sqlx::Error> {
        DB::borrow(self.core.tx().await).await
    }

    async fn checked(self, sql: &str) -> Result<Borrowed<'c, DB>, sqlx::Error> {
        self.core.shared.check_tables(&self.core.module, sql).map_err(of_the_store)?;
        self.borrow().await
    }
}

/// The transaction is of another store than the handler's context. The application's start has looked at that, so it does
/// not happen.
fn wrong_store<DB: TypedDriver>() -> sqlx::Error {
    let store = DB::STORE.unwrap_or_default();
    sqlx::Error::Configuration(format!("the handler's context needs the store `{store}`").into())
}

impl<'c, DB: TypedDriver> Executor<'c> for TypedTx<'c, DB> {
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<DB::QueryResult, DB::Row>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let inspected = Inspected::take(query);
        async move {
            let query = inspected?;
            let (connection, mark) = self.checked(query.text()).await?.marked();
            Ok(mark.stream(DB::fetch_many(connection, query)))
        }
        .try_flatten_stream()
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<DB::Row>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let inspected = Inspected::take(query);
        async move {
            let query = inspected?;
            let (connection, mark) = self.checked(query.text()).await?.marked();
            mark.unless_ok(DB::fetch_optional(connection, query).await)
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
            let (connection, mark) = self.checked(sql.as_str()).await?.marked();
            mark.unless_ok(DB::prepare_with(connection, sql, parameters).await)
        }
        .boxed()
    }

    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            let (connection, mark) = self.checked(sql.as_str()).await?.marked();
            mark.unless_ok(DB::describe(connection, sql).await)
        }
        .boxed()
    }
}
