//! What can be asked about payments.

use serde::{Deserialize, Serialize};
use tidings::{Query, QueryCtx, Result, sql};

/// The payments, counted by status.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("payments.by-status", output = Vec<StatusCount>)]
pub(crate) struct ByStatus {}

/// How many payments have a status, and their sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusCount {
    pub(crate) status: String,
    pub(crate) payments: u32,
    pub(crate) amount_cents: i64,
    /// What the provider gave back of what it had taken.
    pub(crate) refunded_cents: i64,
}

pub(super) async fn by_status(ctx: &mut QueryCtx, _all: ByStatus) -> Result<Vec<StatusCount>> {
    let rows: Vec<(String, u32, i64, i64)> =
        sql("SELECT status, COUNT(*), CAST(SUM(amount_cents) AS BIGINT), CAST(SUM(refunded_cents) AS BIGINT)
         FROM payments GROUP BY status ORDER BY status")
        .fetch_all(ctx.tx())
        .await?;
    let count = |(status, payments, amount_cents, refunded_cents)| StatusCount {
        status,
        payments,
        amount_cents,
        refunded_cents,
    };
    Ok(rows.into_iter().map(count).collect())
}
