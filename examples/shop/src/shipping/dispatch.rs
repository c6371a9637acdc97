//! The job `shipping.dispatch`: asks where an order goes, and sends it there.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{Error, Job, JobCtx, MessageId, Result, sql};
use uuid::Uuid;

use super::Shipped;
use super::deliver::Deliver;
use crate::orders::{Address, ShippingAddress};

/// How long a parcel is on its way. The example's carriers are fast.
const TRANSIT: Duration = Duration::from_millis(100);
/// Where the house is.
const HOME: &str = "DE";

#[derive(Debug, Job, Serialize, Deserialize)]
#[job("shipping.dispatch")]
pub(super) struct Dispatch {
    pub(super) order_id: Uuid,
}

/// The event said that an order may leave, and no more. What is personal is asked for when it is needed, and not kept.
pub(super) async fn dispatch(ctx: &mut JobCtx, job: Dispatch) -> Result<()> {
    let order_id = job.order_id;
    let Some(address) = ctx.ask(ShippingAddress { order_id }).await? else {
        return Err(Error::permanent(format!("orders knows no address of order {order_id}")));
    };
    let tracking_number = tracking_number(ctx.dedupe_key());
    let mut done = ctx.finish().await?;
    let now = done.now();
    sql("UPDATE shipments SET status = 'shipped', service = $1, tracking_number = $2, changed_at = $3
         WHERE order_id = $4")
    .bind(service(&address))
    .bind(&tracking_number)
    .bind(now)
    .bind(order_id)
    .execute(done.tx())
    .await?;
    done.publish(Shipped { order_id, tracking_number, shipped_at: now }).await?;
    done.enqueue(Deliver { order_id }).delay(TRANSIT).await?;
    done.commit().await
}

fn service(to: &Address) -> &'static str {
    if to.country == HOME { "road" } else { "air" }
}

/// Made of the key, so that an attempt that is made again labels the parcel as the first one did.
fn tracking_number(key: MessageId) -> String {
    let (_, random) = key.0.as_u64_pair();
    format!("TD{random:016X}")
}
