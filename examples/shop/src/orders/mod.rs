//! Orders: what customers want, and how far it has come. Context `sales`.
//!
//! Orders asks nobody. What it must know about money and goods it learns from events, and keeps.

mod cancel;
mod catalogue;
mod payment;
mod place;
mod queries;
mod shipping;
mod state;
mod stock;

use tidings::{Ctx, Error, Module, Result, migrations, sql};
use uuid::Uuid;

pub(crate) use cancel::Cancel;
pub(crate) use place::{Line, Place};
pub(crate) use queries::{ByState, LeadTimes, LeadTimesSince, Pieces, SkuPieces, StateCount, StockLevels};
pub(crate) use shipping::{Address, ShippingAddress};
pub(crate) use state::State;

use crate::contracts::orders::{Cancelled, Placed, Released, StockCheckRequested};
use state::Fact;

pub(crate) fn module() -> Module {
    Module::new("orders")
        .context("sales")
        .owns::<Placed>()
        .owns::<StockCheckRequested>()
        .owns::<Cancelled>()
        .owns::<Released>()
        .tables(["orders", "order_lines", "stock_levels"])
        .migrations(migrations!("migrations/orders"))
        .command(place::place)
        .command(cancel::cancel)
        .sends::<Cancel>()
        .query(queries::status)
        .query(queries::by_state)
        .query(queries::stock_levels)
        .query(queries::pieces)
        .query(queries::lead_times)
        .query(shipping::shipping_address)
        .on("follow-payments", (payment::initiated, payment::authorised, payment::declined))
        .on("follow-stock", (stock::reserved, stock::unavailable, stock::changed))
        .on("follow-shipping", (shipping::shipped, shipping::delivered))
}

/// Moves an order on. Returns the state it was in, or `None` if the fact says nothing new about it.
async fn move_on(ctx: &mut Ctx, order_id: Uuid, fact: Fact) -> Result<Option<State>> {
    let Some(before) = state_of(ctx, order_id).await? else {
        return Err(Error::failed(format!("{fact:?} of order {order_id}, which is not on record")));
    };
    let Some(after) = before.after(fact) else {
        tracing::debug!(%order_id, state = %before, ?fact, "nothing new about this order");
        return Ok(None);
    };
    let now = ctx.now();
    let changed = sql("UPDATE orders SET state = $1, changed_at = $2 WHERE order_id = $3 AND state = $4")
        .bind(after)
        .bind(now)
        .bind(order_id)
        .bind(before)
        .execute(ctx.tx())
        .await?;
    match changed {
        // A store with several writers let somebody in between the two statements: look again.
        0 => Err(Error::transient(format!("order {order_id} was moved on by another transaction"))),
        _ => Ok(Some(before)),
    }
}

async fn state_of(ctx: &mut Ctx, order_id: Uuid) -> Result<Option<State>> {
    let row: Option<(State,)> =
        sql("SELECT state FROM orders WHERE order_id = $1").bind(order_id).fetch_optional(ctx.tx()).await?;
    Ok(row.map(|(state,)| state))
}
