//! Rows of the store's own tables, read column by column, without a value being made of each.

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use tidings_core::clock::from_stored;
use tidings_core::ids::MessageId;
use tidings_core::store::StoreError;
use tidings_core::value::Value;
use uuid::Uuid;

/// What a column holds. No table of the store has anything else.
pub(crate) enum Cell<'r> {
    Null,
    Int(i64),
    Text(&'r str),
    Bytes(&'r [u8]),
}

/// A row of either driver.
pub(crate) trait Cells {
    fn cell(&self, column: usize) -> Option<Cell<'_>>;
}

impl Cells for rusqlite::Row<'_> {
    fn cell(&self, column: usize) -> Option<Cell<'_>> {
        match self.get_ref(column).ok()? {
            ValueRef::Null => Some(Cell::Null),
            ValueRef::Integer(int) => Some(Cell::Int(int)),
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(Cell::Text),
            ValueRef::Blob(bytes) => Some(Cell::Bytes(bytes)),
            ValueRef::Real(_) => None,
        }
    }
}

impl Cells for Vec<Value> {
    fn cell(&self, column: usize) -> Option<Cell<'_>> {
        match self.get(column)? {
            Value::Null => Some(Cell::Null),
            Value::Int(int) => Some(Cell::Int(*int)),
            Value::Text(text) => Some(Cell::Text(text)),
            Value::Bytes(bytes) => Some(Cell::Bytes(bytes)),
            _ => None,
        }
    }
}

/// The columns of a row, from the first to the last.
pub(crate) struct Columns<'r> {
    row: &'r dyn Cells,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn new(row: &'r dyn Cells) -> Self {
        Self { row, next: 0 }
    }

    fn next(&mut self) -> Result<Cell<'r>, StoreError> {
        let cell = self.row.cell(self.next).ok_or_else(|| self.unreadable())?;
        self.next += 1;
        Ok(cell)
    }

    pub(crate) fn int(&mut self) -> Result<i64, StoreError> {
        self.int_or_null()?.ok_or_else(|| self.unreadable())
    }

    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>, StoreError> {
        match self.next()? {
            Cell::Null => Ok(None),
            Cell::Int(int) => Ok(Some(int)),
            _ => Err(self.unreadable()),
        }
    }

    pub(crate) fn count(&mut self) -> Result<u32, StoreError> {
        u32::try_from(self.int()?).map_err(|_| self.unreadable())
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.int().map(from_stored)
    }

    pub(crate) fn text(&mut self) -> Result<&'r str, StoreError> {
        self.text_or_null()?.ok_or_else(|| self.unreadable())
    }

    pub(crate) fn text_or_null(&mut self) -> Result<Option<&'r str>, StoreError> {
        match self.next()? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            _ => Err(self.unreadable()),
        }
    }

    pub(crate) fn bytes_or_null(&mut self) -> Result<Option<&'r [u8]>, StoreError> {
        match self.next()? {
            Cell::Null => Ok(None),
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(self.unreadable()),
        }
    }

    pub(crate) fn id(&mut self) -> Result<MessageId, StoreError> {
        self.id_or_null()?.ok_or_else(|| self.unreadable())
    }

    pub(crate) fn id_or_null(&mut self) -> Result<Option<MessageId>, StoreError> {
        let Some(bytes) = self.bytes_or_null()? else { return Ok(None) };
        Uuid::from_slice(bytes).map(|id| Some(MessageId(id))).map_err(|_| self.unreadable())
    }

    fn unreadable(&self) -> StoreError {
        StoreError::Corrupt {
            what: format!("column {} of a row of jobs", self.next),
            remedy: crate::error::CORRUPT_REMEDY,
            source: None,
        }
    }
}
