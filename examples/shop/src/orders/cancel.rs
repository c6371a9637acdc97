//! The command `orders.cancel`: sent by customers, and by this module itself when a payment fails.

use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Outcome, reject};
use uuid::Uuid;

use super::state::{Fact, State};
use super::{move_on, state_of};
use crate::contracts::orders::{Cancelled as OrderCancelled, cancelled::v1::Reason};

/// Gives an order up. Only one that is not paid can be cancelled.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("orders.cancel", output = Cancelled)]
pub(crate) struct Cancel {
    pub(crate) order_id: Uuid,
}

/// The order is cancelled.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cancelled {
    pub(crate) order_id: Uuid,
}

pub(super) async fn cancel(ctx: &mut Ctx, order: Cancel) -> Outcome<Cancelled> {
    let order_id = order.order_id;
    let reason = match state_of(ctx, order_id).await? {
        None => return reject("unknown_order", format!("there is no order {order_id}")),
        // A customer and a failed payment may both want it, and both get what they want.
        Some(State::Cancelled) => return Ok(Cancelled { order_id }),
        Some(State::PaymentFailed) => Reason::PaymentFailed,
        Some(state) if state.is_paid() => {
            return reject(
                "already_paid",
                format!("order {order_id} is {state}; a paid order cannot be cancelled"),
            );
        }
        Some(_) => Reason::CustomerRequest,
    };
    move_on(ctx, order_id, Fact::Cancelled).await?;
    ctx.publish(OrderCancelled { order_id, reason }).await?;
    Ok(Cancelled { order_id })
}
