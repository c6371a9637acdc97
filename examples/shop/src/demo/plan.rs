//! What the demo orders, and what it delivers. The same for every run, so that its results can be foretold.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::customers::Register;
use crate::inventory::Restock;
use crate::orders::{Address, Line, Place};

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

/// Customers order more than once.
const CUSTOMERS: usize = 20;

pub(super) struct Plan {
    pub(super) customers: Vec<Register>,
    pub(super) first_deliveries: Vec<Restock>,
    pub(super) second_deliveries: Vec<Restock>,
    pub(super) orders: Vec<PlannedOrder>,
    /// The deliveries come before this order.
    pub(super) half: usize,
    /// How many orders wait for goods at the end.
    pub(super) on_backorder: u32,
    /// How many orders come to nothing for certain, the poison one included: its customer cancels it.
    pub(super) cancelled: u32,
    /// How many mails nobody can deliver: that the order was placed, and that it was shipped.
    pub(super) undeliverable: usize,
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
    /// Its customer cancels it at once. Who is faster, the customer or the bank, is not planned.
    ChangesMind,
    /// Its customer's address exists nowhere.
    Unreachable,
    /// A listener fails on it, every time; its customer then cancels it.
    Poison,
}

impl Plan {
    /// A plan of so many orders.
    pub(super) fn of(orders: u32) -> Self {
        let customers = customers();
        let customer = |number: usize, kind| {
            let place = if kind == Kind::Unreachable { CUSTOMERS } else { number % CUSTOMERS };
            customers.get(place).map_or_else(Uuid::nil, |customer| customer.customer_id)
        };
        let orders: Vec<_> = (0..orders).map(|number| planned(number, orders, customer)).collect();
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
            undeliverable: 2 * count(Kind::Unreachable) as usize,
            cancelled: count(Kind::Declined) + count(Kind::Poison),
            customers,
            orders,
        }
    }

    /// Pieces delivered in all, by product.
    pub(super) fn delivered(&self) -> BTreeMap<&str, u32> {
        let mut pieces = BTreeMap::new();
        for delivery in self.first_deliveries.iter().chain(&self.second_deliveries) {
            *pieces.entry(delivery.sku.as_str()).or_default() += delivery.quantity;
        }
        pieces
    }
}

/// Customers who can be reached, and one who cannot.
fn customers() -> Vec<Register> {
    let reachable = (0..CUSTOMERS).map(|number| format!("customer-{number}@customers.example"));
    let all = reachable.chain(["somebody@nowhere.invalid".to_owned()]);
    all.map(|email| Register { customer_id: Uuid::new_v4(), email }).collect()
}

const QUANTITY_MAX: u32 = 3;

fn planned(number: u32, of: u32, customer: impl Fn(usize, Kind) -> Uuid) -> PlannedOrder {
    let kind = match number {
        _ if number == of / 4 => Kind::Poison,
        _ if number == of / 2 => Kind::Unreachable,
        _ if number % 20 == 11 => Kind::ChangesMind,
        _ if number % 8 == 5 => Kind::Scarce,
        _ if number % 10 == 3 => Kind::Declined,
        _ if number % 25 == 7 => Kind::NeverThere,
        _ => Kind::Plain,
    };
    let lines = match kind {
        Kind::Plain | Kind::ChangesMind | Kind::Unreachable => plain_lines(number),
        // The second line comes first in the warehouse, so that there is something to give back when the other fails.
        Kind::Scarce => vec![line(SCARCE, 1), line("honey", 1)],
        Kind::NeverThere => vec![line(NEVER_THERE, 1), line("honey", 1)],
        Kind::Declined => vec![line(DECLINED, 1)],
        Kind::Poison => vec![line(POISON, 1)],
    };
    let place = Place { customer_id: customer(number as usize, kind), ship_to: address(number), lines };
    PlannedOrder { place, kind, sent_twice: number.is_multiple_of(20) }
}

/// One to three products of which there are plenty.
fn plain_lines(number: u32) -> Vec<Line> {
    let first = number as usize;
    let skus = PLENTY.iter().cycle().skip(first % PLENTY.len()).take(1 + first % 3);
    skus.map(|sku| line(sku, 1 + number % QUANTITY_MAX)).collect()
}

fn address(number: u32) -> Address {
    Address {
        name: format!("Customer {number}"),
        street: format!("Lindenstr. {}", 1 + number % 99),
        city: "Berlin".to_owned(),
        country: if number.is_multiple_of(5) { "AT" } else { "DE" }.to_owned(),
    }
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
            assert_eq!((count(Kind::Poison), count(Kind::Unreachable)), (1, 1), "{orders}");
            for kind in [Kind::Declined, Kind::NeverThere, Kind::ChangesMind] {
                assert!(count(kind) > 0, "{orders}: {kind:?}");
            }
            let first_half = &plan.orders[..plan.half];
            let poison_is_early = first_half.iter().any(|order| order.kind == Kind::Poison);
            assert!(poison_is_early, "{orders}: its death must not be what the end waits for");
        }
        let first_half = &Plan::of(40).orders[..20];
        let scarce = first_half.iter().filter(|order| order.kind == Kind::Scarce).count();
        assert!(scarce > SCARCE_AT_FIRST as usize, "somebody waits for the delivery");
    }
}
