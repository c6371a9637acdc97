//! What customers are told about.

use tidings::{Ctx, Error, Reads, Result, sql};
use uuid::Uuid;

use super::WAITING;
use super::contacts;
use super::mail::{self, Kind};

#[derive(Reads)]
#[reads("orders.placed", versions = "1")]
pub(super) struct OrderPlaced {
    order_id: Uuid,
    customer_id: Uuid,
}

#[derive(Reads)]
#[reads("payments.declined", versions = "1")]
pub(super) struct PaymentDeclined {
    order_id: Uuid,
}

#[derive(Reads)]
#[reads("shipping.shipped", versions = "1")]
pub(super) struct OrderShipped {
    order_id: Uuid,
    tracking_number: String,
}

pub(super) async fn placed(ctx: &mut Ctx, order: OrderPlaced) -> Result<()> {
    sql("INSERT INTO recipients (order_id, customer_id) VALUES ($1, $2)")
        .bind(order.order_id)
        .bind(order.customer_id)
        .execute(ctx.tx())
        .await?;
    tell(ctx, order.order_id, Kind::Placed, "").await
}

pub(super) async fn declined(ctx: &mut Ctx, payment: PaymentDeclined) -> Result<()> {
    tell(ctx, payment.order_id, Kind::Declined, "").await
}

pub(super) async fn shipped(ctx: &mut Ctx, order: OrderShipped) -> Result<()> {
    tell(ctx, order.order_id, Kind::Shipped, &order.tracking_number).await
}

/// Tells a customer, at once or as soon as it is known where.
async fn tell(ctx: &mut Ctx, order_id: Uuid, kind: Kind, detail: &str) -> Result<()> {
    let customer: Option<Uuid> = sql("SELECT customer_id FROM recipients WHERE order_id = $1")
        .bind(order_id)
        .fetch_scalar(ctx.tx())
        .await?;
    let Some(customer_id) = customer else {
        return Err(Error::failed(format!("news of order {order_id}, which is not on record")));
    };
    let now = ctx.now();
    sql("INSERT INTO mails (order_id, kind, detail, status, changed_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(order_id)
        .bind(kind)
        .bind(detail)
        .bind(WAITING)
        .bind(now)
        .execute(ctx.tx())
        .await?;
    match contacts::address_of(ctx, customer_id).await? {
        Some(email) => mail::enqueue(ctx, order_id, kind, detail, email).await,
        None => Ok(()),
    }
}
