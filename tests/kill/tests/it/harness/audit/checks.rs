//! One function for each promise.

use std::collections::{HashMap, HashSet};

use tidings_kill_tests::app::{Way, is_refused, is_rejected};
use tidings_kill_tests::plan::Database;

use super::super::acks::{Ack, Acks};
use super::facts::{Consumer, Facts, Item, Job, Message, NOBODY, Parked, Receipt};
use super::{Audit, Condemned, Kind};

pub(super) fn run(facts: &Facts, acks: &Acks, condemned: Option<&Condemned<'_>>, found: &mut Audit) {
    found.messages = facts.log.len() as u64;
    found.effects = facts.effects.values().map(|rows| rows.len() as u64).sum();
    found.single_receipts = facts.receipts.iter().filter(|receipt| receipt.count == 1).count() as u64;
    if let Some(corruption) = &facts.corruption {
        found.add(Kind::Corrupt, corruption);
    }
    acknowledged_are_there(facts, acks, found);
    effects_happened_once(facts, acks, condemned, found);
    totals_are_sums(facts, acks, found);
    order_is_kept(facts, acks, found);
    the_log_is_whole(facts, acks, found);
    nothing_is_left_over(facts, acks, condemned, found);
    receipts_cover_what_was_handled(facts, found);
}

pub(super) fn name(acks: &Acks, item: Item) -> String {
    let account = acks.accounts.get(item.0).map_or("nobody", |(account, _)| account);
    format!("{account}-{}", item.1)
}

/// Whether an entry is one of a command, which leaves an outcome and sends a delivery.
fn is_of_a_command(acks: &Acks, item: Item) -> bool {
    acks.accounts.get(item.0).is_some_and(|(account, _)| Way::of(account).is_command())
}

/// Each acknowledged command's entry is there once, under the id that was told; the one command that may be under way
/// is there once or not at all, and nothing else is.
fn acknowledged_are_there(facts: &Facts, acks: &Acks, found: &mut Audit) {
    let mut entries: HashMap<Item, Vec<&str>> = HashMap::new();
    for (item, _, event_id) in &facts.entries {
        entries.entry(*item).or_default().push(event_id);
    }
    for (index, (account, acks)) in acks.accounts.iter().enumerate() {
        for (seq, ack) in (1..).zip(acks) {
            let there = entries.remove(&(index, seq)).unwrap_or_default();
            let outcomes = facts.outcomes.get(&format!("{account}-{seq}")).map_or(0, Vec::len);
            match (ack, there.as_slice()) {
                (Ack::Done { event_id }, [one]) if event_id.replace('-', "") == *one => {}
                (Ack::Done { .. }, [_]) => {
                    found.add(Kind::Lost, format!("{account}-{seq} is there, but not the acknowledged one"))
                }
                (Ack::Done { .. }, []) => {
                    found.add(Kind::Lost, format!("{account}-{seq} was acknowledged, and is not there"))
                }
                (Ack::Rejected, []) => {}
                (_, more) => found
                    .add(Kind::Doubled, format!("{account}-{seq} ({ack:?}) is there {} times", more.len())),
            }
            if outcomes != usize::from(Way::of(account).is_command()) {
                found.add(
                    Kind::Lost,
                    format!("{account}-{seq} was acknowledged, and has {outcomes} outcomes on record"),
                );
            }
        }
        let next = acks.len() as i64 + 1;
        let under_way = entries.remove(&(index, next)).unwrap_or_default().len();
        let outcomes = facts.outcomes.get(&format!("{account}-{next}")).map_or(0, Vec::len);
        let is_as_expected = match (is_rejected(next), Way::of(account).is_command()) {
            (true, true) => under_way == 0 && outcomes <= 1,
            (false, true) => under_way == outcomes && outcomes <= 1,
            (is_rejected, false) => under_way <= usize::from(!is_rejected) && outcomes == 0,
        };
        if !is_as_expected {
            let text = format!("{account}-{next} is under way: {under_way} entries, {outcomes} outcomes");
            found.add(Kind::Unfounded, text);
        }
    }
    for item in entries.keys() {
        found.add(Kind::Unfounded, format!("nobody sent {}", name(acks, *item)));
    }
}

/// The tables of effects, and which events have one there.
const EFFECTS: &[(&str, &str, &str)] = &[
    ("balances.tally", "balances_effects", "ledger.recorded"),
    ("history.follow", "history_effects", "ledger.recorded"),
    ("history.follow", "history_effects", "balances.changed"),
    ("archive.keep", "archive_effects", "ledger.recorded"),
    ("mirror.copy", "mirror_effects", "ledger.recorded"),
    ("flaky.note", "flaky_effects", "ledger.recorded"),
    ("post.deliver", "post_effects", "post.deliver"),
    ("ledger.posted", "ledger_effects", "delivered"),
    ("ledger.posted", "ledger_effects", "refused"),
];

fn effects_happened_once(facts: &Facts, acks: &Acks, condemned: Option<&Condemned<'_>>, found: &mut Audit) {
    for (consumer, table, event) in EFFECTS {
        let excused = condemned.filter(|condemned| condemned.consumer == *consumer);
        let is_due = |item: &Item| {
            let refused = is_refused(item.1);
            let applies = match *event {
                "refused" => refused && is_of_a_command(acks, *item),
                "delivered" | "post.deliver" => !refused && is_of_a_command(acks, *item),
                _ => true,
            };
            let is_held =
                excused.is_some_and(|held| acks.index(held.account) == Some(item.0) && item.1 >= held.seq);
            applies && !is_held
        };
        let mut counts: HashMap<Item, u32> = HashMap::with_capacity(facts.entries.len());
        for (_, item) in facts.effects[table].iter().filter(|(name, _)| name == event) {
            *counts.entry(*item).or_default() += 1;
        }
        let place = |item: &Item| format!("the effect of {event} {} in {table}", name(acks, *item));
        for item in facts.entries.iter().map(|(item, ..)| item).filter(|item| is_due(item)) {
            match counts.remove(item).unwrap_or(0) {
                1 => {}
                0 => found.add(Kind::Lost, format!("{} is missing", place(item))),
                count => found.add(Kind::Doubled, format!("{} happened {count} times", place(item))),
            }
        }
        for item in counts.keys() {
            found.add(Kind::Unfounded, format!("{} has no entry", place(item)));
        }
    }
}

fn totals_are_sums(facts: &Facts, acks: &Acks, found: &mut Audit) {
    let mut sums: HashMap<usize, i64> = HashMap::new();
    for (item, amount, _) in &facts.entries {
        *sums.entry(item.0).or_default() += amount;
    }
    let totals: HashMap<usize, i64> = facts.totals.iter().copied().collect();
    for (index, sum) in sums {
        let total = totals.get(&index).copied().unwrap_or(0);
        if total != sum {
            let account = name(acks, (index, 0));
            found.add(Kind::Lost, format!("the total of {account} is {total}, its entries sum up to {sum}"));
        }
    }
}

/// Within each listener, the effects of one account's events happened in the order of the log; where that has several
/// writers at once, in an order in which they were caused.
fn order_is_kept(facts: &Facts, acks: &Acks, found: &mut Audit) {
    if facts.database == Database::Postgres {
        follow_ups_come_later(facts, acks, found);
    }
    let events = facts.log.iter().filter(|message| message.kind == "event");
    let positions: HashMap<(&str, Item), i64> =
        events.map(|message| ((message.name.as_str(), message.item), message.position)).collect();
    for table in ["balances_effects", "history_effects", "archive_effects", "mirror_effects", "flaky_effects"]
    {
        let mut last: HashMap<(&str, usize), i64> = HashMap::new();
        for (event, item) in &facts.effects[table] {
            let Some(position) = positions.get(&(event.as_str(), *item)).copied() else { continue };
            // Two events that do not know of each other may be committed in the other order than that of their positions;
            // those of one kind and account are written one after the other.
            let line = match facts.database {
                Database::Sqlite => "",
                Database::Postgres => event,
            };
            let before = last.insert((line, item.0), position).unwrap_or(0);
            // A repeated effect is told as such.
            if position < before {
                let text = format!("{table}: {event} {} came after the event at {before}", name(acks, *item));
                found.add(Kind::Disordered, text);
            }
        }
    }
}

/// A listener of two events, one of which follows from the other, sees that one later.
fn follow_ups_come_later(facts: &Facts, acks: &Acks, found: &mut Audit) {
    let mut seen: HashSet<Item> = HashSet::new();
    for (event, item) in &facts.effects["history_effects"] {
        match event.as_str() {
            "ledger.recorded" => drop(seen.insert(*item)),
            _ if seen.contains(item) => {}
            _ => found.add(
                Kind::Disordered,
                format!("history_effects: {event} {} came before its cause", name(acks, *item)),
            ),
        }
    }
}

/// Each entry has its messages once, and each message the cause that it names.
fn the_log_is_whole(facts: &Facts, acks: &Acks, found: &mut Audit) {
    let by_id: HashMap<&str, &Message> =
        facts.log.iter().map(|message| (message.id.as_str(), message)).collect();
    let jobs: HashMap<&str, &Job> = facts.jobs.iter().map(|job| (job.id.as_str(), job)).collect();
    let mut counts: HashMap<(&str, Item), u32> = HashMap::new();
    let mut replies = 0;
    for message in &facts.log {
        match message.kind.as_str() {
            "reply" => replies += 1,
            // Held against the jobs.
            _ if is_of_a_job(message) => {}
            _ => *counts.entry((message.name.as_str(), message.item)).or_default() += 1,
        }
        if let Some(problem) = wrong_cause(message, &by_id, &jobs, facts, acks) {
            let text =
                format!("{} {} at {}: {problem}", message.name, name(acks, message.item), message.position);
            found.add(Kind::Log, text);
        }
    }
    for (item, _, event_id) in &facts.entries {
        if by_id.get(event_id.as_str()).is_none_or(|event| event.item != *item) {
            found.add(Kind::Lost, format!("the event of {} is not in the log", name(acks, *item)));
        }
        let delivery = is_of_a_command(acks, *item).then_some("post.deliver");
        for message in ["ledger.recorded", "balances.changed"].into_iter().chain(delivery) {
            match counts.remove(&(message, *item)).unwrap_or(0) {
                1 => {}
                0 => found.add(Kind::Lost, format!("{message} {} is not in the log", name(acks, *item))),
                count => found.add(
                    Kind::Doubled,
                    format!("{message} {} is {count} times in the log", name(acks, *item)),
                ),
            }
        }
    }
    for (message, item) in counts.keys() {
        found.add(Kind::Unfounded, format!("{message} {} is in the log without an entry", name(acks, *item)));
    }
    let sent = facts.entries.iter().filter(|(item, ..)| is_of_a_command(acks, *item)).count();
    if replies != sent {
        found.add(Kind::Log, format!("{replies} replies to {sent} commands"));
    }
}

fn is_of_a_job(message: &Message) -> bool {
    matches!(message.name.as_str(), "payments.charged" | "tidings.job-died")
}

fn wrong_cause(
    message: &Message,
    by_id: &HashMap<&str, &Message>,
    jobs: &HashMap<&str, &Job>,
    facts: &Facts,
    acks: &Acks,
) -> Option<String> {
    let commands = &facts.commands;
    let Some(cause) = message.cause.as_deref() else {
        let begins = message.name == "ledger.recorded" && !is_of_a_command(acks, message.item);
        let is_root = begins && message.correlation == message.id;
        return (!is_root).then(|| "it names no cause".to_owned());
    };
    if is_of_a_job(message) {
        let is_it = jobs
            .get(cause)
            .is_some_and(|job| job.item == message.item && job.correlation == message.correlation);
        return (!is_it).then(|| "its cause is not its job".to_owned());
    }
    match (message.name.as_str(), by_id.get(cause)) {
        // Caused by a command at the edge, which is no message but has an outcome.
        ("ledger.recorded" | "post.deliver", None) if commands.contains(cause) => {
            (message.correlation != cause).then(|| "it does not belong to its command's flow".to_owned())
        }
        ("balances.changed", Some(event)) => {
            let is_it = event.name == "ledger.recorded" && event.item == message.item;
            follows(message, event).or_else(|| (!is_it).then(|| "its cause is another event".to_owned()))
        }
        ("ledger.posted", Some(command)) => {
            let is_it = command.name == "post.deliver" && commands.contains(cause);
            follows(message, command).or_else(|| (!is_it).then(|| "its cause has no outcome".to_owned()))
        }
        _ => Some(format!("its cause {cause} is nowhere")),
    }
}

fn follows(message: &Message, cause: &Message) -> Option<String> {
    let is_after = cause.position < message.position && cause.correlation == message.correlation;
    (!is_after).then(|| format!("it does not follow its cause at {}", cause.position))
}

fn nothing_is_left_over(facts: &Facts, acks: &Acks, condemned: Option<&Condemned<'_>>, found: &mut Audit) {
    for consumer in &facts.consumers {
        let lag =
            matching(facts, consumer).filter(|message| !consumer.passed.holds(message.position)).count();
        if lag > 0 || consumer.has_begun {
            let text = format!(
                "{} lags by {lag} messages, mark of a begun batch: {}",
                consumer.name, consumer.has_begun
            );
            found.add(Kind::Unsettled, text);
        }
    }
    let items: HashMap<i64, Item> =
        facts.log.iter().map(|message| (message.position, message.item)).collect();
    let mut held = 0;
    for parked in &facts.parked {
        let item = items.get(&parked.position).copied().unwrap_or((NOBODY, 0));
        if condemned.is_some_and(|condemned| is_held(parked, item, acks, condemned)) {
            held += 1;
        } else {
            let Parked { consumer, state, error, .. } = parked;
            found.add(
                Kind::Unsettled,
                format!("{} is parked in {consumer}: {state}, {error}", name(acks, item)),
            );
        }
    }
    for trace in &facts.traces_of_workers {
        found.add(Kind::Unsettled, format!("everybody is gone, and there is {trace}"));
    }
    if let Some(condemned) = condemned {
        let after = |(item, ..): &&(Item, i64, String)| {
            acks.index(condemned.account) == Some(item.0) && item.1 >= condemned.seq
        };
        let expected = facts.entries.iter().filter(after).count();
        if held != expected {
            found.add(
                Kind::Unsettled,
                format!("{held} messages are parked in {}, not {expected}", condemned.consumer),
            );
        }
    }
}

/// Whether a message is parked as it should be: the condemned one is dead, what follows waits.
fn is_held(parked: &Parked, item: Item, acks: &Acks, condemned: &Condemned<'_>) -> bool {
    let same_key = parked.consumer == condemned.consumer && acks.index(condemned.account) == Some(item.0);
    let state = if item.1 == condemned.seq { "dead" } else { "behind" };
    same_key && item.1 >= condemned.seq && parked.state == state
}

/// The messages that a consumer reads.
fn matching<'f>(facts: &'f Facts, consumer: &'f Consumer) -> impl Iterator<Item = &'f Message> + 'f {
    let kind = match consumer.kind.as_str() {
        "listener" => "event",
        "command handler" => "command",
        _ => "reply",
    };
    let reads = move |message: &&Message| message.kind == kind && consumer.reads.contains(&message.name);
    facts.log.iter().filter(reads)
}

/// The receipts of a consumer count what it handled, cover each of it, and of ranges no two overlap.
fn receipts_cover_what_was_handled(facts: &Facts, found: &mut Audit) {
    for consumer in &facts.consumers {
        for partition in 0..consumer.partitions {
            receipts_cover_part(facts, consumer, partition, found);
        }
    }
}

/// The same for what is in one of a consumer's partitions.
fn receipts_cover_part(facts: &Facts, consumer: &Consumer, partition: i64, found: &mut Audit) {
    let place = match facts.database {
        Database::Sqlite => consumer.name.clone(),
        Database::Postgres => format!("{}/{partition}", consumer.name),
    };
    let parked: HashSet<i64> = facts
        .parked
        .iter()
        .filter(|parked| parked.consumer == consumer.name)
        .map(|parked| parked.position)
        .collect();
    let handled: Vec<i64> = matching(facts, consumer)
        .filter(|message| message.slot % consumer.partitions == partition)
        .map(|message| message.position)
        .filter(|position| !parked.contains(position))
        .collect();
    let is_its = |receipt: &&Receipt| receipt.consumer == consumer.name && receipt.partition == partition;
    let receipts: Vec<_> = facts.receipts.iter().filter(is_its).collect();
    let count: i64 = receipts.iter().map(|receipt| receipt.count).sum();
    if count != handled.len() as i64 {
        let text = format!("{place}: receipts for {count} messages, {} were handled", handled.len());
        found.add(Kind::Receipts, text);
    }
    // Sorted by their first message: a walk over both shows what no receipt covers.
    let (mut next, mut covered_to) = (0, i64::MIN);
    for position in handled {
        while next < receipts.len() && receipts[next].first <= position {
            let receipt = receipts[next];
            let overlaps = receipt.first <= covered_to && receipt.first != receipt.last;
            // Where there are several writers, the positions of a batch may lie among those of the next.
            if overlaps && facts.database == Database::Sqlite {
                let text = format!(
                    "{place}: the receipt from {} to {} overlaps another",
                    receipt.first, receipt.last
                );
                found.add(Kind::Receipts, text);
            }
            covered_to = covered_to.max(receipt.last);
            next += 1;
        }
        if position > covered_to {
            found.add(Kind::Receipts, format!("{place}: no receipt covers the message at {position}"));
        }
    }
}
