//! The job `payments.refund`: gives back what was taken for an order that came to nothing.

use serde::{Deserialize, Serialize};
use tidings::{Job, JobCtx, Result, sql};
use uuid::Uuid;

use crate::provider_client::ProviderClient;

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("payments.refund")]
pub(super) struct Refund {
    pub(super) order_id: Uuid,
    /// The key of the charge.
    pub(super) charge: Uuid,
}

pub(super) async fn refund(ctx: &mut JobCtx, job: Refund, provider: ProviderClient) -> Result<()> {
    let refunded_cents = provider.refund(&ctx.dedupe_key().to_string(), &job.charge.to_string()).await?;
    let mut done = ctx.finish().await?;
    let now = done.now();
    sql("UPDATE payments SET refunded_cents = $1, changed_at = $2 WHERE order_id = $3")
        .bind(refunded_cents)
        .bind(now)
        .bind(job.order_id)
        .execute(done.tx())
        .await?;
    done.commit().await
}
