//! A database that answers questions in SQL.

use std::collections::{HashMap, HashSet};

/// Why a fact could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(super) String);

/// A value of a row: what the facts are made of.
pub(super) enum Cell {
    Null,
    /// Also a truth value, as 0 or 1.
    Number(i64),
    Text(String),
}

/// What a query selects for one row.
pub(super) struct Row(pub(super) Vec<Cell>);

impl Row {
    pub(super) fn maybe_number(&self, at: usize) -> Option<i64> {
        match self.0.get(at) {
            Some(Cell::Number(number)) => Some(*number),
            Some(Cell::Text(text)) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn maybe_text(&self, at: usize) -> Option<String> {
        match self.0.get(at) {
            Some(Cell::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn number(&self, at: usize) -> Result<i64, Unreadable> {
        self.maybe_number(at).ok_or_else(|| Unreadable(format!("there is no number in column {at}")))
    }

    pub(super) fn text(&self, at: usize) -> Result<String, Unreadable> {
        self.maybe_text(at).ok_or_else(|| Unreadable(format!("there is no text in column {at}")))
    }
}

/// A database.
pub(super) trait Source {
    fn rows(&mut self, sql: &str) -> Result<Vec<Row>, Unreadable>;

    fn has_table(&mut self, table: &str) -> Result<bool, Unreadable>;

    /// The messages that a consumer has not passed, read by it or not, where its cursor is not a position.
    fn unread(&mut self) -> Result<HashMap<String, HashSet<i64>>, Unreadable>;

    /// What is wrong with the database itself.
    fn corruption(&mut self) -> Result<Option<String>, Unreadable>;

    /// What is left of workers that have ended.
    fn traces_of_workers(&mut self) -> Result<Vec<String>, Unreadable>;
}

impl dyn Source + '_ {
    /// Reads each row that a query selects.
    pub(super) fn all<T>(
        &mut self,
        sql: &str,
        read: impl FnMut(&Row) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        let rows = self.rows(sql)?;
        let read = rows.iter().map(read).collect::<Result<_, _>>();
        read.map_err(|Unreadable(why)| Unreadable(format!("{why}, asked by {sql}")))
    }
}
