//! Consumers over time: entered, renamed, retired and back again, and what they have read when.

mod reads;
mod register;
mod retire;

use sqlx::PgConnection;
use tidings_core::store::StoreError;

use crate::error::meaning;

pub(crate) use register::register;
pub(crate) use retire::retire;

/// One at a time enters or retires consumers: several processes start at once, and each enters all of its own. The lock is the
/// schema's.
const ONE_AT_A_TIME: &str = include_str!("../../queries/consumers_lock.sql");

/// Runs a statement about consumers whose parameters are texts.
async fn run(connection: &mut PgConnection, sql: &'static str, texts: &[&str]) -> Result<(), StoreError> {
    let query = texts.iter().fold(sqlx::query(sql), |query, text| query.bind(*text));
    query.execute(connection).await.map(|_| ()).map_err(|error| meaning("changing a consumer", error))
}
