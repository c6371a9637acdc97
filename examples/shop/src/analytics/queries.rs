//! What can be asked about days.

use serde::{Deserialize, Serialize};
use tidings::{Query, QueryCtx, Result, sql};

/// The days as they are now, newest first.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("analytics.days", output = Vec<Day>)]
pub(crate) struct Days {}

/// The days as they were when their reports were made, newest first.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("analytics.reports", output = Vec<Day>)]
pub(crate) struct Reports {}

/// How a day went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Day {
    pub(crate) day: String,
    /// Orders placed, and what they cost.
    pub(crate) placed: u32,
    pub(crate) cents: i64,
    /// Orders that left the house.
    pub(crate) shipped: u32,
}

const DAYS_MAX: u32 = 366;

pub(super) async fn days(ctx: &mut QueryCtx, _all: Days) -> Result<Vec<Day>> {
    let rows = sql("SELECT day, placed, cents, shipped FROM daily_totals ORDER BY day DESC LIMIT $1")
        .bind(DAYS_MAX)
        .fetch_all(ctx.tx())
        .await?;
    Ok(rows.into_iter().map(day).collect())
}

pub(super) async fn reports(ctx: &mut QueryCtx, _all: Reports) -> Result<Vec<Day>> {
    let rows = sql("SELECT day, placed, cents, shipped FROM daily_reports ORDER BY day DESC LIMIT $1")
        .bind(DAYS_MAX)
        .fetch_all(ctx.tx())
        .await?;
    Ok(rows.into_iter().map(day).collect())
}

fn day((day, placed, cents, shipped): (String, u32, i64, u32)) -> Day {
    Day { day, placed, cents, shipped }
}
