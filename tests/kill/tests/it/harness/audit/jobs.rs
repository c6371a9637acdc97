//! One function for each promise about jobs.

use std::collections::{HashMap, HashSet};

use tidings_kill_tests::app;
use tidings_kill_tests::plan::Database;

use super::super::fleet::LEASE;
use super::checks::name;
use super::facts::{Attempt, Facts, Item, Job};
use super::money::Orders;
use super::{Audit, Kind};

pub(super) fn run(orders: &Orders<'_>, found: &mut Audit) {
    each_has_its_reason(orders, found);
    each_has_its_cause(orders, found);
    each_has_ended(orders, found);
    for job in &orders.facts.jobs {
        let attempts = orders.facts.attempts.get(&job.place).map_or(&[][..], Vec::as_slice);
        count(job, attempts, found);
        if let Some(problem) = contradiction(job, attempts, clocks_differ(orders.facts)) {
            found.add(Kind::Attempts, format!("{} {}: {problem}", job.name, name(orders.acks, job.item)));
        }
    }
    attempts_belong_to_jobs(orders.facts, found);
    keys_are_in_order(orders, found);
    the_rate_was_kept(orders.facts, found);
}

/// Each entry has its jobs, each once, and no job is without an entry.
fn each_has_its_reason(orders: &Orders<'_>, found: &mut Audit) {
    let Orders { facts, acks, .. } = orders;
    let mut counts: HashMap<(&str, Item), u32> = HashMap::new();
    for job in &facts.jobs {
        *counts.entry((&job.name, job.item)).or_default() += 1;
    }
    for (item, ..) in &facts.entries {
        let jobs = [
            ("payments.charge", app::is_ordered(item.1)),
            ("payments.mail", orders.is_paid(*item)),
            ("ledger.notarize", app::is_sealed(item.1)),
        ];
        for (job, _) in jobs.iter().filter(|(_, is_due)| *is_due) {
            match counts.remove(&(*job, *item)).unwrap_or(0) {
                1 => {}
                0 => found.add(Kind::Lost, format!("{job} {} was not enqueued", name(acks, *item))),
                count => {
                    let text = format!("{job} {} was enqueued {count} times", name(acks, *item));
                    found.add(Kind::Doubled, text);
                }
            }
        }
    }
    for (job, item) in counts.keys() {
        found.add(Kind::Unfounded, format!("{job} {} has no reason", name(acks, *item)));
    }
}

/// Each job belongs to the flow of what enqueued it.
fn each_has_its_cause(orders: &Orders<'_>, found: &mut Audit) {
    let Orders { facts, acks, .. } = orders;
    let jobs: HashMap<&str, &Job> = facts.jobs.iter().map(|job| (job.id.as_str(), job)).collect();
    let events: HashMap<&str, (&str, Item, &str)> = facts
        .log
        .iter()
        .map(|message| {
            (message.id.as_str(), (message.name.as_str(), message.item, message.correlation.as_str()))
        })
        .collect();
    for job in &facts.jobs {
        let cause = job.cause.as_deref();
        let is_right = match job.name.as_str() {
            "payments.charge" => cause
                .and_then(|cause| events.get(cause))
                .is_some_and(|event| *event == ("ledger.recorded", job.item, &job.correlation)),
            "payments.mail" => cause.and_then(|cause| jobs.get(cause)).is_some_and(|cause| {
                cause.name == "payments.charge"
                    && cause.item == job.item
                    && cause.correlation == job.correlation
            }),
            _ => match cause {
                Some(command) => facts.commands.contains(command) && job.correlation == command,
                None => job.correlation == job.id,
            },
        };
        if !is_right {
            found.add(Kind::Log, format!("{} {} has the cause {cause:?}", job.name, name(acks, job.item)));
        }
    }
}

/// Each job is done, but for charges that are declined or end the process: those are dead. Nobody is at any of them.
fn each_has_ended(orders: &Orders<'_>, found: &mut Audit) {
    for job in &orders.facts.jobs {
        let death = match job.name.as_str() {
            "payments.charge" => orders.death(job.item),
            _ => None,
        };
        let state = if death.is_some() { "dead" } else { "completed" };
        if job.state != state || job.death.as_deref() != death || job.has_worker {
            let text = format!(
                "{} {} is {} ({:?}), held by a worker: {}, last error: {:?}",
                job.name,
                name(orders.acks, job.item),
                job.state,
                job.death,
                job.has_worker,
                job.error
            );
            found.add(Kind::Unsettled, text);
        }
    }
}

fn count(job: &Job, attempts: &[Attempt], found: &mut Audit) {
    let figures = &mut found.jobs;
    match job.state.as_str() {
        "completed" => figures.completed += 1,
        "dead" => figures.dead += 1,
        _ => {}
    }
    for attempt in attempts {
        match attempt.ending.as_str() {
            "lost" => {
                figures.lost += 1;
                figures.alone += u64::from(attempt.number < job.attempts);
            }
            "snoozed" => figures.snoozed += 1,
            "given back" => figures.given_back += 1,
            _ => figures.failed += 1,
        }
    }
}

/// How far times may lie apart, in microseconds: each is read by whoever claims or ends, before he is heard by the database.
/// Where there is one process nothing comes in between; elsewhere it may be the time for which a network is cut, but not
/// longer than a lease, after which nobody is heard any more.
fn clocks_differ(facts: &Facts) -> i64 {
    match facts.database {
        Database::Sqlite => 0,
        Database::Postgres => i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX),
    }
}

/// Every attempt but the one that completed the job is on record, with its end; none began before the one before it
/// had ended; and the job counts what its attempts say.
fn contradiction(job: &Job, attempts: &[Attempt], differ: i64) -> Option<String> {
    let on_record = job.attempts - i64::from(job.state == "completed");
    if !attempts.iter().map(|attempt| attempt.number).eq(1..=on_record) {
        let numbers: Vec<_> = attempts.iter().map(|attempt| attempt.number).collect();
        return Some(format!("{} attempts in state {}, on record {numbers:?}", job.attempts, job.state));
    }
    let failed = attempts.iter().filter(|attempt| attempt.ending == "failed").count() as i64;
    if job.failures != failed {
        return Some(format!("{} failures, on record {failed}", job.failures));
    }
    if let Some(attempt) = attempts.iter().find(|attempt| attempt.ended_at + differ < attempt.started_at) {
        return Some(format!("attempt {} ended before it began", attempt.number));
    }
    let starts = attempts.iter().skip(1).map(|attempt| attempt.started_at);
    let starts = starts.chain(job.started_at.filter(|_| job.state == "completed"));
    let ends = attempts.iter().map(|attempt| (attempt.number, attempt.ended_at));
    let early = ends.zip(starts).find(|((_, ended_at), started_at)| started_at + differ < *ended_at);
    if let Some(((number, _), _)) = early {
        return Some(format!("the attempt after {number} began before that had ended"));
    }
    // Counted since an attempt ended otherwise than by the loss of its worker; a job that is dead keeps the count.
    let before_the_last = attempts.iter().rev().skip(1);
    let lost_at_last = before_the_last.take_while(|attempt| attempt.ending == "lost").count() as i64;
    let losses = if job.state == "dead" { lost_at_last } else { 0 };
    (job.losses != losses).then(|| format!("{} losses, on record {losses}", job.losses))
}

fn attempts_belong_to_jobs(facts: &Facts, found: &mut Audit) {
    let places: HashSet<i64> = facts.jobs.iter().map(|job| job.place).collect();
    for place in facts.attempts.keys().filter(|place| !places.contains(place)) {
        found.add(Kind::Attempts, format!("attempts at a job at place {place}, where none is"));
    }
}

/// The charges of an account were enqueued in the order of its entries, came to the provider in the order in which they
/// were enqueued, and finished in it.
fn keys_are_in_order(orders: &Orders<'_>, found: &mut Audit) {
    let Orders { facts, acks, ledger, .. } = orders;
    let keyed = |item: &Item| {
        acks.accounts.get(item.0).is_some_and(|(account, _)| app::is_ordered_by_account(account))
    };
    let charges = facts.jobs.iter().filter(|job| job.name == "payments.charge" && keyed(&job.item));
    let mut places: HashMap<Item, i64> = HashMap::new();
    for job in charges {
        if job.key.is_none() {
            found.add(Kind::Unfounded, format!("the charge {} has no key", name(acks, job.item)));
        }
        places.insert(job.item, job.place);
    }
    let booked = ledger.bookings.iter().filter(|booking| booking.of == "charges");
    let booked = booked.filter_map(|booking| Some((acks.index(&booking.bill.account)?, booking.bill.seq)));
    let mut entries: Vec<Item> = places.keys().copied().collect();
    entries.sort_unstable();
    in_order("enqueued", entries.into_iter(), &places, orders, found);
    in_order("booked", booked.filter(keyed), &places, orders, found);
    let finished = facts.finished["charges"].iter().map(|finished| finished.item);
    in_order("finished", finished.filter(keyed), &places, orders, found);
}

fn in_order(
    what: &str,
    items: impl Iterator<Item = Item>,
    places: &HashMap<Item, i64>,
    orders: &Orders<'_>,
    found: &mut Audit,
) {
    let mut last: HashMap<usize, i64> = HashMap::new();
    for item in items {
        // One without a job is told as such, and one that comes twice, too.
        let Some(place) = places.get(&item).copied() else { continue };
        let before = last.insert(item.0, place).unwrap_or(0);
        if place < before {
            let text = format!("the charge {} was {what} after the one at {before}", name(orders.acks, item));
            found.add(Kind::Disordered, text);
        }
    }
}

/// In no period more jobs of the notary's queue began than its rate allows. Those that run alone are not counted: they
/// are claimed one by one, whatever the rate.
fn the_rate_was_kept(facts: &Facts, found: &mut Audit) {
    let period = app::NOTARY_PERIOD.as_micros() as i64;
    let mut starts: Vec<i64> = Vec::new();
    for job in facts.jobs.iter().filter(|job| job.queue == "notary") {
        let attempts = facts.attempts.get(&job.place).map_or(&[][..], Vec::as_slice);
        let began = attempts.iter().map(|attempt| (attempt.number, attempt.started_at));
        let last = (job.state == "completed").then_some(job.started_at).flatten();
        let was_lost: HashSet<i64> = attempts
            .iter()
            .filter(|attempt| attempt.ending == "lost")
            .map(|attempt| attempt.number)
            .collect();
        let began = began.chain(last.map(|at| (job.attempts, at)));
        starts.extend(began.filter(|(number, _)| !was_lost.contains(&(number - 1))).map(|(_, at)| at));
    }
    starts.sort_unstable();
    for (first, at) in starts.iter().enumerate() {
        let within = starts[first..].iter().take_while(|start| **start < at + period).count();
        if within > app::NOTARY_RATE as usize {
            found.add(
                Kind::Unfounded,
                format!("{within} jobs of the notary began within {period} µs of {at}"),
            );
            return;
        }
    }
}
