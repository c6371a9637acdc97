//! Portable values in and out of statements.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, PgValueRef};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, Decode, Encode, Postgres, Row as _, Type, ValueRef as _};
use tidings_core::store::StoreError;
use tidings_core::value::{Row, Value};

use crate::error::{Sort, meaning, shorten, sort};

/// A statement with its parameters. Who may run which statement is the caller's to check; the values are bound, never
/// spliced in.
pub(crate) fn query<'q>(sql: &str, params: &'q [Value]) -> Query<'q, Postgres, PgArguments> {
    params.iter().fold(sqlx::query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Value::Null => query.bind(Untyped),
        Value::Bool(truth) => query.bind(*truth),
        Value::Int(int) => query.bind(*int),
        Value::Float(float) => query.bind(*float),
        Value::Text(text) => query.bind(text.as_str()),
        Value::Bytes(bytes) => query.bind(bytes.as_slice()),
        Value::Uuid(uuid) => query.bind(*uuid),
        Value::Time(time) => query.bind(Time(*time)),
        Value::Json(json) => query.bind(json),
    })
}

/// Why a module's statement failed: which of its values the server could not take, if it was one.
pub(crate) fn failed(module: &str, sql: &str, params: &[Value], error: sqlx::Error) -> StoreError {
    let context = format!("module `{module}`: {}", shorten(sql));
    let holds_nul = |value: &Value| match value {
        Value::Text(text) => text.contains('\0'),
        Value::Json(json) => json_holds_nul(json),
        _ => false,
    };
    let found = match sort(&error) {
        Sort::Nul => params.iter().position(holds_nul),
        _ => None,
    };
    meaning(found.map_or(context.clone(), |index| format!("{context}: parameter ${}", index + 1)), error)
}

fn json_holds_nul(json: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match json {
        Json::String(text) => text.contains('\0'),
        Json::Array(items) => items.iter().any(json_holds_nul),
        Json::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || json_holds_nul(value))
        }
        _ => false,
    }
}

/// A text of ours that may hold anything, such as a handler's error, as PostgreSQL can store it.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// Why a column could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColumnProblem {
    #[error(
        "column `{column}` is of type {found}, which the portable layer does not read; cast it in the statement, for example \
         `{column}::{cast}`"
    )]
    Type { column: String, found: String, cast: &'static str },
    #[error("column `{column}` ({found}) holds a value that does not fit: {source}")]
    Value { column: String, found: String, source: sqlx::Error },
}

/// The rows of a result.
pub(crate) fn rows(rows: &[PgRow]) -> Result<Vec<Row>, ColumnProblem> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter()
        .map(|row| {
            let values = (0..columns.len()).map(|index| value(row, index)).collect::<Result<_, _>>()?;
            Ok(Row::new(columns.clone(), values))
        })
        .collect()
}

fn value(row: &PgRow, index: usize) -> Result<Value, ColumnProblem> {
    let column = || row.columns()[index].name().to_owned();
    let found = row.columns()[index].type_info().to_string();
    let read = || -> Result<Option<Value>, sqlx::Error> {
        if row.try_get_raw(index)?.is_null() {
            return Ok(Some(Value::Null));
        }
        Ok(Some(match found.as_str() {
            "BOOL" => Value::Bool(row.try_get(index)?),
            "INT2" => Value::Int(row.try_get::<i16, _>(index)?.into()),
            "INT4" => Value::Int(row.try_get::<i32, _>(index)?.into()),
            "INT8" => Value::Int(row.try_get(index)?),
            "FLOAT4" => Value::Float(row.try_get::<f32, _>(index)?.into()),
            "FLOAT8" => Value::Float(row.try_get(index)?),
            "BYTEA" => Value::Bytes(row.try_get(index)?),
            "UUID" => Value::Uuid(row.try_get(index)?),
            "TIMESTAMPTZ" => Value::Time(row.try_get::<Time, _>(index)?.0),
            "JSON" | "JSONB" => Value::Json(row.try_get(index)?),
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "citext" => Value::Text(row.try_get(index)?),
            _ => return Ok(None),
        }))
    };
    match read() {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(ColumnProblem::Type { column: column(), cast: cast(&found), found }),
        Err(source) => Err(ColumnProblem::Value { column: column(), found, source }),
    }
}

/// What a type that cannot be read is best read as.
fn cast(found: &str) -> &'static str {
    match found {
        // A sum of bigint is one, too.
        "NUMERIC" => "bigint` or `::float8` or `::text",
        "TIMESTAMP" => "timestamptz",
        "OID" | "XID" => "bigint",
        _ => "text",
    }
}

/// NULL of a type that the server infers from its place; a NULL declared as text would not fit a number's column.
struct Untyped;

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        const UNKNOWN: Oid = Oid(705);
        PgTypeInfo::with_oid(UNKNOWN)
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, _buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

/// `timestamptz`: microseconds since 2000-01-01 UTC.
struct Time(Timestamp);

const EPOCH: Timestamp = Timestamp::constant(946_684_800, 0);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("TIMESTAMPTZ")
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = i64::try_from(self.0.duration_since(EPOCH).as_micros())?;
        Encode::<Postgres>::encode(micros, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        if matches!(micros, i64::MIN | i64::MAX) {
            return Err("it is infinite".into());
        }
        Ok(Self(EPOCH.checked_add(SignedDuration::from_micros(micros))?))
    }
}
