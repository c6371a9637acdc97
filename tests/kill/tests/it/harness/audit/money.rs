//! What the provider did, and what the application says of it.

use std::collections::{HashMap, HashSet};

use tidings_kill_tests::app;
use tidings_kill_tests::plan;

use super::super::acks::Acks;
use super::super::provider::{Booking, Ledger};
use super::checks::name;
use super::facts::{Facts, Item, Job};
use super::{Audit, Kind};

/// What orders are audited by.
pub(super) struct Orders<'a> {
    pub(super) facts: &'a Facts,
    pub(super) acks: &'a Acks,
    pub(super) ledger: &'a Ledger,
    /// The one whose charge ends the process.
    pub(super) lethal: Option<&'a plan::Order>,
}

impl Orders<'_> {
    /// Why the charge for an order has to be dead.
    pub(super) fn death(&self, item: Item) -> Option<&'static str> {
        let is_lethal = |lethal: &plan::Order| {
            self.acks.accounts.get(item.0).is_some_and(|(account, _)| lethal.is(account, item.1))
        };
        if self.lethal.is_some_and(is_lethal) {
            Some("lethal")
        } else {
            app::is_declined(item.1).then_some("permanent")
        }
    }

    /// Whether an entry is an order that has to be paid.
    pub(super) fn is_paid(&self, item: Item) -> bool {
        app::is_ordered(item.1) && self.death(item).is_none()
    }
}

pub(super) fn run(orders: &Orders<'_>, found: &mut Audit) {
    orders_are_paid_once(orders, found);
    what_was_told_is_there(orders, found);
    each_job_is_booked_once(orders, found);
    finished_once(orders, "charges", "payments.charge", found);
    finished_once(orders, "seals", "ledger.notarize", found);
    each_charge_is_told_once(orders, found);
    the_ledger_is_whole(orders, found);
    the_money_is_right(orders, found);
}

/// Each entry that is an order is on record once, and paid once unless it has to be refused once.
fn orders_are_paid_once(orders: &Orders<'_>, found: &mut Audit) {
    let Orders { facts, acks, .. } = orders;
    let jobs = jobs_of(facts, "payments.charge");
    let mut on_record: HashMap<Item, u32> = HashMap::new();
    let amounts: HashMap<Item, i64> =
        facts.entries.iter().map(|(item, amount, _)| (*item, *amount)).collect();
    for order in &facts.orders {
        *on_record.entry(order.item).or_default() += 1;
        let due = if orders.is_paid(order.item) { (1, 0) } else { (0, 1) };
        let place = format!("the order {}", name(acks, order.item));
        let kind = if order.paid > due.0 || order.refused > due.1 { Kind::Doubled } else { Kind::Lost };
        if (order.paid, order.refused) != due {
            found.add(
                kind,
                format!("{place} was paid {} times and refused {} times", order.paid, order.refused),
            );
        }
        if amounts.get(&order.item) != Some(&order.amount) {
            found.add(Kind::Money, format!("{place} is of {}, its entry is not", order.amount));
        }
        if jobs.get(&order.item).is_none_or(|job| job.id != order.job) {
            found.add(Kind::Lost, format!("{place} names a job that is not its charge"));
        }
    }
    for (item, ..) in facts.entries.iter().filter(|(item, ..)| app::is_ordered(item.1)) {
        match on_record.remove(item).unwrap_or(0) {
            1 => {}
            0 => found.add(Kind::Lost, format!("the order {} is missing", name(acks, *item))),
            count => {
                found.add(Kind::Doubled, format!("the order {} is there {count} times", name(acks, *item)))
            }
        }
    }
    for item in on_record.keys() {
        found.add(Kind::Unfounded, format!("the order {} has no entry", name(acks, *item)));
    }
}

/// A charge that was told to be finished is the one on record.
fn what_was_told_is_there(orders: &Orders<'_>, found: &mut Audit) {
    let charges = &orders.facts.finished["charges"];
    let there: HashSet<(Item, &str)> =
        charges.iter().filter_map(|charge| Some((charge.item, charge.event.as_deref()?))).collect();
    for (item, events) in &orders.acks.charged {
        for event in events.iter().filter(|event| !there.contains(&(*item, event.as_str()))) {
            let text =
                format!("the charge {} was told to be finished, and is not there", name(orders.acks, *item));
            found.add(Kind::Lost, format!("{text}: {event}"));
        }
    }
}

/// What a completed job asked for was done once, and with it nothing else was.
fn each_job_is_booked_once(orders: &Orders<'_>, found: &mut Audit) {
    let Orders { facts, acks, ledger, .. } = orders;
    let mut bookings: HashMap<(&str, Item), Vec<&Booking>> = HashMap::new();
    for booking in &ledger.bookings {
        let index = acks.index(&booking.bill.account).unwrap_or(super::facts::NOBODY);
        bookings.entry((&booking.of, (index, booking.bill.seq))).or_default().push(booking);
    }
    let amounts: HashMap<Item, i64> =
        facts.entries.iter().map(|(item, amount, _)| (*item, *amount)).collect();
    for job in facts.jobs.iter().filter(|job| job.state == "completed") {
        let of = match job.name.as_str() {
            "payments.charge" => "charges",
            "payments.mail" => "letters",
            _ => "seals",
        };
        let place = format!("{of} of {}", name(acks, job.item));
        match bookings.remove(&(of, job.item)).unwrap_or_default().as_slice() {
            [one] => {
                let amount = if of == "charges" { amounts.get(&job.item).copied() } else { Some(0) };
                if amount != Some(one.bill.amount) || !one.key.replace('-', "").starts_with(&job.id) {
                    found.add(Kind::Money, format!("{place} is booked as {one:?}, due were {amount:?}"));
                }
            }
            [] => found.add(Kind::Lost, format!("{place} is done, and the provider knows nothing of it")),
            more => found.add(Kind::Doubled, format!("{place} was booked {} times: {more:?}", more.len())),
        }
    }
    for ((of, item), booked) in bookings {
        found.add(
            Kind::Unfounded,
            format!("{of} of {} has no job that is done: {booked:?}", name(acks, item)),
        );
    }
}

/// What a completed job wrote as it finished is there once, with the receipt that the provider gave for it.
fn finished_once(orders: &Orders<'_>, table: &str, job: &str, found: &mut Audit) {
    let Orders { facts, acks, ledger, .. } = orders;
    let mut rows: HashMap<Item, u32> = HashMap::new();
    let receipts: HashSet<(&str, &str, i64)> = ledger
        .bookings
        .iter()
        .filter(|booking| booking.of == table)
        .map(|booking| (booking.receipt.as_str(), booking.bill.account.as_str(), booking.bill.seq))
        .collect();
    let jobs = jobs_of(facts, job);
    for row in &facts.finished[table] {
        *rows.entry(row.item).or_default() += 1;
        let account = acks.accounts.get(row.item.0).map_or("nobody", |(account, _)| account);
        if !receipts.contains(&(row.receipt.as_str(), account, row.item.1)) {
            let text = format!("{} has the receipt {} in {table}", name(acks, row.item), row.receipt);
            found.add(Kind::Money, format!("{text}, which the provider did not give for it"));
        }
        if jobs.get(&row.item).is_none_or(|job| job.id != row.job) {
            found.add(Kind::Unfounded, format!("{} in {table} is of another job", name(acks, row.item)));
        }
    }
    for item in jobs.iter().filter(|(_, job)| job.state == "completed").map(|(item, _)| item) {
        match rows.remove(item).unwrap_or(0) {
            1 => {}
            0 => found.add(Kind::Lost, format!("{job} {} is done, and wrote nothing", name(acks, *item))),
            count => {
                let text = format!("{job} {} finished {count} times in {table}", name(acks, *item));
                found.add(Kind::Doubled, text);
            }
        }
    }
    for item in rows.keys() {
        found.add(Kind::Unfounded, format!("{} in {table} is of no job that is done", name(acks, *item)));
    }
}

fn jobs_of<'f>(facts: &'f Facts, job: &str) -> HashMap<Item, &'f Job> {
    facts.jobs.iter().filter(|of| of.name == job).map(|job| (job.item, job)).collect()
}

/// Each charge that is done has its event in the log once, the one that its row names; each dead one has that of its death.
fn each_charge_is_told_once(orders: &Orders<'_>, found: &mut Audit) {
    let Orders { facts, acks, .. } = orders;
    let mut told: HashMap<(&str, Item), Vec<(&str, &str)>> = HashMap::new();
    for message in &facts.log {
        if matches!(message.name.as_str(), "payments.charged" | "tidings.job-died") {
            let cause = message.cause.as_deref().unwrap_or_default();
            told.entry((message.name.as_str(), message.item)).or_default().push((&message.id, cause));
        }
    }
    let rows: HashSet<(Item, &str)> =
        facts.finished["charges"].iter().filter_map(|row| Some((row.item, row.event.as_deref()?))).collect();
    for job in facts.jobs.iter().filter(|job| job.name == "payments.charge") {
        let event = if job.state == "dead" { "tidings.job-died" } else { "payments.charged" };
        let there = told.remove(&(event, job.item)).unwrap_or_default();
        let named = |id: &str| job.state == "dead" || rows.contains(&(job.item, id));
        match there.as_slice() {
            [(id, cause)] if *cause == job.id && named(id) => {}
            [one] => found.add(Kind::Log, format!("{event} {} is {one:?}", name(acks, job.item))),
            [] => found.add(Kind::Lost, format!("{event} {} is not in the log", name(acks, job.item))),
            more => {
                let text = format!("{event} {} is {} times in the log", name(acks, job.item), more.len());
                found.add(Kind::Doubled, text);
            }
        }
    }
    for (event, item) in told.keys() {
        found.add(Kind::Unfounded, format!("{event} {} has no job", name(acks, *item)));
    }
}

/// Each key is booked once and with one bill, and what is in the provider's memory is in its file.
fn the_ledger_is_whole(Orders { ledger, .. }: &Orders<'_>, found: &mut Audit) {
    let written = ledger.written();
    if written != ledger.bookings {
        found.add(Kind::Money, "the provider's file is not what it has in memory");
    }
    let mut keys = HashSet::new();
    for booking in written.iter().filter(|booking| !keys.insert(booking.key.as_str())) {
        found.add(Kind::Doubled, format!("a dedupe key was booked twice: {booking:?}"));
    }
    for contradiction in &ledger.contradictions {
        found.add(Kind::Money, format!("a dedupe key was used with another bill: {contradiction}"));
    }
}

fn the_money_is_right(Orders { facts, ledger, .. }: &Orders<'_>, found: &mut Audit) {
    let taken: i64 = ledger
        .bookings
        .iter()
        .filter(|booking| booking.of == "charges")
        .map(|booking| booking.bill.amount)
        .sum();
    let paid: i64 = facts.orders.iter().map(|order| order.amount * order.paid).sum();
    found.jobs.bookings = ledger.bookings.len() as u64;
    found.jobs.repeats = ledger.repeats;
    found.jobs.money = taken;
    if taken != paid {
        found.add(Kind::Money, format!("the provider took {taken}, and orders of {paid} are paid"));
    }
}
