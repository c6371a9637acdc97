//! The job `shipping.deliver`: hears from the carrier, which the example does without, that a parcel has arrived.

use serde::{Deserialize, Serialize};
use tidings::{Job, JobCtx, Result, sql};
use uuid::Uuid;

use super::Delivered;

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("shipping.deliver")]
pub(super) struct Deliver {
    pub(super) order_id: Uuid,
}

pub(super) async fn deliver(ctx: &mut JobCtx, job: Deliver) -> Result<()> {
    let mut done = ctx.finish().await?;
    let now = done.now();
    sql("UPDATE shipments SET status = 'delivered', changed_at = $1 WHERE order_id = $2")
        .bind(now)
        .bind(job.order_id)
        .execute(done.tx())
        .await?;
    done.publish(Delivered { order_id: job.order_id }).await?;
    done.commit().await
}
