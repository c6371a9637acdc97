//! Placing the planned orders.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use tidings::{Error, Result};
use uuid::Uuid;

use super::plan::{Kind, PlannedOrder};
use crate::client::{Client, Refused};
use crate::orders::Cancel;

/// What came of placing orders.
pub(super) struct Placed {
    pub(super) order_ids: Vec<Uuid>,
    pub(super) poison: Option<Uuid>,
    pub(super) sent_twice: usize,
    /// How many were cancelled by customers who had changed their minds in time.
    pub(super) cancelled_in_time: u32,
    /// How long each command took to be answered.
    pub(super) latencies: Vec<Duration>,
    pub(super) took: Duration,
}

struct One {
    order_id: Uuid,
    kind: Kind,
    sent_twice: bool,
    cancelled: bool,
    latency: Duration,
}

impl Placed {
    pub(super) fn extend(&mut self, more: Self) {
        self.order_ids.extend(more.order_ids);
        self.poison = self.poison.or(more.poison);
        self.sent_twice += more.sent_twice;
        self.cancelled_in_time += more.cancelled_in_time;
        self.latencies.extend(more.latencies);
        self.took += more.took;
    }
}

/// Places the orders, so many at a time.
pub(super) async fn place(
    client: &Client,
    orders: &[PlannedOrder],
    concurrency: u16,
    bar: &ProgressBar,
) -> Result<Placed> {
    let begun = Instant::now();
    let placed: Vec<One> = stream::iter(orders)
        .map(|order| place_one(client, order))
        .buffer_unordered(concurrency.into())
        .inspect(|_| bar.inc(1))
        .try_collect()
        .await?;
    Ok(Placed {
        poison: placed.iter().find(|one| one.kind == Kind::Poison).map(|one| one.order_id),
        cancelled_in_time: placed.iter().map(|one| u32::from(one.cancelled)).sum(),
        sent_twice: placed.iter().filter(|one| one.sent_twice).count(),
        latencies: placed.iter().map(|one| one.latency).collect(),
        order_ids: placed.iter().map(|one| one.order_id).collect(),
        took: begun.elapsed(),
    })
}

async fn place_one(client: &Client, order: &PlannedOrder) -> Result<One> {
    let key = Uuid::now_v7().to_string();
    let begun = Instant::now();
    let placed = client.send(&order.place, Some(&key)).await?;
    let latency = begun.elapsed();
    if order.sent_twice {
        let again = client.send(&order.place, Some(&key)).await?;
        if again != placed {
            return Err(Error::failed(format!("one key, two answers: {placed:?}, {again:?}")));
        }
    }
    if order.kind == Kind::Poison {
        // Later news of the same order: it has to wait until somebody has dealt with the order itself.
        client.send(&Cancel { order_id: placed.order_id }, None).await?;
    }
    let cancelled = order.kind == Kind::ChangesMind && cancel_in_time(client, placed.order_id).await?;
    Ok(One { order_id: placed.order_id, kind: order.kind, sent_twice: order.sent_twice, cancelled, latency })
}

/// Cancels an order, unless it is paid already.
async fn cancel_in_time(client: &Client, order_id: Uuid) -> Result<bool> {
    match client.send(&Cancel { order_id }, None).await {
        Ok(_) => Ok(true),
        Err(error) if error.find::<Refused>().is_some_and(|refused| refused.code() == "already_paid") => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
