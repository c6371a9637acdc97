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
    /// Rounds whose victim had ended before it could be killed.
    pub(crate) too_late: u32,
    /// Kills while the provider had a request and had not answered it.
    pub(crate) while_answering: u32,
    /// Kills as soon as something was told to be done.
    pub(crate) as_told: u32,
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
    /// Charges that were told to be finished, and those that were refused to finish.
    pub(crate) charges_told: u64,
    pub(crate) fenced: u64,
    /// What became of the jobs of all databases so far.
    pub(crate) jobs: JobFigures,
}

/// Jobs, counted by an audit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JobFigures {
    pub(crate) completed: u64,
    pub(crate) dead: u64,
    /// Attempts that ended in another way than by completing their job.
    pub(crate) failed: u64,
    pub(crate) snoozed: u64,
    pub(crate) given_back: u64,
    /// Attempts whose worker was lost.
    pub(crate) lost: u64,
    /// Attempts that were made alone, because the one before was lost.
    pub(crate) alone: u64,
    /// What the provider did, and what it recognised as done.
    pub(crate) bookings: u64,
    pub(crate) repeats: u64,
    pub(crate) money: i64,
}

impl std::ops::AddAssign for JobFigures {
    fn add_assign(&mut self, other: Self) {
        self.completed += other.completed;
        self.dead += other.dead;
        self.failed += other.failed;
        self.snoozed += other.snoozed;
        self.given_back += other.given_back;
        self.lost += other.lost;
        self.alone += other.alone;
        self.bookings += other.bookings;
        self.repeats += other.repeats;
        self.money += other.money;
    }
}

impl fmt::Display for JobFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs done, {} dead; of their attempts {} were lost and {} made alone after that, {} failed, {} snoozed, {} \
             given back; the provider booked {} times, recognised {} repeats and took {} in all",
            self.completed,
            self.dead,
            self.lost,
            self.alone,
            self.failed,
            self.snoozed,
            self.given_back,
            self.bookings,
            self.repeats,
            self.money
        )
    }
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
            too_late: 0,
            while_answering: 0,
            as_told: 0,
            completed: 0,
            rejected: 0,
            asked_again: 0,
            failures: BTreeMap::new(),
            effects: 0,
            messages: 0,
            single_receipts: 0,
            charges_told: 0,
            fenced: 0,
            jobs: JobFigures::default(),
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
        write!(f, " ({}; {} came too late)", phases.join(", "), self.too_late)?;
        write!(f, ", {} of them while the provider was about to answer", self.while_answering)?;
        write!(f, ", {} as soon as something was told to be done", self.as_told)?;
        write!(f, "\n  {} commands acknowledged", self.completed + self.rejected)?;
        write!(f, " ({} rejected, {} asked again)", self.rejected, self.asked_again)?;
        write!(
            f,
            "\n  {} messages, {} effects, {} single receipts",
            self.messages, self.effects, self.single_receipts
        )?;
        write!(f, ", {} audits", self.audits)?;
        write!(f, "\n  {}", self.jobs)?;
        write!(
            f,
            "\n  {} charges told to be finished, {} refused to finish",
            self.charges_told, self.fenced
        )?;
        self.failures
            .iter()
            .try_for_each(|(error, count)| write!(f, "\n  {count} times without an outcome: {error}"))
    }
}
