//! What can be asked about orders.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidings::{Query, QueryCtx, Result, sql};
use uuid::Uuid;

use super::place::Line;
use super::state::State;

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

/// What is set aside for orders, as this module has heard.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.reserved-pieces", output = Vec<SkuPieces>)]
pub(crate) struct ReservedPieces {}

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

pub(super) async fn reserved_pieces(ctx: &mut QueryCtx, _all: ReservedPieces) -> Result<Vec<SkuPieces>> {
    let rows = sql("SELECT line.sku, CAST(SUM(line.quantity) AS BIGINT)
         FROM order_lines line JOIN orders reserved ON reserved.order_id = line.order_id
         WHERE reserved.state = $1
         GROUP BY line.sku ORDER BY line.sku")
    .bind(State::StockReserved)
    .fetch_all(ctx.tx())
    .await?;
    Ok(rows.into_iter().map(sku_pieces).collect())
}

fn sku_pieces((sku, pieces): (String, u32)) -> SkuPieces {
    SkuPieces { sku, pieces }
}
