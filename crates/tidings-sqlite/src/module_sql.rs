//! Modules' statements on the native driver: parameters by number, values in and out.

use std::sync::Arc;

use rusqlite::types::{Null, ValueRef};
use rusqlite::{Connection, Statement};
use tidings_core::value::{Row, Value, time_to_text};

/// Why a module's statement did not run.
pub(crate) enum Problem {
    Parameters(String),
    Driver(rusqlite::Error),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Driver(error)
    }
}

pub(crate) fn execute(connection: &Connection, sql: &str, params: &[Value]) -> Result<u64, Problem> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    if statement.column_count() > 0 {
        // A RETURNING clause: rows nobody asked for, but the changes count.
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        drop(rows);
        return Ok(if statement.readonly() { 0 } else { connection.changes() });
    }
    let before = connection.total_changes();
    let changed = statement.raw_execute()?;
    // After a statement that is no INSERT, UPDATE or DELETE, SQLite still tells the count of the one before it.
    Ok(if connection.total_changes() == before { 0 } else { changed as u64 })
}

pub(crate) fn fetch(connection: &Connection, sql: &str, params: &[Value]) -> Result<Vec<Row>, Problem> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, params)?;
    let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let rows = read_rows(&mut statement)?;
    Ok(rows.into_iter().map(|values| Row::new(columns.clone(), values)).collect())
}

/// All rows of a statement whose parameters are bound.
pub(crate) fn read_rows(statement: &mut Statement<'_>) -> rusqlite::Result<Vec<Vec<Value>>> {
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column).and_then(|value| to_value(column, value)));
        read.push(values.collect::<rusqlite::Result<_>>()?);
    }
    Ok(read)
}

/// Binds by name, so that `$2` may stand before `$1` and either twice.
fn bind(statement: &mut Statement<'_>, params: &[Value]) -> Result<(), Problem> {
    let count = statement.parameter_count();
    for index in 1..=count {
        let number = number_of(statement, index, params.len()).map_err(Problem::Parameters)?;
        bind_one(statement, index, &params[number - 1])?;
    }
    fewer(count, params.len()).map_or(Ok(()), |problem| Err(Problem::Parameters(problem)))
}

fn bind_one(statement: &mut Statement<'_>, index: usize, value: &Value) -> rusqlite::Result<()> {
    match value {
        Value::Null => statement.raw_bind_parameter(index, Null),
        Value::Bool(truth) => statement.raw_bind_parameter(index, i64::from(*truth)),
        Value::Int(int) => statement.raw_bind_parameter(index, int),
        Value::Float(float) => statement.raw_bind_parameter(index, float),
        Value::Text(text) => statement.raw_bind_parameter(index, text),
        Value::Bytes(bytes) => statement.raw_bind_parameter(index, bytes),
        Value::Uuid(uuid) => {
            let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
            statement.raw_bind_parameter(index, &*uuid.hyphenated().encode_lower(&mut text))
        }
        Value::Time(time) => statement.raw_bind_parameter(index, time_to_text(*time)),
        Value::Json(json) => statement.raw_bind_parameter(index, json.to_string()),
    }
}

/// The number of each parameter of the statement, from 1, all of them among the `given` values; or what is wrong.
pub(crate) fn numbers(statement: &Statement<'_>, given: usize) -> Result<Vec<usize>, String> {
    let count = statement.parameter_count();
    let numbers =
        (1..=count).map(|index| number_of(statement, index, given)).collect::<Result<Vec<_>, _>>()?;
    fewer(count, given).map_or(Ok(numbers), Err)
}

fn number_of(statement: &Statement<'_>, index: usize, given: usize) -> Result<usize, String> {
    let name = statement.parameter_name(index);
    let number = name.map_or(Some(index), number);
    number.filter(|number| (1..=given).contains(number)).ok_or_else(|| unknown_parameter(name, given))
}

fn fewer(count: usize, given: usize) -> Option<String> {
    (count < given).then(|| format!("it has {count} parameters, but {given} values were given"))
}

/// The number in `$1` or `?1`.
fn number(name: &str) -> Option<usize> {
    name.strip_prefix(['$', '?'])?.parse().ok()
}

fn unknown_parameter(name: Option<&str>, given: usize) -> String {
    let name = name.unwrap_or("?");
    if number(name).is_none() {
        return format!("its parameter `{name}` is not a number: parameters are written $1, $2 and so on");
    }
    format!("it has a parameter `{name}`, but {given} values were given")
}

fn to_value(column: usize, value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(int) => Value::Int(int),
        ValueRef::Real(float) => Value::Float(float),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Text(text) => {
            let text =
                std::str::from_utf8(text).map_err(|error| rusqlite::Error::Utf8Error(column, error))?;
            Value::Text(text.to_owned())
        }
    })
}
