//! Values of the portable SQL layer: what a statement binds and what a row holds, on every store.
//!
//! `sqlx::Any` can bind neither UUIDs, times nor JSON. These types can, and each store maps them to
//! what is natural there: PostgreSQL to `uuid`, `timestamptz` and `jsonb`, SQLite to text that sorts and
//! reads well (a UUID with hyphens; a time in UTC with six decimals, so that text order is time order).

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

/// A bound parameter or a column's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A truth value (SQLite: 0 or 1).
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A 64-bit float.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A UUID (SQLite: text with hyphens).
    Uuid(Uuid),
    /// A point in time, microseconds kept (SQLite: `2026-01-31T09:30:00.000000Z`).
    Time(Timestamp),
    /// A JSON document (SQLite: text).
    Json(serde_json::Value),
}

impl Value {
    /// The name of the value's type, for error messages.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "uuid",
            Self::Time(_) => "timestamp",
            Self::Json(_) => "json",
        }
    }
}

/// Formats a time the way the portable layer stores it as text: UTC, always six decimals, so that the order of
/// the texts is the order of the times.
#[must_use]
pub fn time_to_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// One row of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

/// Why a column could not be read as asked.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ColumnError {
    /// The statement has no such column.
    #[error("the row has no column `{column}`; it has {}", .present.join(", "))]
    Missing {
        /// The column asked for.
        column: String,
        /// The columns there are.
        present: Vec<String>,
    },
    /// The column holds another type.
    #[error("column `{column}` holds {found}, which does not read as {wanted}")]
    Type {
        /// The column's name.
        column: String,
        /// The stored type.
        found: String,
        /// The Rust type asked for.
        wanted: &'static str,
    },
}

impl Row {
    /// A row of these columns; both sides have the same length.
    #[must_use]
    pub fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        debug_assert_eq!(columns.len(), values.len());
        Self { columns, values }
    }

    /// Reads a column by its name.
    ///
    /// # Errors
    /// If there is no such column, or it does not read as `T`.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, ColumnError> {
        match self.columns.iter().position(|name| name == column) {
            Some(index) => self.at(index),
            None => Err(ColumnError::Missing { column: column.to_owned(), present: self.columns.to_vec() }),
        }
    }

    /// Reads a column by its place, counted from 0.
    ///
    /// # Errors
    /// If there is no such column, or it does not read as `T`.
    pub fn at<T: FromValue>(&self, index: usize) -> Result<T, ColumnError> {
        let missing = || ColumnError::Missing { column: format!("#{index}"), present: self.columns.to_vec() };
        let value = self.values.get(index).ok_or_else(missing)?;
        T::from_value(value).ok_or_else(|| ColumnError::Type {
            column: self.columns[index].clone(),
            found: value.type_name().to_owned(),
            wanted: std::any::type_name::<T>(),
        })
    }

    /// The values in column order.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

/// Types that can be read from a column.
pub trait FromValue: Sized {
    /// Reads the value, or `None` if it is of another type.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(value: $t) -> Self { Self::Int(i64::from(value)) }
        }
        impl FromValue for $t {
            fn from_value(value: &Value) -> Option<Self> {
                match value { Value::Int(int) => (*int).try_into().ok(), _ => None }
            }
        }
    )*};
}
integers!(i64, i32, i16, u32, u16, u8);

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(*truth),
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Float(float) => Some(*float),
            Value::Int(int) => Some(*int as f64),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl FromValue for Uuid {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Uuid(uuid) => Some(*uuid),
            Value::Text(text) => Uuid::parse_str(text).ok(),
            _ => None,
        }
    }
}

impl FromValue for Timestamp {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Time(time) => Some(*time),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl FromValue for serde_json::Value {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Json(json) => Some(json.clone()),
            Value::Text(text) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

macro_rules! into_value {
    ($($t:ty => $variant:ident),* $(,)?) => {$(
        impl From<$t> for Value {
            fn from(value: $t) -> Self { Self::$variant(value.into()) }
        }
    )*};
}
into_value!(bool => Bool, f64 => Float, String => Text, &str => Text, &String => Text, Vec<u8> => Bytes,
    Uuid => Uuid, Timestamp => Time, serde_json::Value => Json);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<&Uuid> for Value {
    fn from(value: &Uuid) -> Self {
        Self::Uuid(*value)
    }
}

/// Types that can be read from a whole row: tuples by column order, or a struct by hand with [`Row::get`].
pub trait FromRow: Sized {
    /// Reads the row.
    ///
    /// # Errors
    /// If a column is missing or of another type.
    fn from_row(row: &Row) -> Result<Self, ColumnError>;
}

impl FromRow for Row {
    fn from_row(row: &Row) -> Result<Self, ColumnError> {
        Ok(row.clone())
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),+)),* $(,)?) => {$(
        impl<$($t: FromValue),+> FromRow for ($($t,)+) {
            fn from_row(row: &Row) -> Result<Self, ColumnError> {
                Ok(($(row.at::<$t>($i)?,)+))
            }
        }
    )*};
}
tuples!(
    (A 0), (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3), (A 0, B 1, C 2, D 3, E 4),
    (A 0, B 1, C 2, D 3, E 4, F 5), (A 0, B 1, C 2, D 3, E 4, F 5, G 6),
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_order_is_time_order() {
        let times = ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.5Z", "2026-01-31T09:30:00.499999Z"];
        let mut times: Vec<Timestamp> = times.iter().map(|text| text.parse().unwrap()).collect();
        let mut texts: Vec<String> = times.iter().map(|time| time_to_text(*time)).collect();
        times.sort();
        texts.sort();
        assert_eq!(texts, times.iter().map(|time| time_to_text(*time)).collect::<Vec<_>>());
        assert_eq!(texts[0], "2026-01-31T09:30:00.000000Z");
    }

    #[test]
    fn rows_say_what_is_wrong() {
        let row = Row::new(["id".to_owned()].into(), vec![Value::Text("x".into())]);
        assert!(row.get::<Uuid>("id").unwrap_err().to_string().contains("column `id` holds text"));
        assert!(row.get::<i64>("ID").unwrap_err().to_string().contains("it has id"));
        assert_eq!(row.get::<String>("id").unwrap(), "x");
    }
}
