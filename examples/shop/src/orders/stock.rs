//! How an order gets its goods, and what this module knows about stock.
//!
//! The levels are a copy, kept from inventory's events: nothing here asks inventory. They may be old, and so nothing is
//! promised from them. They serve to choose which waiting orders are worth another request.

use tidings::{Ctx, Reads, Result, sql};
use uuid::Uuid;

use super::move_on;
use super::state::{Fact, State};
use crate::contracts::orders::{Released, StockCheckRequested, stock_check_requested::v1::LinesItem as Line};

#[derive(Reads)]
#[reads("inventory.reserved", versions = "1")]
pub(super) struct Reserved {
    order_id: Uuid,
}

#[derive(Reads)]
#[reads("inventory.unavailable", versions = "1")]
pub(super) struct Unavailable {
    order_id: Uuid,
    missing: Vec<Level>,
}

#[derive(Reads)]
#[reads("inventory.unavailable", versions = "1", at = "missing[]")]
struct Level {
    sku: String,
    available: u32,
    revision: u32,
}

#[derive(Reads)]
#[reads("inventory.stock-changed", versions = "1")]
pub(super) struct Changed {
    sku: String,
    available: u32,
    revision: u32,
}

pub(super) async fn reserved(ctx: &mut Ctx, goods: Reserved) -> Result<()> {
    if move_on(ctx, goods.order_id, Fact::StockReserved).await?.is_some() {
        ctx.publish(Released { order_id: goods.order_id }).await?;
    }
    Ok(())
}

pub(super) async fn unavailable(ctx: &mut Ctx, goods: Unavailable) -> Result<()> {
    if move_on(ctx, goods.order_id, Fact::StockUnavailable).await?.is_none() {
        return Ok(());
    }
    // The refusal is news about stock as well. Had it not been learned, the order could be sent back and forth.
    for level in &goods.missing {
        learn(ctx, &level.sku, level.available, level.revision).await?;
    }
    // What had been meant for this order may do for another.
    for (sku, _) in lines_of(ctx, goods.order_id).await? {
        replenish(ctx, &sku).await?;
    }
    Ok(())
}

pub(super) async fn changed(ctx: &mut Ctx, level: Changed) -> Result<()> {
    learn(ctx, &level.sku, level.available, level.revision).await?;
    if level.available > 0 {
        replenish(ctx, &level.sku).await?;
    }
    Ok(())
}

/// Asks inventory, by an event, to set an order's goods aside.
pub(super) async fn request_check(ctx: &mut Ctx, order_id: Uuid) -> Result<()> {
    let lines = lines_of(ctx, order_id).await?;
    let lines = lines.into_iter().map(|(sku, quantity)| Line { sku, quantity }).collect();
    ctx.publish(StockCheckRequested { order_id, lines }).await?;
    Ok(())
}

/// Whether all of an order's goods are there, as far as this module has heard.
pub(super) async fn seems_in_stock(ctx: &mut Ctx, order_id: Uuid) -> Result<bool> {
    let (lacking,): (i64,) =
        sql("SELECT COUNT(*) FROM order_lines line LEFT JOIN stock_levels level ON level.sku = line.sku
         WHERE line.order_id = $1 AND COALESCE(level.available, 0) < line.quantity")
        .bind(order_id)
        .fetch_one(ctx.tx())
        .await?;
    Ok(lacking == 0)
}

/// Keeps a level, unless what is known is newer: levels arrive in two kinds of events, whose order is not promised.
async fn learn(ctx: &mut Ctx, sku: &str, available: u32, revision: u32) -> Result<()> {
    sql("INSERT INTO stock_levels (sku, available, revision) VALUES ($1, $2, $3)
         ON CONFLICT (sku) DO UPDATE SET available = excluded.available, revision = excluded.revision
         WHERE stock_levels.revision < excluded.revision")
    .bind(sku)
    .bind(available)
    .bind(revision)
    .execute(ctx.tx())
    .await?;
    Ok(())
}

/// Requests the goods of the orders that wait for a product, oldest first, for as many as there now seem to be goods.
async fn replenish(ctx: &mut Ctx, sku: &str) -> Result<()> {
    while let Some(order_id) = next_backorder(ctx, sku).await? {
        move_on(ctx, order_id, Fact::StockReplenished).await?;
        request_check(ctx, order_id).await?;
    }
    Ok(())
}

/// The oldest order that waits for this product and whose every line can be served, as far as is known, beside the
/// orders whose goods were requested again already. Without these, one piece would wake every order that waits for it.
///
/// This runs for every change of a level, so it has to begin with the few orders in a state and not with the many lines
/// of a product. SQLite keeps the order of a `CROSS JOIN`, and it tests `NOT EXISTS` as soon as it can: naming `wanted`
/// in it lets it wait until a line has been found. To PostgreSQL it is all the same.
async fn next_backorder(ctx: &mut Ctx, sku: &str) -> Result<Option<Uuid>> {
    let row: Option<(Uuid,)> = sql("SELECT waiting.order_id
         FROM orders waiting
         JOIN order_lines wanted ON wanted.order_id = waiting.order_id AND wanted.sku = $1
         WHERE waiting.state = $2
           AND NOT EXISTS (
               SELECT 1
               FROM order_lines line
               LEFT JOIN stock_levels level ON level.sku = line.sku
               WHERE line.order_id = wanted.order_id
                 AND COALESCE(level.available, 0) < line.quantity + (
                     SELECT COALESCE(SUM(other.quantity), 0)
                     FROM orders requested CROSS JOIN order_lines other
                     WHERE requested.state = $3
                       AND other.order_id = requested.order_id AND other.sku = line.sku))
         ORDER BY waiting.placed_at, waiting.order_id
         LIMIT 1")
    .bind(sku)
    .bind(State::OnBackorder)
    .bind(State::StockReplenished)
    .fetch_optional(ctx.tx())
    .await?;
    Ok(row.map(|(order_id,)| order_id))
}

async fn lines_of(ctx: &mut Ctx, order_id: Uuid) -> Result<Vec<(String, u32)>> {
    sql("SELECT sku, quantity FROM order_lines WHERE order_id = $1 ORDER BY sku")
        .bind(order_id)
        .fetch_all(ctx.tx())
        .await
}
