//! What the demo orders, and what it delivers. The same for every run, so that its results can be foretold.

use uuid::Uuid;

use crate::inventory::Restock;
use crate::orders::{Line, Place};

/// Few at first, delivered halfway.
const SCARCE: &str = "kettle";
/// Never delivered: who orders it stays on backorder.
const NEVER_THERE: &str = "tea-autumn";
/// Too dear for the bank.
const DECLINED: &str = "espresso-machine";
/// Free, which payments cannot handle.
const POISON: &str = "tea-sample";
const PLENTY: [&str; 5] = ["coffee-beans", "honey", "mug", "tea-black", "tea-green"];

/// Pieces of the scarce product that are there from the start.
const SCARCE_AT_FIRST: u32 = 1;
/// Pieces in one of the deliveries halfway.
const DELIVERY: u32 = 4;

pub(super) struct Plan {
    pub(super) first_deliveries: Vec<Restock>,
    pub(super) second_deliveries: Vec<Restock>,
    pub(super) orders: Vec<PlannedOrder>,
    /// The deliveries come before this order.
    pub(super) half: usize,
    /// How many orders wait for goods at the end.
    pub(super) on_backorder: u32,
    /// How many orders come to nothing, the poison one included: its customer cancels it.
    pub(super) cancelled: u32,
}

pub(super) struct PlannedOrder {
    pub(super) place: Place,
    pub(super) kind: Kind,
    /// Its request is sent twice, as if the first answer had been lost.
    pub(super) sent_twice: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Scarce,
    NeverThere,
    Declined,
    /// A listener fails on it, every time; its customer then cancels it.
    Poison,
}

impl Plan {
    /// A plan of so many orders.
    pub(super) fn of(orders: u32) -> Self {
        let orders: Vec<_> = (0..orders).map(|number| planned(number, orders)).collect();
        let count = |kind| orders.iter().map(|order| u32::from(order.kind == kind)).sum::<u32>();
        let delivered = count(Kind::Scarce).saturating_sub(SCARCE_AT_FIRST);
        let of_each = u32::try_from(orders.len()).unwrap_or(u32::MAX).saturating_mul(QUANTITY_MAX);
        let plenty = PLENTY.iter().map(|sku| restock(sku, of_each));
        Self {
            first_deliveries: plenty
                .chain([restock(SCARCE, SCARCE_AT_FIRST), restock(DECLINED, 10), restock(POISON, 10)])
                .collect(),
            second_deliveries: (0..delivered.div_ceil(DELIVERY)).map(|_| restock(SCARCE, DELIVERY)).collect(),
            half: orders.len() / 2,
            on_backorder: count(Kind::NeverThere),
            cancelled: count(Kind::Declined) + count(Kind::Poison),
            orders,
        }
    }
}

const QUANTITY_MAX: u32 = 3;

fn planned(number: u32, of: u32) -> PlannedOrder {
    let kind = match number {
        _ if number == of / 4 => Kind::Poison,
        _ if number % 8 == 5 => Kind::Scarce,
        _ if number % 10 == 3 => Kind::Declined,
        _ if number % 25 == 7 => Kind::NeverThere,
        _ => Kind::Plain,
    };
    let lines = match kind {
        Kind::Plain => plain_lines(number),
        // The second line comes first in the warehouse, so that there is something to give back when the other fails.
        Kind::Scarce => vec![line(SCARCE, 1), line("honey", 1)],
        Kind::NeverThere => vec![line(NEVER_THERE, 1), line("honey", 1)],
        Kind::Declined => vec![line(DECLINED, 1)],
        Kind::Poison => vec![line(POISON, 1)],
    };
    let place = Place { customer_id: Uuid::new_v4(), lines };
    PlannedOrder { place, kind, sent_twice: number.is_multiple_of(20) }
}

/// One to three products of which there are plenty.
fn plain_lines(number: u32) -> Vec<Line> {
    let first = number as usize;
    let skus = PLENTY.iter().cycle().skip(first % PLENTY.len()).take(1 + first % 3);
    skus.map(|sku| line(sku, 1 + number % QUANTITY_MAX)).collect()
}

fn line(sku: &str, quantity: u32) -> Line {
    Line { sku: sku.to_owned(), quantity }
}

fn restock(sku: &str, quantity: u32) -> Restock {
    Restock { sku: sku.to_owned(), quantity }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_something_of_everything() {
        for orders in [40, 41, 200, 1000] {
            let plan = Plan::of(orders);
            let count = |kind| plan.orders.iter().filter(|order| order.kind == kind).count();
            assert_eq!(count(Kind::Poison), 1, "{orders}");
            assert!(count(Kind::Declined) > 0 && count(Kind::NeverThere) > 0, "{orders}");
            let first_half = &plan.orders[..plan.half];
            let poison_is_early = first_half.iter().any(|order| order.kind == Kind::Poison);
            assert!(poison_is_early, "{orders}: its death must not be what the end waits for");
        }
        let first_half = &Plan::of(40).orders[..20];
        let scarce = first_half.iter().filter(|order| order.kind == Kind::Scarce).count();
        assert!(scarce > SCARCE_AT_FIRST as usize, "somebody waits for the delivery");
    }
}
