//! Inventory: what is in the warehouse, and for whom it is set aside. Context `fulfilment`.

use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Module, Outcome, Query, QueryCtx, Reads, Result, migrations, reject, sql};
use uuid::Uuid;

use crate::contracts::inventory::{
    Reserved, StockChanged, Unavailable, unavailable::v1::MissingItem as Missing,
};

const SKU_BYTES_MAX: usize = 40;
const ON_HAND_MAX: u32 = 1_000_000_000;

pub(crate) fn module() -> Module {
    Module::new("inventory")
        .context("fulfilment")
        .owns::<Reserved>()
        .owns::<Unavailable>()
        .owns::<StockChanged>()
        .tables(["stock", "reservations"])
        .migrations(migrations!("migrations/inventory"))
        .command(restock)
        .query(stock)
        .query(stock_level)
        .on("reserve-stock", reserve_stock)
        .on("hand-over", hand_over)
}

/// Goods have arrived.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("inventory.restock", output = StockLine)]
pub(crate) struct Restock {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
}

/// Everything in the warehouse.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("inventory.stock", output = Vec<StockLine>)]
pub(crate) struct Stock {}

/// One product in the warehouse; `null` if it was never there.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("inventory.stock-level", output = Option<StockLine>)]
pub(crate) struct StockLevel {
    pub(crate) sku: String,
}

/// One product: how many there are, and how many of them are set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StockLine {
    pub(crate) sku: String,
    pub(crate) on_hand: u32,
    pub(crate) reserved: u32,
}

#[derive(Reads)]
#[reads("orders.stock-check-requested", versions = "1")]
struct StockCheck {
    order_id: Uuid,
    lines: Vec<Line>,
}

#[derive(Reads)]
#[reads("orders.stock-check-requested", versions = "1", at = "lines[]")]
struct Line {
    sku: String,
    quantity: u32,
}

#[derive(Reads)]
#[reads("shipping.shipped", versions = "1")]
struct OrderShipped {
    order_id: Uuid,
}

async fn restock(ctx: &mut Ctx, delivery: Restock) -> Outcome<StockLine> {
    let Restock { sku, quantity } = delivery;
    if sku.is_empty() || sku.len() > SKU_BYTES_MAX {
        return reject("bad_sku", format!("a sku has 1 to {SKU_BYTES_MAX} bytes"));
    }
    if quantity == 0 || quantity > ON_HAND_MAX {
        return reject("bad_quantity", format!("a delivery has 1 to {ON_HAND_MAX} pieces"));
    }
    let (on_hand, reserved, revision): (i64, u32, u32) =
        sql("INSERT INTO stock (sku, on_hand) VALUES ($1, $2)
         ON CONFLICT (sku) DO UPDATE
         SET on_hand = stock.on_hand + excluded.on_hand, revision = stock.revision + 1
         RETURNING on_hand, reserved, revision")
        .bind(&sku)
        .bind(quantity)
        .fetch_one(ctx.tx())
        .await?;
    let Some(on_hand) = u32::try_from(on_hand).ok().filter(|on_hand| *on_hand <= ON_HAND_MAX) else {
        return reject("warehouse_full", format!("the warehouse holds {ON_HAND_MAX} pieces of a product"));
    };
    ctx.publish(StockChanged { sku: sku.clone(), available: on_hand - reserved, revision }).await?;
    Ok(StockLine { sku, on_hand, reserved })
}

/// Sets aside everything an order needs, or nothing.
async fn reserve_stock(ctx: &mut Ctx, check: StockCheck) -> Result<()> {
    let StockCheck { order_id, mut lines } = check;
    if is_reserved(ctx, order_id).await? {
        return Ok(());
    }
    // Two orders that lock the same rows in different orders would wait for each other; one order of rows cannot.
    lines.sort_by(|a, b| a.sku.cmp(&b.sku));
    let before = ctx.savepoint().await?;
    let mut changed = Vec::new();
    for line in &lines {
        match take(ctx, line).await? {
            Some(level) => changed.push(level),
            None => {
                ctx.rollback_to(before).await?;
                let missing = missing(ctx, &lines).await?;
                ctx.publish(Unavailable { order_id, missing }).await?;
                return Ok(());
            }
        }
    }
    ctx.release(before).await?;
    for line in &lines {
        keep(ctx, order_id, line).await?;
    }
    ctx.publish(Reserved { order_id }).await?;
    for level in changed {
        ctx.publish(level).await?;
    }
    Ok(())
}

async fn is_reserved(ctx: &mut Ctx, order_id: Uuid) -> Result<bool> {
    let (lines,): (i64,) = sql("SELECT COUNT(*) FROM reservations WHERE order_id = $1")
        .bind(order_id)
        .fetch_one(ctx.tx())
        .await?;
    Ok(lines > 0)
}

/// Takes from the stock what a line needs and says what is left, or takes nothing if that is too little.
async fn take(ctx: &mut Ctx, line: &Line) -> Result<Option<StockChanged>> {
    let left: Option<(u32, u32)> = sql("UPDATE stock SET reserved = reserved + $1, revision = revision + 1
         WHERE sku = $2 AND on_hand - reserved >= $1
         RETURNING on_hand - reserved, revision")
    .bind(line.quantity)
    .bind(&line.sku)
    .fetch_optional(ctx.tx())
    .await?;
    Ok(left.map(|(available, revision)| StockChanged { sku: line.sku.clone(), available, revision }))
}

/// The lines that cannot be served, with the levels that say so.
async fn missing(ctx: &mut Ctx, lines: &[Line]) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    for line in lines {
        let level: Option<(u32, u32)> = sql("SELECT on_hand - reserved, revision FROM stock WHERE sku = $1")
            .bind(&line.sku)
            .fetch_optional(ctx.tx())
            .await?;
        let (available, revision) = level.unwrap_or_default();
        if available < line.quantity {
            missing.push(Missing { sku: line.sku.clone(), available, revision });
        }
    }
    Ok(missing)
}

async fn keep(ctx: &mut Ctx, order_id: Uuid, line: &Line) -> Result<()> {
    sql("INSERT INTO reservations (order_id, sku, quantity) VALUES ($1, $2, $3)")
        .bind(order_id)
        .bind(&line.sku)
        .bind(line.quantity)
        .execute(ctx.tx())
        .await?;
    Ok(())
}

/// What has left the house is neither there any more nor set aside. What can be set aside stays the same, so there is no
/// news for others.
async fn hand_over(ctx: &mut Ctx, order: OrderShipped) -> Result<()> {
    let now = ctx.now();
    let lines: Vec<(String, u32)> =
        sql("UPDATE reservations SET shipped_at = $1 WHERE order_id = $2 AND shipped_at IS NULL
             RETURNING sku, quantity")
        .bind(now)
        .bind(order.order_id)
        .fetch_all(ctx.tx())
        .await?;
    for (sku, quantity) in lines {
        sql("UPDATE stock SET on_hand = on_hand - $1, reserved = reserved - $1 WHERE sku = $2")
            .bind(quantity)
            .bind(sku)
            .execute(ctx.tx())
            .await?;
    }
    Ok(())
}

async fn stock(ctx: &mut QueryCtx, _all: Stock) -> Result<Vec<StockLine>> {
    let rows = sql("SELECT sku, on_hand, reserved FROM stock ORDER BY sku").fetch_all(ctx.tx()).await?;
    Ok(rows.into_iter().map(stock_line).collect())
}

async fn stock_level(ctx: &mut QueryCtx, of: StockLevel) -> Result<Option<StockLine>> {
    let row = sql("SELECT sku, on_hand, reserved FROM stock WHERE sku = $1")
        .bind(of.sku)
        .fetch_optional(ctx.tx())
        .await?;
    Ok(row.map(stock_line))
}

fn stock_line((sku, on_hand, reserved): (String, u32, u32)) -> StockLine {
    StockLine { sku, on_hand, reserved }
}
