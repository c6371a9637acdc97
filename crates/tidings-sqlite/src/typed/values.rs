//! Values in and out of sqlx.

use std::sync::Arc;

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{Column, Row as _, TypeInfo, ValueRef};
use tidings_core::value::{Row, Value, time_to_text};

use crate::exec::Param;

type Bindable<'q> = Query<'q, Sqlite, SqliteArguments>;

/// Binds the parameters of one of the store's own statements.
pub(super) fn bind_own<'q>(query: Bindable<'q>, params: &[Param<'_>]) -> Bindable<'q> {
    params.iter().fold(query, |query, param| match *param {
        Param::Null => query.bind(None::<i64>),
        Param::Int(int) => query.bind(int),
        Param::Text(text) => query.bind(text.to_owned()),
        Param::Blob(bytes) => query.bind(bytes.to_vec()),
    })
}

/// Binds the parameters of a module's statement, in the same forms as the native driver.
pub(super) fn bind<'q>(query: Bindable<'q>, params: &[Value]) -> Bindable<'q> {
    params.iter().fold(query, |query, param| match param {
        Value::Null => query.bind(None::<i64>),
        Value::Bool(truth) => query.bind(i64::from(*truth)),
        Value::Int(int) => query.bind(*int),
        Value::Float(float) => query.bind(*float),
        Value::Text(text) => query.bind(text.clone()),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
        Value::Uuid(uuid) => query.bind(uuid.to_string()),
        Value::Time(time) => query.bind(time_to_text(*time)),
        Value::Json(json) => query.bind(json.to_string()),
    })
}

pub(super) fn rows(rows: Vec<SqliteRow>) -> Result<Vec<Row>, sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter().map(|row| Ok(Row::new(columns.clone(), read(row)?))).collect()
}

/// All values of one row.
pub(crate) fn read(row: &SqliteRow) -> Result<Vec<Value>, sqlx::Error> {
    (0..row.len()).map(|column| value(row, column)).collect()
}

fn value(row: &SqliteRow, column: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    // The stored value's type, not the column's: SQLite lets them differ.
    match raw.type_info().name() {
        "REAL" => row.try_get_unchecked(column).map(Value::Float),
        "TEXT" => row.try_get_unchecked(column).map(Value::Text),
        "BLOB" => row.try_get_unchecked(column).map(Value::Bytes),
        _ => row.try_get_unchecked(column).map(Value::Int),
    }
}
