//! What a campaign came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use super::acks::Ack;

pub(crate) struct Figures {
    name: &'static str,
    seed: u64,
    started: Instant,
    pub(crate) rounds: u32,
    pub(crate) audits: u32,
    /// Kills by what the victim was doing.
    pub(crate) kills: BTreeMap<&'static str, u32>,
    pub(crate) completed: u64,
    pub(crate) rejected: u64,
    pub(crate) asked_again: u64,
    /// Commands that had no outcome yet, by the beginning of their error.
    failures: BTreeMap<String, u64>,
    /// Of all databases so far.
    pub(crate) effects: u64,
    pub(crate) messages: u64,
    /// Receipts of messages that had been parked or were alone in their batch.
    pub(crate) single_receipts: u64,
}

impl Figures {
    pub(crate) fn new(name: &'static str, seed: u64) -> Self {
        Self {
            name,
            seed,
            started: Instant::now(),
            rounds: 0,
            audits: 0,
            kills: BTreeMap::new(),
            completed: 0,
            rejected: 0,
            asked_again: 0,
            failures: BTreeMap::new(),
            effects: 0,
            messages: 0,
            single_receipts: 0,
        }
    }

    pub(crate) fn acknowledged(&mut self, ack: &Ack) {
        match ack {
            Ack::Done { .. } => self.completed += 1,
            Ack::Rejected => self.rejected += 1,
        }
    }

    pub(crate) fn failed(&mut self, error: &str) {
        let cause = error.rsplit(": ").next().unwrap_or(error);
        *self.failures.entry(cause.chars().take(80).collect()).or_default() += 1;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.started.elapsed().as_secs_f64();
        let kills: u32 = self.kills.values().sum();
        write!(
            f,
            "{}: seed {}, {} rounds in {seconds:.1} s, {kills} kills",
            self.name, self.seed, self.rounds
        )?;
        let phases: Vec<String> =
            self.kills.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
        write!(f, " ({})\n  {} commands acknowledged", phases.join(", "), self.completed + self.rejected)?;
        write!(f, " ({} rejected, {} asked again)", self.rejected, self.asked_again)?;
        write!(
            f,
            "\n  {} messages, {} effects, {} single receipts",
            self.messages, self.effects, self.single_receipts
        )?;
        write!(f, ", {} audits", self.audits)?;
        self.failures
            .iter()
            .try_for_each(|(error, count)| write!(f, "\n  {count} times without an outcome: {error}"))
    }
}
