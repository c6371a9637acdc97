//! The job `payments.charge`: takes the money for an order.

use serde::{Deserialize, Serialize};
use tidings::{Ctx, Job, JobCtx, JobDied, Result, sql};
use uuid::Uuid;

use super::refund::Refund;
use super::{AUTHORISED, Authorised, DECLINED, Declined, INITIATED};
use crate::provider_client::{Charged, ProviderClient};

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("payments.charge")]
pub(super) struct Charge {
    pub(super) order_id: Uuid,
    pub(super) amount_cents: u32,
}

/// Whatever becomes of an attempt, the next one asks with the same key and is given the same answer.
pub(super) async fn charge(ctx: &mut JobCtx, job: Charge, provider: ProviderClient) -> Result<()> {
    let Charge { order_id, amount_cents } = job;
    let charged = provider.charge(&ctx.dedupe_key().to_string(), order_id, amount_cents).await?;
    let (status, receipt) = match charged {
        Charged::Booked(receipt) => (AUTHORISED, Some(receipt.0)),
        Charged::Declined => (DECLINED, None),
        // The order was cancelled, and its refund was faster.
        Charged::Withdrawn => return Ok(()),
    };
    let mut done = ctx.finish().await?;
    let now = done.now();
    let changed = sql(
        "UPDATE payments SET status = $1, receipt = $2, changed_at = $3 WHERE order_id = $4 AND status = $5",
    )
    .bind(status)
    .bind(receipt)
    .bind(now)
    .bind(order_id)
    .bind(INITIATED)
    .execute(done.tx())
    .await?;
    // If nothing changed, the order was cancelled in the meantime, and its refund is on the way: nobody waits for this.
    if changed > 0 && status == AUTHORISED {
        done.publish(Authorised { order_id }).await?;
    } else if changed > 0 {
        done.publish(Declined { order_id }).await?;
    }
    done.commit().await
}

/// A charge is dead, so nobody knows whether the money was taken. The customer is not kept waiting: the payment counts as
/// declined, and whatever was taken is given back.
pub(super) async fn give_up(ctx: &mut Ctx, died: JobDied) -> Result<()> {
    if died.job != Charge::NAME {
        return Ok(());
    }
    let now = ctx.now();
    let charge = died.job_id;
    let payment: Option<(Uuid,)> =
        sql("UPDATE payments SET status = $1, changed_at = $2 WHERE charge = $3 AND status = $4 RETURNING order_id")
            .bind(DECLINED)
            .bind(now)
            .bind(charge)
            .bind(INITIATED)
            .fetch_optional(ctx.tx())
            .await?;
    if let Some((order_id,)) = payment {
        ctx.enqueue(Refund { order_id, charge }).await?;
        ctx.publish(Declined { order_id }).await?;
    }
    Ok(())
}
