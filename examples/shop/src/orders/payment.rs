//! How an order learns about its payment.

use tidings::{Ctx, Reads, Result};
use uuid::Uuid;

use super::state::Fact;
use super::{Cancel, move_on, stock};

#[derive(Reads)]
#[reads("payments.initiated", versions = "1")]
pub(super) struct Initiated {
    order_id: Uuid,
}

#[derive(Reads)]
#[reads("payments.authorised", versions = "1")]
pub(super) struct Authorised {
    order_id: Uuid,
}

#[derive(Reads)]
#[reads("payments.declined", versions = "1")]
pub(super) struct Declined {
    order_id: Uuid,
}

pub(super) async fn initiated(ctx: &mut Ctx, payment: Initiated) -> Result<()> {
    move_on(ctx, payment.order_id, Fact::PaymentInitiated).await?;
    Ok(())
}

pub(super) async fn authorised(ctx: &mut Ctx, payment: Authorised) -> Result<()> {
    if move_on(ctx, payment.order_id, Fact::PaymentAuthorised).await?.is_some() {
        stock::request_check(ctx, payment.order_id).await?;
    }
    Ok(())
}

pub(super) async fn declined(ctx: &mut Ctx, payment: Declined) -> Result<()> {
    if move_on(ctx, payment.order_id, Fact::PaymentDeclined).await?.is_some() {
        // Not a call: a durable message, committed with this transaction and carried out after it.
        ctx.send(Cancel { order_id: payment.order_id }).await?;
    }
    Ok(())
}
