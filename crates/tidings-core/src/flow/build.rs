//! From what is on record to the tree, in time linear in it (but for the sorting), whatever its shape: a chain may be as
//! long as the flow, so nothing here calls itself.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::count::{FanOutCount, Open, Repeated};
use super::facts::{CommandFact, FlowFacts, HandlingState, JobFact, MessageFact};
use super::tree::{Attempt, CommandOutcome, Flow, Handling, JobTimes, Node, What};
use crate::envelope::MessageKind;
use crate::ids::MessageId;
use crate::key::Key;
use crate::store::JobState;

impl Flow {
    /// Makes the tree of what is on record.
    ///
    /// What has a cause that is not on record hangs below a [missing](What::Missing) one. Causes that form a circle are
    /// told, and cut at one place.
    #[must_use]
    pub fn of(facts: FlowFacts) -> Self {
        let correlation_id = facts.correlation_id;
        let period = Period::of(&facts);
        let trace_id = trace_of_root(&facts).map(|trace| format!("{trace:032x}"));
        let nodes = Branches::of(entries(facts, &period), correlation_id).into_nodes();
        Self {
            correlation_id,
            trace_id,
            other_flows: Vec::new(),
            started_at: period.start,
            duration_ms: period.start.zip(period.end).map_or(0.0, |(start, end)| millis(start, end)),
            fan_out: FanOutCount::of(&nodes),
            open: Open::of(&nodes),
            repeated: Repeated::of(&nodes),
            nodes,
        }
    }
}

/// The trace of the first message or job: the root's, if that is one of them, and else what it handed on.
fn trace_of_root(facts: &FlowFacts) -> Option<u128> {
    let of_messages = facts.messages.iter().find_map(|message| message.trace_id);
    of_messages.or_else(|| facts.jobs.iter().find_map(|job| job.trace_id))
}

/// The earliest and the latest time on record.
#[derive(Default)]
struct Period {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Period {
    fn of(facts: &FlowFacts) -> Self {
        let mut period = Self::default();
        for message in &facts.messages {
            period.add(message.time);
            message
                .handlings
                .iter()
                .filter_map(|handling| time_of(&handling.state))
                .for_each(|at| period.add(at));
        }
        for job in &facts.jobs {
            period.add(job.at);
            job.started_at.into_iter().chain(job.ended_at).for_each(|at| period.add(at));
            job.failed.iter().for_each(|attempt| period.add(attempt.ended_at));
        }
        facts.commands.iter().for_each(|command| period.add(command.at));
        period
    }

    fn add(&mut self, at: Timestamp) {
        self.start = Some(self.start.map_or(at, |start| start.min(at)));
        self.end = self.end.max(Some(at));
    }

    /// From the flow's beginning on.
    fn after(&self, at: Timestamp) -> f64 {
        self.start.map_or(0.0, |start| millis(start, at))
    }
}

/// When something is known to have happened to a message at a consumer.
fn time_of(state: &HandlingState) -> Option<Timestamp> {
    match state {
        HandlingState::Handled { at, .. } | HandlingState::Discarded { at, .. } => Some(*at),
        HandlingState::Retrying { parked_at, .. }
        | HandlingState::Behind { parked_at }
        | HandlingState::Dead { parked_at, .. } => Some(*parked_at),
        HandlingState::Passed | HandlingState::GivenUp { .. } | HandlingState::Unread => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of 285 years are exact")]
fn millis(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_microsecond() - from.as_microsecond()) as f64 / 1_000.0
}

/// A node before it has its place.
struct Entry {
    id: MessageId,
    cause: Option<MessageId>,
    /// The module that sent it.
    source: Option<Arc<str>>,
    at: Option<Timestamp>,
    after_ms: Option<f64>,
    what: What,
}

/// Everything on record, in the order of time. What happened at one time stays in the order of the record.
fn entries(facts: FlowFacts, period: &Period) -> Vec<Entry> {
    let mut outcomes: HashMap<MessageId, CommandFact> =
        facts.commands.into_iter().map(|command| (command.id, command)).collect();
    let mut entries = Vec::with_capacity(facts.messages.len() + facts.jobs.len() + outcomes.len());
    for message in facts.messages {
        let outcome = outcomes.remove(&message.id);
        entries.push(message_entry(message, outcome, period));
    }
    entries.extend(facts.jobs.into_iter().map(|job| job_entry(job, period)));
    // What is left was no message: it was called.
    entries.extend(outcomes.into_values().map(|command| command_entry(command, period)));
    entries.sort_by_key(|entry| (entry.at, rank(entry)));
    entries
}

/// At one time a called command comes before what it caused, and of two calls the one whose id was made first.
fn rank(entry: &Entry) -> (bool, Option<MessageId>) {
    match entry.what {
        What::Command { .. } => (false, Some(entry.id)),
        _ => (true, None),
    }
}

fn message_entry(message: MessageFact, outcome: Option<CommandFact>, period: &Period) -> Entry {
    let published = message.time;
    let mut handlings: Vec<Handling> = message
        .handlings
        .into_iter()
        .map(|handling| {
            let handled_at = match &handling.state {
                HandlingState::Handled { at, .. } => Some(*at),
                _ => None,
            };
            Handling {
                consumer: handling.consumer,
                state: handling.state,
                after_ms: handled_at.map(|at| period.after(at)),
                took_ms: handled_at.map(|at| millis(published, at)),
            }
        })
        .collect();
    handlings.sort_by(|a, b| a.consumer.cmp(&b.consumer));
    let (name, module) = (message.name, message.source.clone());
    let what = match message.kind {
        MessageKind::Event => {
            let key = message.key.map(|key| key.masked());
            What::Event { name, version: message.version, module, key, handlings }
        }
        MessageKind::Command => {
            let outcome = outcome.map(|command| command_outcome(command, period));
            What::DurableCommand { name, module, reply_to: message.reply_to, outcome, handlings }
        }
        MessageKind::Reply => What::Reply { name, module, handlings },
    };
    Entry {
        id: message.id,
        cause: message.causation_id,
        source: Some(message.source),
        at: Some(published),
        after_ms: Some(period.after(published)),
        what,
    }
}

fn command_outcome(command: CommandFact, period: &Period) -> CommandOutcome {
    CommandOutcome {
        result: command.result,
        at: command.at,
        after_ms: period.after(command.at),
        unhandled: command.unhandled,
    }
}

fn command_entry(command: CommandFact, period: &Period) -> Entry {
    let name = command.name.clone();
    Entry {
        id: command.id,
        cause: command.causation_id,
        source: None,
        at: Some(command.at),
        after_ms: Some(period.after(command.at)),
        what: What::Command { name, outcome: command_outcome(command, period) },
    }
}

fn job_entry(job: JobFact, period: &Period) -> Entry {
    let first_start = job.failed.first().map(|attempt| attempt.started_at).or(job.started_at);
    // The others came to their end at some time after their last attempt.
    let ended_by_attempt = matches!(job.state, JobState::Completed | JobState::Dead);
    let ran = job.started_at.zip(job.ended_at).filter(|_| ended_by_attempt);
    let times = JobTimes {
        due: job.due,
        started_at: job.started_at,
        ended_at: job.ended_at,
        waited_ms: first_start.map(|start| millis(job.at, start)),
        ran_ms: ran.map(|(start, end)| millis(start, end)),
    };
    let failed = job.failed.into_iter().map(|attempt| Attempt {
        attempt: attempt.attempt,
        end: attempt.end,
        started_at: attempt.started_at,
        after_ms: period.after(attempt.started_at),
        ran_ms: millis(attempt.started_at, attempt.ended_at),
        error: attempt.error,
    });
    let what = What::Job {
        name: job.name,
        queue: job.queue,
        module: job.source.clone(),
        key: job.key.map(|key| key.masked()),
        share: job.share.map(|share| Key::new("share", &share).masked()),
        state: job.state,
        times,
        attempts: job.attempts,
        failed: failed.collect(),
        death: job.death,
        error: job.error,
        reason: job.reason,
    };
    Entry {
        id: job.id,
        cause: job.causation_id,
        source: Some(job.source),
        at: Some(job.at),
        after_ms: Some(period.after(job.at)),
        what,
    }
}

/// Who hangs where.
struct Branches {
    entries: Vec<Entry>,
    parents: Vec<Option<usize>>,
    /// Of each entry those that it caused, in the order of the lines under it: by its handlings, then the rest.
    children: Vec<Vec<(Option<usize>, usize)>>,
    tops: Vec<usize>,
    circle: Vec<bool>,
}

impl Branches {
    fn of(mut entries: Vec<Entry>, root: MessageId) -> Self {
        let parents = parents(&mut entries);
        let mut tops: Vec<usize> = (0..entries.len()).filter(|&index| parents[index].is_none()).collect();
        // Whatever else stands at the top is there because something is odd about it.
        tops.sort_by_key(|&index| entries[index].id != root);
        let mut children = vec![Vec::new(); entries.len()];
        for (index, parent) in parents.iter().enumerate() {
            if let Some(parent) = *parent {
                children[parent].push((handling_of(&entries[parent], &entries[index]), index));
            }
        }
        for of_one in &mut children {
            of_one.sort_by_key(|(handling, _)| handling.unwrap_or(usize::MAX));
        }
        let circle = vec![false; entries.len()];
        let mut branches = Self { entries, parents, children, tops, circle };
        branches.cut_circles();
        branches
    }

    /// What hangs below no top is part of a circle, or below one. Each circle is cut above that of its entries which is met
    /// first; the walk up from an entry ends there, since it meets an entry again.
    fn cut_circles(&mut self) {
        let mut reached = vec![false; self.entries.len()];
        for top in self.tops.clone() {
            self.reach(top, &mut reached);
        }
        let mut walked_from = vec![usize::MAX; self.entries.len()];
        for start in 0..self.entries.len() {
            if reached[start] {
                continue;
            }
            let mut at = start;
            while walked_from[at] != start {
                walked_from[at] = start;
                // Every entry without a parent is a top, and has been reached with all that is below it.
                let Some(parent) = self.parents[at] else { break };
                at = parent;
            }
            if let Some(parent) = self.parents[at].take() {
                self.children[parent].retain(|(_, child)| *child != at);
            }
            self.circle[at] = true;
            self.tops.push(at);
            self.reach(at, &mut reached);
        }
    }

    fn reach(&self, from: usize, reached: &mut [bool]) {
        let mut next = vec![from];
        while let Some(index) = next.pop() {
            if !std::mem::replace(&mut reached[index], true) {
                next.extend(self.children[index].iter().map(|(_, child)| *child));
            }
        }
    }

    /// The entries in depth-first order.
    fn into_nodes(self) -> Vec<Node> {
        let Self { entries, children, tops, circle, .. } = self;
        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        let mut nodes = Vec::with_capacity(entries.len());
        let mut next: Vec<Place> = tops
            .into_iter()
            .rev()
            .map(|entry| Place { entry, parent: None, handling: None, depth: 0 })
            .collect();
        while let Some(place) = next.pop() {
            let Some(entry) = entries[place.entry].take() else { continue };
            let (parent, depth) = (Some(nodes.len()), place.depth + 1);
            let below = children[place.entry].iter().rev();
            next.extend(below.map(|&(handling, entry)| Place { entry, parent, handling, depth }));
            nodes.push(Node {
                id: entry.id,
                what: entry.what,
                parent: place.parent,
                handling: place.handling,
                depth: place.depth,
                at: entry.at,
                after_ms: entry.after_ms,
                circle: circle[place.entry],
            });
        }
        nodes
    }
}

struct Place {
    entry: usize,
    parent: Option<usize>,
    handling: Option<usize>,
    depth: u32,
}

/// The cause of each entry, by its place; enters causes that are not on record.
fn parents(entries: &mut Vec<Entry>) -> Vec<Option<usize>> {
    let mut places: HashMap<MessageId, usize> =
        entries.iter().enumerate().map(|(index, entry)| (entry.id, index)).collect();
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(entries.len());
    for index in 0..entries.len() {
        let parent = entries[index].cause.map(|cause| {
            *places.entry(cause).or_insert_with(|| {
                entries.push(missing(cause));
                entries.len() - 1
            })
        });
        parents.push(parent);
    }
    parents.resize(entries.len(), None);
    parents
}

fn missing(id: MessageId) -> Entry {
    Entry { id, cause: None, source: None, at: None, after_ms: None, what: What::Missing }
}

/// The handling of `parent` that `child` comes from: that of the module which sent it, unless several of its handlers took
/// the message. One that has not ended well has left nothing behind.
fn handling_of(parent: &Entry, child: &Entry) -> Option<usize> {
    let module = child.source.as_deref()?;
    let of_module = |handling: &Handling| {
        let handler = handling.consumer.strip_prefix(module).and_then(|rest| rest.strip_prefix('.'));
        handler.is_some() && matches!(handling.state, HandlingState::Handled { .. })
    };
    let mut of_module =
        parent.what.handlings().iter().enumerate().filter(|(_, handling)| of_module(handling));
    match (of_module.next(), of_module.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    }
}
