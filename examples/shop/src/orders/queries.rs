//! What can be asked about orders.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidings::{Query, QueryCtx, Result, sql};
use uuid::Uuid;

use super::place::Line;
use super::state::State;
use crate::percentile::percentile;

/// One order; `null` if there is none.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.status", output = Option<OrderStatus>)]
pub(crate) struct Status {
    pub(crate) order_id: Uuid,
}

/// How far an order has come.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderStatus {
    pub(crate) order_id: Uuid,
    pub(crate) state: State,
    pub(crate) total_cents: u32,
    pub(crate) placed_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) lines: Vec<Line>,
}

/// The orders, counted by state.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.by-state", output = Vec<StateCount>)]
pub(crate) struct ByState {}

/// How many orders are in a state, and their sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateCount {
    pub(crate) state: State,
    pub(crate) orders: u32,
    pub(crate) total_cents: i64,
}

/// What this module has heard about stock.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.stock-levels", output = Vec<SkuPieces>)]
pub(crate) struct StockLevels {}

/// The goods of the orders in one state.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.pieces", output = Vec<SkuPieces>)]
pub(crate) struct Pieces {
    pub(crate) state: State,
}

/// How long orders took from being placed to being completed, of those placed since then.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.lead-times", output = LeadTimes)]
pub(crate) struct LeadTimesSince {
    pub(crate) placed_since: Timestamp,
}

/// How long orders took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeadTimes {
    pub(crate) orders: usize,
    pub(crate) p50_ms: u64,
    pub(crate) p99_ms: u64,
    pub(crate) max_ms: u64,
}

/// So many of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SkuPieces {
    pub(crate) sku: String,
    pub(crate) pieces: u32,
}

pub(super) async fn status(ctx: &mut QueryCtx, of: Status) -> Result<Option<OrderStatus>> {
    let order: Option<(State, u32, Timestamp, Timestamp)> =
        sql("SELECT state, total_cents, placed_at, changed_at FROM orders WHERE order_id = $1")
            .bind(of.order_id)
            .fetch_optional(ctx.tx())
            .await?;
    let Some((state, total_cents, placed_at, changed_at)) = order else { return Ok(None) };
    let lines: Vec<(String, u32)> =
        sql("SELECT sku, quantity FROM order_lines WHERE order_id = $1 ORDER BY sku")
            .bind(of.order_id)
            .fetch_all(ctx.tx())
            .await?;
    let lines = lines.into_iter().map(|(sku, quantity)| Line { sku, quantity }).collect();
    Ok(Some(OrderStatus { order_id: of.order_id, state, total_cents, placed_at, changed_at, lines }))
}

pub(super) async fn by_state(ctx: &mut QueryCtx, _all: ByState) -> Result<Vec<StateCount>> {
    let rows: Vec<(State, u32, i64)> =
        sql("SELECT state, COUNT(*), CAST(SUM(total_cents) AS BIGINT) FROM orders GROUP BY state")
            .fetch_all(ctx.tx())
            .await?;
    let count = |(state, orders, total_cents)| StateCount { state, orders, total_cents };
    let mut counts: Vec<_> = rows.into_iter().map(count).collect();
    counts.sort_by_key(|count| count.state);
    Ok(counts)
}

pub(super) async fn stock_levels(ctx: &mut QueryCtx, _all: StockLevels) -> Result<Vec<SkuPieces>> {
    let rows = sql("SELECT sku, available FROM stock_levels ORDER BY sku").fetch_all(ctx.tx()).await?;
    Ok(rows.into_iter().map(sku_pieces).collect())
}

pub(super) async fn pieces(ctx: &mut QueryCtx, of: Pieces) -> Result<Vec<SkuPieces>> {
    let rows = sql("SELECT line.sku, CAST(SUM(line.quantity) AS BIGINT)
         FROM order_lines line JOIN orders placed ON placed.order_id = line.order_id
         WHERE placed.state = $1
         GROUP BY line.sku ORDER BY line.sku")
    .bind(of.state)
    .fetch_all(ctx.tx())
    .await?;
    Ok(rows.into_iter().map(sku_pieces).collect())
}

pub(super) async fn lead_times(ctx: &mut QueryCtx, of: LeadTimesSince) -> Result<LeadTimes> {
    let rows: Vec<(Timestamp, Timestamp)> =
        sql("SELECT placed_at, changed_at FROM orders WHERE state = $1 AND placed_at >= $2")
            .bind(State::Completed)
            .bind(of.placed_since)
            .fetch_all(ctx.tx())
            .await?;
    let lead_time_ms = |(placed, completed): (Timestamp, Timestamp)| {
        u64::try_from(completed.duration_since(placed).as_millis()).unwrap_or(0)
    };
    let mut times: Vec<u64> = rows.into_iter().map(lead_time_ms).collect();
    times.sort_unstable();
    Ok(LeadTimes {
        orders: times.len(),
        p50_ms: percentile(&times, 50),
        p99_ms: percentile(&times, 99),
        max_ms: percentile(&times, 100),
    })
}

fn sku_pieces((sku, pieces): (String, u32)) -> SkuPieces {
    SkuPieces { sku, pieces }
}
