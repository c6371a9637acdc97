//! The portable SQL layer: one statement text, one set of types, every store.

use tidings_core::error::Result;
use tidings_core::store::TableScope;
use tidings_core::value::{FromRow, FromValue, Row, Value};

use super::CtxCore;

/// A statement with its parameters, to be run on [`Ctx::tx`](super::Ctx::tx).
///
/// Parameters are written `$1`, `$2`, ... on every store. See [`Value`] for the types that can be bound.
#[must_use = "a statement does nothing until it is executed or fetched"]
pub struct Sql<'q> {
    text: &'q str,
    params: Vec<Value>,
}

/// Begins a portable statement: `sql("UPDATE stock SET level = level - $1 WHERE sku = $2").bind(n).bind(sku)`.
pub fn sql(text: &str) -> Sql<'_> {
    Sql { text, params: Vec::new() }
}

/// The transaction of a handler, for portable statements.
pub struct PortableTx<'c>(pub(crate) &'c mut CtxCore);

impl Sql<'_> {
    /// Binds the next parameter.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// Runs the statement and returns the number of rows it changed.
    ///
    /// # Errors
    /// The database's error with the statement, never with the bound values.
    pub async fn execute(self, tx: PortableTx<'_>) -> Result<u64> {
        let (module, tx) = tx.0.scoped_tx().await;
        Ok(tx.execute(TableScope { module: &module }, self.text, &self.params).await?)
    }

    /// All rows.
    ///
    /// # Errors
    /// The database's error, or a column that does not read as asked.
    pub async fn fetch_all<T: FromRow>(self, tx: PortableTx<'_>) -> Result<Vec<T>> {
        Ok(self.rows(tx).await?.iter().map(T::from_row).collect::<Result<_, _>>()?)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// The database's error, or a column that does not read as asked.
    pub async fn fetch_optional<T: FromRow>(self, tx: PortableTx<'_>) -> Result<Option<T>> {
        Ok(self.rows(tx).await?.first().map(T::from_row).transpose()?)
    }

    /// The first row.
    ///
    /// # Errors
    /// As [`fetch_optional`](Self::fetch_optional), and [`NoRow`] if there is none.
    pub async fn fetch_one<T: FromRow>(self, tx: PortableTx<'_>) -> Result<T> {
        Ok(self.fetch_optional(tx).await?.ok_or(NoRow)?)
    }

    /// The first column of the first row, if there is a row.
    ///
    /// # Errors
    /// The database's error, or a column that does not read as asked.
    pub async fn fetch_scalar<T: FromValue>(self, tx: PortableTx<'_>) -> Result<Option<T>> {
        Ok(self.rows(tx).await?.first().map(|row| row.at(0)).transpose()?)
    }

    async fn rows(self, tx: PortableTx<'_>) -> Result<Vec<Row>> {
        let (module, tx) = tx.0.scoped_tx().await;
        Ok(tx.fetch(TableScope { module: &module }, self.text, &self.params).await?)
    }
}

/// A statement that should have found a row found none.
#[derive(Debug, thiserror::Error)]
#[error("the statement found no row")]
pub struct NoRow;
