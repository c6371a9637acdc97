//! How much a flow is, and what of it is open.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::facts::HandlingState;
use super::tree::{Node, What};
use crate::fan_out::FanOut;
use crate::store::JobState;

/// How much one root caused. The grade judges the messages; jobs and called commands are told beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FanOutCount {
    /// Messages on record: events, durable commands and replies.
    pub messages: u64,
    /// The grade of that number.
    pub grade: FanOut,
    /// Events among them.
    pub events: u64,
    /// Durable commands among them.
    pub durable_commands: u64,
    /// Replies among them.
    pub replies: u64,
    /// Jobs.
    pub jobs: u64,
    /// Commands that were called, the root among them if it is one.
    pub called_commands: u64,
    /// The longest chain of causes.
    pub depth: u32,
    /// Causes that are not on record.
    pub missing_causes: u64,
}

impl FanOutCount {
    pub(super) fn of(nodes: &[Node]) -> Self {
        let count = |is: fn(&What) -> bool| nodes.iter().filter(|node| is(&node.what)).count() as u64;
        let events = count(|what| matches!(what, What::Event { .. }));
        let durable_commands = count(|what| matches!(what, What::DurableCommand { .. }));
        let replies = count(|what| matches!(what, What::Reply { .. }));
        let messages = events + durable_commands + replies;
        Self {
            messages,
            grade: FanOut::of(messages),
            events,
            durable_commands,
            replies,
            jobs: count(|what| matches!(what, What::Job { .. })),
            called_commands: count(|what| matches!(what, What::Command { .. })),
            depth: nodes.iter().map(|node| node.depth).max().unwrap_or(0),
            missing_causes: count(|what| matches!(what, What::Missing)),
        }
    }
}

/// What of a flow is not done yet, or waits for a person. A message counts once for each consumer that has not handled it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Open {
    /// Not read yet.
    pub unread: u64,
    /// Failed, and tried again.
    pub retrying: u64,
    /// Waiting behind an earlier message of their key.
    pub behind: u64,
    /// Dead letters.
    pub dead: u64,
    /// Jobs that wait for their time, their turn or another attempt.
    pub jobs_waiting: u64,
    /// Jobs that run.
    pub jobs_running: u64,
    /// Dead jobs.
    pub jobs_dead: u64,
}

impl Open {
    /// Nothing is open: the flow has ended.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn of(nodes: &[Node]) -> Self {
        let mut open = Self::default();
        for node in nodes {
            for handling in node.what.handlings() {
                open.count_handling(&handling.state);
            }
            if let What::Job { state, .. } = &node.what {
                open.count_job(*state);
            }
        }
        open
    }

    fn count_handling(&mut self, state: &HandlingState) {
        match state {
            HandlingState::Unread => self.unread += 1,
            HandlingState::Retrying { .. } => self.retrying += 1,
            HandlingState::Behind { .. } => self.behind += 1,
            HandlingState::Dead { .. } => self.dead += 1,
            HandlingState::Handled { .. }
            | HandlingState::Passed
            | HandlingState::Discarded { .. }
            | HandlingState::GivenUp { .. } => {}
        }
    }

    fn count_job(&mut self, state: JobState) {
        match state {
            JobState::Scheduled | JobState::Ready | JobState::Suspect | JobState::Behind => {
                self.jobs_waiting += 1;
            }
            JobState::Running => self.jobs_running += 1,
            JobState::Dead => self.jobs_dead += 1,
            JobState::Completed | JobState::Cancelled | JobState::Discarded => {}
        }
    }
}

/// Fewer messages of one name from one handling are no loop.
const REPEATED_MIN: u64 = 10;

/// One cause that sent many messages of one name: most often a loop around `publish`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// What was sent.
    pub name: Arc<str>,
    /// How often.
    pub count: u64,
    /// The node that caused it, by its place in [`Flow::nodes`](super::Flow::nodes).
    pub cause: usize,
    /// Which of its handlings it was, by its place among them, where that is certain.
    pub handling: Option<usize>,
}

impl Repeated {
    /// The loops of a flow, the longest first.
    pub(super) fn of(nodes: &[Node]) -> Vec<Self> {
        let mut counts: HashMap<(usize, Option<usize>, &str), (usize, u64)> = HashMap::new();
        for (index, node) in nodes.iter().enumerate() {
            let is_message = matches!(node.what, What::Event { .. } | What::DurableCommand { .. });
            if let (true, Some(parent), Some(name)) = (is_message, node.parent, node.what.name()) {
                counts.entry((parent, node.handling, &**name)).or_insert((index, 0)).1 += 1;
            }
        }
        let mut many: Vec<_> = counts.into_iter().filter(|(_, (_, count))| *count >= REPEATED_MIN).collect();
        many.sort_unstable_by_key(|(_, (first, count))| (std::cmp::Reverse(*count), *first));
        many.into_iter()
            .filter_map(|((cause, handling, _), (first, count))| {
                Some(Self { name: nodes[first].what.name()?.clone(), count, cause, handling })
            })
            .collect()
    }
}
