//! The pool, and statements that are transactions of their own.
//!
//! Behind a pooler that gives each transaction a connection of its own, nothing is sure between two messages to the server that
//! are not in one transaction: the driver prepares a statement with the first and runs it with the second, which may reach another
//! connection, where the name stands for nothing, or for somebody else's statement. So there each statement gets a transaction.
//! And names that others have left behind on a connection are in the way: the first thing a transaction does is to forget them.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Transaction};

const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Forgets what was prepared on a connection by whoever had it before.
const FORGET: &str = "; DEALLOCATE ALL";

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pool: PgPool,
    behind_pooler: bool,
}

/// A connection for statements that need not be in one transaction.
pub(crate) enum Lone {
    Own(PoolConnection<Postgres>),
    Shared(Transaction<'static, Postgres>),
}

/// The statement that begins a transaction.
pub(crate) fn beginning(begin: &str, behind_pooler: bool) -> String {
    format!("{begin}{}", if behind_pooler { FORGET } else { "" })
}

impl Pool {
    pub(crate) fn new(pool: PgPool, behind_pooler: bool) -> Self {
        Self { pool, behind_pooler }
    }

    pub(crate) async fn begin_with(
        &self,
        begin: &str,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(AssertSqlSafe(beginning(begin, self.behind_pooler))).await
    }

    /// A connection, for whoever begins a transaction by himself: see [`beginning`].
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.pool.acquire().await
    }

    pub(crate) fn is_exhausted(&self, connections_max: u32) -> bool {
        self.pool.size() >= connections_max && self.pool.num_idle() == 0
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    /// A connection. Who writes on it has to say that it is [done](Lone::done).
    pub(crate) async fn lone(&self) -> Result<Lone, sqlx::Error> {
        Ok(match self.behind_pooler {
            true => Lone::Shared(self.begin_with(READ_COMMITTED).await?),
            false => Lone::Own(self.pool.acquire().await?),
        })
    }
}

impl Lone {
    /// It has not answered: it is closed, or asked before it is used again, once doubts about connections were raised.
    pub(crate) fn give_up(self) {
        if let Self::Own(mut connection) = self {
            connection.close_on_drop();
        }
    }

    /// What was written is there from now on, if it is not already.
    pub(crate) async fn done(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Shared(tx) => tx.commit().await,
        }
    }
}

impl Deref for Lone {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Shared(tx) => tx,
        }
    }
}

impl DerefMut for Lone {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Own(connection) => connection,
            Self::Shared(tx) => tx,
        }
    }
}

/// A statement that is a transaction of its own.
pub(crate) trait Alone {
    fn all(self, pool: &Pool) -> impl Future<Output = Result<Vec<PgRow>, sqlx::Error>> + Send;
    fn optional(self, pool: &Pool) -> impl Future<Output = Result<Option<PgRow>, sqlx::Error>> + Send;
    fn one(self, pool: &Pool) -> impl Future<Output = Result<PgRow, sqlx::Error>> + Send;
    fn run(self, pool: &Pool) -> impl Future<Output = Result<PgQueryResult, sqlx::Error>> + Send;
}

impl Alone for Query<'_, Postgres, PgArguments> {
    async fn all(self, pool: &Pool) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut lone = pool.lone().await?;
        let rows = self.fetch_all(&mut *lone).await?;
        lone.done().await.map(|()| rows)
    }

    async fn optional(self, pool: &Pool) -> Result<Option<PgRow>, sqlx::Error> {
        let mut lone = pool.lone().await?;
        let row = self.fetch_optional(&mut *lone).await?;
        lone.done().await.map(|()| row)
    }

    async fn one(self, pool: &Pool) -> Result<PgRow, sqlx::Error> {
        let mut lone = pool.lone().await?;
        let row = self.fetch_one(&mut *lone).await?;
        lone.done().await.map(|()| row)
    }

    async fn run(self, pool: &Pool) -> Result<PgQueryResult, sqlx::Error> {
        let mut lone = pool.lone().await?;
        let done = self.execute(&mut *lone).await?;
        lone.done().await.map(|()| done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_forgotten_only_where_connections_are_shared() {
        assert_eq!(beginning("BEGIN", false), "BEGIN");
        assert_eq!(beginning("BEGIN", true), "BEGIN; DEALLOCATE ALL");
    }
}
