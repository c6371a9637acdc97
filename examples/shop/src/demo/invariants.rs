//! What must be true when everything has settled, whatever came first, twice or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use tidings::store::{JobRow, JobState, ParkedState};

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
        Invariant { says: "every order has settled as planned", wrong: settled(numbers, placed, plan) },
        Invariant {
            says: "the provider has the money of paid orders, and of no others",
            wrong: money(numbers),
        },
        Invariant {
            says: "nobody was charged twice, and no key was booked twice",
            wrong: charged_once(numbers),
        },
        Invariant {
            says: "every mail was sent once, but for those that nobody can deliver",
            wrong: mails(numbers, plan),
        },
        Invariant { says: "no job is dead but those mails", wrong: dead_jobs(numbers, plan) },
        Invariant {
            says: "goods are set aside for reserved orders, and for no others",
            wrong: set_aside(numbers),
        },
        Invariant {
            says: "what was delivered is in the warehouse or was shipped",
            wrong: goods(numbers, plan),
        },
        Invariant { says: "orders knows the stock that inventory has", wrong: levels(numbers) },
        Invariant { says: "analytics has counted every order once", wrong: days(numbers) },
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

fn settled(numbers: &Numbers, placed: &Placed, plan: &Plan) -> Option<String> {
    let unsettled = numbers.orders.iter().find(|count| !count.state.is_settled());
    if let Some(count) = unsettled {
        return Some(format!("{} orders are {}", count.orders, count.state));
    }
    let on_backorder = orders_in(numbers, |state| state == State::OnBackorder);
    let cancelled = orders_in(numbers, |state| state == State::Cancelled);
    differ("never delivered", plan.on_backorder, "on backorder", on_backorder).or_else(|| {
        differ("declined or given up", plan.cancelled + placed.cancelled_in_time, "cancelled", cancelled)
    })
}

fn money(numbers: &Numbers) -> Option<String> {
    let paid = numbers.orders.iter().filter(|count| count.state.is_paid());
    let (orders, cents) = paid.fold((0, 0), |sum, count| (sum.0 + count.orders, sum.1 + count.total_cents));
    let taken = numbers.payments.iter().find(|count| count.status == "authorised");
    let (payments, amount) = taken.map_or((0, 0), |count| (count.payments, count.amount_cents));
    let refunded: i64 = numbers.payments.iter().map(|count| count.refunded_cents).sum();
    let audit = &numbers.audit;
    differ("paid orders", orders, "payments", payments)
        .or_else(|| differ("cents owed", cents, "taken as payments knows", amount))
        .or_else(|| {
            differ("cents owed", cents, "at the provider", audit.charged_cents - audit.refunded_cents)
        })
        .or_else(|| {
            differ("cents refunded as payments knows", refunded, "by the provider", audit.refunded_cents)
        })
}

fn charged_once(numbers: &Numbers) -> Option<String> {
    let audit = &numbers.audit;
    let twice = |what, of: &Option<String>| of.as_ref().map(|it| format!("{what} {it}"));
    twice("charged twice: order", &audit.order_charged_twice)
        .or_else(|| twice("booked twice: key", &audit.key_booked_twice))
}

fn mails(numbers: &Numbers, plan: &Plan) -> Option<String> {
    if let Some(twice) = &numbers.audit.mail_sent_twice {
        return Some(format!("sent twice: {twice}"));
    }
    let of = |status: &str| {
        numbers.mails.iter().filter(|of| of.status == status).map(|of| of.mails as usize).sum()
    };
    let placed = numbers.mails.iter().filter(|of| of.kind == "placed").map(|of| of.mails as usize).sum();
    differ("sent as notifications knows", of("sent"), "by the provider", numbers.audit.mails)
        .or_else(|| differ("undeliverable", plan.undeliverable, "not sent", of("queued")))
        .or_else(|| differ("without an address", 0, "waiting for one", of("waiting")))
        .or_else(|| differ("orders", plan.orders.len(), "mails about placed ones", placed))
}

fn dead_jobs(numbers: &Numbers, plan: &Plan) -> Option<String> {
    let dead = || numbers.jobs.iter().filter(|job| job.state == JobState::Dead);
    let other = dead().find(|job| &*job.name != "notifications.send-mail");
    if let Some(JobRow { name, id, .. }) = other {
        return Some(format!("job {id} of {name} is dead"));
    }
    differ("undeliverable mails", plan.undeliverable, "dead jobs", dead().count())
}

fn set_aside(numbers: &Numbers) -> Option<String> {
    let oversold = numbers.stock.iter().find(|line| line.reserved > line.on_hand);
    if let Some(line) = oversold {
        return Some(format!("{}: {} set aside of {}", line.sku, line.reserved, line.on_hand));
    }
    let set_aside = numbers.stock.iter().map(|line| (line.sku.as_str(), line.reserved));
    same("set aside", set_aside, "in reserved orders", pieces(&numbers.reserved_pieces))
}

fn goods(numbers: &Numbers, plan: &Plan) -> Option<String> {
    let there = numbers.stock.iter().map(|line| (line.sku.as_str(), line.on_hand));
    let there_or_shipped = there.chain(pieces(&numbers.shipped_pieces));
    same("there or shipped", there_or_shipped, "delivered", plan.delivered().into_iter())
}

fn days(numbers: &Numbers) -> Option<String> {
    let orders = orders_in(numbers, |_| true);
    let shipped = orders_in(numbers, State::is_shipped);
    let cents: i64 = numbers.orders.iter().map(|count| count.total_cents).sum();
    differ("orders", orders, "counted", numbers.days.iter().map(|day| day.placed).sum())
        .or_else(|| differ("cents", cents, "counted", numbers.days.iter().map(|day| day.cents).sum()))
        .or_else(|| differ("shipped", shipped, "counted", numbers.days.iter().map(|day| day.shipped).sum()))
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
    is.for_each(|(sku, pieces)| both.entry(sku).or_default().0 += pieces);
    than.for_each(|(sku, pieces)| both.entry(sku).or_default().1 += pieces);
    let (sku, (is, than)) = both.into_iter().find(|(_, (is, than))| is != than)?;
    Some(format!("{sku}: {one}: {is}, {other}: {than}"))
}
