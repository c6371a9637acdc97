//! A consumer's progress.

use tidings_core::envelope::Cursor;
use tidings_core::store::{Begun, Lease, Receipt, StoreError};

use super::{fenced_unless, lease_params};
use crate::exec::{Param, Statements};

pub(crate) async fn advance<E: Statements>(
    exec: &mut E,
    lease: &Lease,
    to: &Cursor,
    handled: Option<&Receipt>,
) -> Result<(), StoreError> {
    let [name, fence] = lease_params(lease);
    let position = cursor_position(to)?;
    let sql = include_str!("../../queries/advance.sql");
    fenced_unless(exec.execute(sql, &[name, fence, Param::Int(position)]).await?, lease)?;
    match handled {
        Some(receipt) => write_receipt(exec, lease, receipt, None).await,
        None => Ok(()),
    }
}

pub(crate) async fn write_receipt<E: Statements>(
    exec: &mut E,
    lease: &Lease,
    receipt: &Receipt,
    attempts: Option<u32>,
) -> Result<(), StoreError> {
    let params = [
        Param::Text(&lease.consumer),
        Param::Int(receipt.first.0),
        Param::Int(receipt.last.0),
        Param::Int(receipt.count.into()),
        Param::Int(receipt.at.as_microsecond()),
        Param::int(attempts.map(i64::from)),
    ];
    exec.execute(include_str!("../../queries/receipt_insert.sql"), &params).await.map(drop)
}

pub(crate) async fn begin_batch<E: Statements>(
    exec: &mut E,
    lease: &Lease,
    begun: &Begun,
) -> Result<(), StoreError> {
    let [name, fence] = lease_params(lease);
    let sql = include_str!("../../queries/begun_set.sql");
    let (count, tries) = (Param::Int(begun.count.into()), Param::Int(begun.tries.into()));
    fenced_unless(exec.execute(sql, &[name, fence, Param::Int(begun.first.0), count, tries]).await?, lease)
}

/// A cursor of this store is the position behind which to go on, as text.
pub(crate) fn cursor_position(cursor: &Cursor) -> Result<i64, StoreError> {
    cursor.0.parse().map_err(|source| StoreError::Sql {
        context: format!("`{}` is not a cursor of a SQLite store", cursor.0),
        source: Box::new(source),
    })
}
