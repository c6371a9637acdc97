//! Typed access: the handler's own transaction as an executor of sqlx.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryFutureExt};
use sqlx::Describe;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo};
use sqlx::{Either, Execute, Executor, SqlStr, Sqlite, SqliteConnection};
use tidings_sqlite::SqlxTx;

use super::{Ctx, CtxCore, Driver, QueryCtx};

impl Driver for Sqlite {
    const NAME: &'static str = "sqlx";
    const STORE: Option<&'static str> = Some("sqlite");
}

impl Ctx<Sqlite> {
    /// The transaction, as an executor for `sqlx::query!` and its kin. It is taken from the store at the first
    /// statement.
    pub fn tx(&mut self) -> TypedTx<'_> {
        TypedTx(&mut self.core)
    }
}

impl QueryCtx<Sqlite> {
    /// The snapshot, as an executor for `sqlx::query!` and its kin.
    pub fn tx(&mut self) -> TypedTx<'_> {
        TypedTx(&mut self.core)
    }
}

/// A handler's transaction as an executor of sqlx.
///
/// It is an executor of its own, not a connection, so that the transaction can be taken at the first statement and each
/// statement can be checked against the module's tables.
pub struct TypedTx<'c>(pub(super) &'c mut CtxCore);

impl std::fmt::Debug for TypedTx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedTx").field("module", &self.0.module.name).finish_non_exhaustive()
    }
}

impl<'c> TypedTx<'c> {
    /// The connection itself, for code that asks for one. Statements run on it are not checked against the module's
    /// tables; begin no transaction on it, one is open already.
    ///
    /// # Errors
    /// If the store is not SQLite.
    pub async fn connection(self) -> Result<&'c mut SqliteConnection, sqlx::Error> {
        let tx = self.0.tx().await.as_any_mut().downcast_mut::<SqlxTx>();
        let tx = tx.ok_or_else(|| {
            configuration("the store is not SQLite, but the handler takes `Ctx<sqlx::Sqlite>`")
        })?;
        // Told as the driver's, because that is the error type of an executor.
        tx.connection().await.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
    }

    async fn checked(self, sql: &str) -> Result<&'c mut SqliteConnection, sqlx::Error> {
        if let Some(check) = &self.0.shared.check_tables {
            check(&self.0.module.name, sql).map_err(|error| sqlx::Error::Configuration(Box::new(error)))?;
        }
        self.connection().await
    }
}

fn configuration(problem: &str) -> sqlx::Error {
    sqlx::Error::Configuration(problem.into())
}

/// A query taken apart, so that its text can be looked at before it runs.
struct Inspected {
    sql: SqlStr,
    arguments: Option<SqliteArguments>,
    statement: Option<SqliteStatement>,
    persistent: bool,
}

impl Inspected {
    fn take<'q>(mut query: impl Execute<'q, Sqlite>) -> Result<Self, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let (statement, persistent) = (query.statement().cloned(), query.persistent());
        Ok(Self { sql: query.sql(), arguments, statement, persistent })
    }
}

impl Execute<'_, Sqlite> for Inspected {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&SqliteStatement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<SqliteArguments>, BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

impl<'c> Executor<'c> for TypedTx<'c> {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<SqliteQueryResult, SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let inspected = Inspected::take(query);
        async move {
            let query = inspected?;
            let connection = self.checked(query.sql.as_str()).await?;
            Ok(connection.fetch_many(query))
        }
        .try_flatten_stream()
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let inspected = Inspected::take(query);
        async move {
            let query = inspected?;
            self.checked(query.sql.as_str()).await?.fetch_optional(query).await
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<SqliteStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        async move { self.checked(sql.as_str()).await?.prepare_with(sql, parameters).await }.boxed()
    }

    #[doc(hidden)]
    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Sqlite>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move { self.checked(sql.as_str()).await?.describe(sql).await }.boxed()
    }
}
