//! How a payment learns about its order.

use tidings::{Ctx, Reads, Result, sql};
use uuid::Uuid;

use super::charge::Charge;
use super::refund::Refund;
use super::{AUTHORISED, INITIATED, Initiated, VOIDED};

#[derive(Reads)]
#[reads("orders.placed", versions = "1")]
pub(super) struct OrderPlaced {
    order_id: Uuid,
    total_cents: u32,
}

#[derive(Reads)]
#[reads("orders.cancelled", versions = "1")]
pub(super) struct OrderCancelled {
    order_id: Uuid,
}

pub(super) async fn initiate(ctx: &mut Ctx, order: OrderPlaced) -> Result<()> {
    let OrderPlaced { order_id, total_cents: amount_cents } = order;
    let now = ctx.now();
    let charge = ctx.enqueue(Charge { order_id, amount_cents }).await?;
    sql("INSERT INTO payments (order_id, amount_cents, status, charge, changed_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(order_id)
        .bind(amount_cents)
        .bind(INITIATED)
        .bind(charge.id.0)
        .bind(now)
        .execute(ctx.tx())
        .await?;
    ctx.publish(Initiated { order_id, amount_cents }).await?;
    Ok(())
}

/// The order came to nothing. Its charge may be waiting, under way, made, or made without our having heard of it. So we do
/// not guess: the provider is asked to take back whatever was charged, and to charge nothing later.
pub(super) async fn void(ctx: &mut Ctx, order: OrderCancelled) -> Result<()> {
    let now = ctx.now();
    let charge: Option<(Uuid,)> =
        sql("UPDATE payments SET status = $1, changed_at = $2 WHERE order_id = $3 AND status IN ($4, $5)
             RETURNING charge")
        .bind(VOIDED)
        .bind(now)
        .bind(order.order_id)
        .bind(INITIATED)
        .bind(AUTHORISED)
        .fetch_optional(ctx.tx())
        .await?;
    if let Some((charge,)) = charge {
        ctx.enqueue(Refund { order_id: order.order_id, charge }).await?;
    }
    Ok(())
}
