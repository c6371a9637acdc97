//! The batch listener `analytics.count`: keeps a row of totals for each day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use tidings::{Ctx, Reads, Result, sql};

use super::days::{day_of, time_zone};

#[derive(Reads)]
#[reads("orders.placed", versions = "1")]
pub(super) struct OrderPlaced {
    total_cents: u32,
    placed_at: Timestamp,
}

#[derive(Reads)]
#[reads("shipping.shipped", versions = "1")]
pub(super) struct OrderShipped {
    shipped_at: Timestamp,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    placed: u32,
    cents: i64,
    shipped: u32,
}

pub(super) async fn placed(ctx: &mut Ctx, orders: Vec<OrderPlaced>) -> Result<()> {
    let orders = orders.into_iter();
    add(ctx, orders.map(|of| (of.placed_at, Totals { placed: 1, cents: of.total_cents.into(), shipped: 0 })))
        .await
}

pub(super) async fn shipped(ctx: &mut Ctx, orders: Vec<OrderShipped>) -> Result<()> {
    add(ctx, orders.into_iter().map(|of| (of.shipped_at, Totals { shipped: 1, ..Totals::default() }))).await
}

async fn add(ctx: &mut Ctx, changes: impl Iterator<Item = (Timestamp, Totals)>) -> Result<()> {
    let time_zone = time_zone()?;
    let mut days: BTreeMap<Date, Totals> = BTreeMap::new();
    for (time, more) in changes {
        let totals = days.entry(day_of(time, &time_zone)).or_default();
        totals.placed += more.placed;
        totals.cents += more.cents;
        totals.shipped += more.shipped;
    }
    for (day, totals) in days {
        sql("INSERT INTO daily_totals (day, placed, cents, shipped) VALUES ($1, $2, $3, $4)
             ON CONFLICT (day) DO UPDATE
             SET placed = daily_totals.placed + excluded.placed, cents = daily_totals.cents + excluded.cents,
                 shipped = daily_totals.shipped + excluded.shipped")
        .bind(day.to_string())
        .bind(totals.placed)
        .bind(totals.cents)
        .bind(totals.shipped)
        .execute(ctx.tx())
        .await?;
    }
    Ok(())
}
