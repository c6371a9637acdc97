//! Portable values in and out of statements.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, PgValueRef};
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Column as _, Decode, Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _,
};
use tidings_core::value::{Row, Value};

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

/// The rows of a result.
pub(crate) fn rows(rows: &[PgRow]) -> Result<Vec<Row>, sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    rows.iter()
        .map(|row| {
            let values = (0..columns.len()).map(|index| value(row, index)).collect::<Result<_, _>>()?;
            Ok(Row::new(columns.clone(), values))
        })
        .collect()
}

fn value(row: &PgRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let name = raw.type_info().name().to_owned();
    Ok(match name.as_str() {
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
        // Text in its several names. Another type is refused by the driver, with its name.
        _ => Value::Text(row.try_get(index)?),
    })
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
        Ok(Self(EPOCH.checked_add(SignedDuration::from_micros(micros))?))
    }
}
