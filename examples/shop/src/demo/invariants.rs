//! What must be true when everything has settled, whatever came first, twice or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use tidings::store::ParkedState;

use super::numbers::Numbers;
use super::orders::Placed;
use super::plan::Plan;
use crate::orders::{SkuPieces, State};

/// A statement about the end, and what is wrong with it if anything is.
pub(super) struct Invariant {
    says: &'static str,
    wrong: Option<String>,
}

pub(super) fn check(numbers: &Numbers, placed: &Placed, plan: &Plan) -> Vec<Invariant> {
    vec![
        Invariant { says: "every order was placed once", wrong: each_once(numbers, placed, plan) },
        Invariant { says: "every order has settled as planned", wrong: settled(numbers, plan) },
        Invariant { says: "money was taken for paid orders, and for no others", wrong: money(numbers) },
        Invariant {
            says: "goods are set aside for reserved orders, and for no others",
            wrong: goods(numbers),
        },
        Invariant { says: "orders knows the stock that inventory has", wrong: levels(numbers) },
        Invariant {
            says: "the poison order is dead, and only its own key waits",
            wrong: poison(numbers, placed),
        },
    ]
}

/// Prints the verdict.
pub(super) fn judge(invariants: &[Invariant]) -> ExitCode {
    println!("What must be true");
    for Invariant { says, wrong } in invariants {
        match wrong {
            None => println!("  ok     {says}"),
            Some(wrong) => println!("  WRONG  {says}: {wrong}"),
        }
    }
    println!();
    if invariants.iter().all(|invariant| invariant.wrong.is_none()) {
        return ExitCode::SUCCESS;
    }
    eprintln!("shop: the numbers do not agree; this is a bug, and the database file has the evidence");
    ExitCode::FAILURE
}

fn each_once(numbers: &Numbers, placed: &Placed, plan: &Plan) -> Option<String> {
    let on_record: u32 = numbers.orders.iter().map(|count| count.orders).sum();
    let answered = placed.order_ids.iter().collect::<BTreeSet<_>>().len();
    differ("planned", plan.orders.len(), "on record", on_record as usize)
        .or_else(|| differ("planned", plan.orders.len(), "answered", answered))
}

fn settled(numbers: &Numbers, plan: &Plan) -> Option<String> {
    let unsettled = numbers.orders.iter().find(|count| !count.state.is_settled());
    if let Some(count) = unsettled {
        return Some(format!("{} orders are {}", count.orders, count.state));
    }
    let on_backorder = orders_in(numbers, |state| state == State::OnBackorder);
    let cancelled = orders_in(numbers, |state| state == State::Cancelled);
    differ("never delivered", plan.on_backorder, "on backorder", on_backorder)
        .or_else(|| differ("declined or given up", plan.cancelled, "cancelled", cancelled))
}

fn money(numbers: &Numbers) -> Option<String> {
    let paid = numbers.orders.iter().filter(|count| count.state.is_paid());
    let (orders, cents) = paid.fold((0, 0), |sum, count| (sum.0 + count.orders, sum.1 + count.total_cents));
    let taken = numbers.payments.iter().find(|count| count.status == "authorised");
    let (payments, amount) = taken.map_or((0, 0), |count| (count.payments, count.amount_cents));
    differ("paid orders", orders, "payments", payments)
        .or_else(|| differ("cents owed", cents, "taken", amount))
}

fn goods(numbers: &Numbers) -> Option<String> {
    let oversold = numbers.stock.iter().find(|line| line.reserved > line.on_hand);
    if let Some(line) = oversold {
        return Some(format!("{}: {} set aside of {}", line.sku, line.reserved, line.on_hand));
    }
    let set_aside = numbers.stock.iter().map(|line| (line.sku.as_str(), line.reserved));
    same("set aside", set_aside, "in reserved orders", pieces(&numbers.reserved_pieces))
}

fn levels(numbers: &Numbers) -> Option<String> {
    let available =
        numbers.stock.iter().map(|line| (line.sku.as_str(), line.on_hand.saturating_sub(line.reserved)));
    same("available", available, "known to orders", pieces(&numbers.stock_levels))
}

fn poison(numbers: &Numbers, placed: &Placed) -> Option<String> {
    let Some(poison) = placed.poison else { return Some("it was not placed".to_owned()) };
    let key = format!("order_id:{poison}");
    let others = numbers.parked.iter().find(|row| row.key.as_ref().is_none_or(|of| of.as_str() != key));
    if let Some(other) = others {
        return Some(format!("{} cannot handle {} either", other.consumer, other.message.envelope.name));
    }
    let count = |state| numbers.parked.iter().filter(|row| row.state == state).count();
    differ("planned dead letters", 1, "found", count(ParkedState::Dead))
        .or_else(|| differ("planned to wait behind it", 1, "found", count(ParkedState::Behind)))
}

fn orders_in(numbers: &Numbers, which: impl Fn(State) -> bool) -> u32 {
    numbers.orders.iter().filter(|count| which(count.state)).map(|count| count.orders).sum()
}

fn pieces(of: &[SkuPieces]) -> impl Iterator<Item = (&str, u32)> {
    of.iter().map(|of| (of.sku.as_str(), of.pieces))
}

fn differ<T: PartialEq + std::fmt::Display>(one: &str, is: T, other: &str, than: T) -> Option<String> {
    (is != than).then(|| format!("{one}: {is}, {other}: {than}"))
}

/// Compares by product; one that is not listed counts as none.
fn same<'s>(
    one: &str,
    is: impl Iterator<Item = (&'s str, u32)>,
    other: &str,
    than: impl Iterator<Item = (&'s str, u32)>,
) -> Option<String> {
    let mut both: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    is.for_each(|(sku, pieces)| both.entry(sku).or_default().0 = pieces);
    than.for_each(|(sku, pieces)| both.entry(sku).or_default().1 = pieces);
    let (sku, (is, than)) = both.into_iter().find(|(_, (is, than))| is != than)?;
    Some(format!("{sku}: {one}: {is}, {other}: {than}"))
}
