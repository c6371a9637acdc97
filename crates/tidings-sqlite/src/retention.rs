//! x
use crate::store::SqliteStore;
use jiff::Timestamp;
use tidings_core::store::{Maintenance, Retention, StoreError};
pub(crate) async fn maintain(
    _s: &SqliteStore,
    _r: &Retention,
    _now: Timestamp,
) -> Result<Maintenance, StoreError> {
    Ok(Maintenance::default())
}
