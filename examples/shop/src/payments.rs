//! Payments: the money for each order. Context `billing`.

use serde::{Deserialize, Serialize};
use tidings::{Ctx, Module, Query, QueryCtx, Reads, Result, migrations, sql};
use uuid::Uuid;

use crate::contracts::payments::{Authorised, Declined, Initiated};

/// The stand-in for a bank: it declines what costs more.
pub(crate) const DECLINED_ABOVE_CENTS: u32 = 40_000;

const INITIATED: &str = "initiated";
const AUTHORISED: &str = "authorised";
const DECLINED: &str = "declined";
const VOIDED: &str = "voided";

pub(crate) fn module() -> Module {
    Module::new("payments")
        .context("billing")
        .owns::<Initiated>()
        .owns::<Authorised>()
        .owns::<Declined>()
        .tables(["payments"])
        .migrations(migrations!("migrations/payments"))
        .query(by_status)
        // One listener for both, so that no order's cancellation overtakes the order itself.
        .on("follow-orders", (initiate, void))
        .on("authorise", authorise)
}

/// The payments, counted by status.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("payments.by-status", output = Vec<StatusCount>)]
pub(crate) struct ByStatus {}

/// How many payments have a status, and their sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusCount {
    pub(crate) status: String,
    pub(crate) payments: u32,
    pub(crate) amount_cents: i64,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "1")]
struct OrderPlaced {
    order_id: Uuid,
    total_cents: u32,
}

#[derive(Reads)]
#[reads("orders.cancelled", versions = "1")]
struct OrderCancelled {
    order_id: Uuid,
}

#[derive(Reads)]
#[reads("payments.initiated", versions = "1")]
struct PaymentInitiated {
    order_id: Uuid,
    amount_cents: u32,
}

async fn initiate(ctx: &mut Ctx, order: OrderPlaced) -> Result<()> {
    let now = ctx.now();
    sql("INSERT INTO payments (order_id, amount_cents, status, changed_at) VALUES ($1, $2, $3, $4)")
        .bind(order.order_id)
        .bind(order.total_cents)
        .bind(INITIATED)
        .bind(now)
        .execute(ctx.tx())
        .await?;
    ctx.publish(Initiated { order_id: order.order_id, amount_cents: order.total_cents }).await?;
    Ok(())
}

/// Decides about a payment. Asking a bank leaves the database and so is work for a job; until there are jobs, this
/// listener stands in for it with a rule.
async fn authorise(ctx: &mut Ctx, payment: PaymentInitiated) -> Result<()> {
    let PaymentInitiated { order_id, amount_cents } = payment;
    let is_declined = amount_cents > DECLINED_ABOVE_CENTS;
    let status = if is_declined { DECLINED } else { AUTHORISED };
    let now = ctx.now();
    let changed = sql("UPDATE payments SET status = $1, changed_at = $2 WHERE order_id = $3 AND status = $4")
        .bind(status)
        .bind(now)
        .bind(order_id)
        .bind(INITIATED)
        .execute(ctx.tx())
        .await?;
    if changed == 0 {
        // It was voided in the meantime, and nobody waits for the answer any more.
        return Ok(());
    }
    if is_declined {
        ctx.publish(Declined { order_id }).await?;
    } else {
        ctx.publish(Authorised { order_id }).await?;
    }
    Ok(())
}

async fn void(ctx: &mut Ctx, order: OrderCancelled) -> Result<()> {
    let now = ctx.now();
    sql("UPDATE payments SET status = $1, changed_at = $2 WHERE order_id = $3 AND status IN ($4, $5)")
        .bind(VOIDED)
        .bind(now)
        .bind(order.order_id)
        .bind(INITIATED)
        .bind(AUTHORISED)
        .execute(ctx.tx())
        .await?;
    Ok(())
}

async fn by_status(ctx: &mut QueryCtx, _all: ByStatus) -> Result<Vec<StatusCount>> {
    let rows: Vec<(String, u32, i64)> = sql(
        "SELECT status, COUNT(*), CAST(SUM(amount_cents) AS BIGINT) FROM payments GROUP BY status ORDER BY status",
    )
    .fetch_all(ctx.tx())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(status, payments, amount_cents)| StatusCount { status, payments, amount_cents })
        .collect())
}
