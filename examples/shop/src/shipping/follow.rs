//! How shipping learns what to ship.

use tidings::{Ctx, Reads, Result, sql};
use uuid::Uuid;

use super::dispatch::Dispatch;

#[derive(Reads)]
#[reads("orders.released", versions = "1")]
pub(super) struct Released {
    order_id: Uuid,
}

pub(super) async fn prepare(ctx: &mut Ctx, order: Released) -> Result<()> {
    let now = ctx.now();
    sql("INSERT INTO shipments (order_id, status, changed_at) VALUES ($1, 'preparing', $2)")
        .bind(order.order_id)
        .bind(now)
        .execute(ctx.tx())
        .await?;
    ctx.enqueue(Dispatch { order_id: order.order_id }).await?;
    Ok(())
}
