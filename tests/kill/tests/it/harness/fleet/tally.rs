//! What is counted of several processes, beside what is counted of one.

use std::fmt;
use std::time::Duration;

use super::LEASE;

#[derive(Default)]
pub(crate) struct Tally {
    /// How often others took what a process had had.
    pub(crate) take_overs: u32,
    pub(crate) partitions: i64,
    pub(crate) claims: i64,
    longest_take_over: Duration,
    all_take_overs: Duration,
    /// From the end of a disturbance until all go on.
    longest_recovery: Duration,
    /// What the disturbances hit.
    pub(crate) hits: std::collections::BTreeMap<&'static str, u64>,
}

/// Within so many leases whatever a process had is taken over, on a machine that has other things to do as well. The stated
/// bound is one lease and one beat of another's.
const BOUND_MAX: u32 = 12;

impl Tally {
    pub(crate) fn patience() -> Duration {
        LEASE * BOUND_MAX
    }

    pub(crate) fn taken_over(&mut self, took: Duration, partitions: i64, claims: i64) {
        self.take_overs += 1;
        self.partitions += partitions;
        self.claims += claims;
        self.longest_take_over = self.longest_take_over.max(took);
        self.all_take_overs += took;
    }

    pub(crate) fn recovered(&mut self, took: Duration) {
        self.longest_recovery = self.longest_recovery.max(took);
    }

    pub(crate) fn hit(&mut self, what: &'static str, count: u64) {
        *self.hits.entry(what).or_default() += count;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hits: Vec<String> = self.hits.iter().map(|(what, count)| format!("{count} {what}")).collect();
        if !hits.is_empty() {
            write!(f, "{}; ", hits.join(", "))?;
        }
        if self.take_overs > 0 {
            write!(
                f,
                "{} take-overs of {} partitions and {} claims, after {:.2} s on average and {:.2} s at most (lease {:.1} s); ",
                self.take_overs,
                self.partitions,
                self.claims,
                (self.all_take_overs / self.take_overs).as_secs_f64(),
                self.longest_take_over.as_secs_f64(),
                LEASE.as_secs_f64()
            )?;
        }
        write!(f, "all went on after {:.2} s at most", self.longest_recovery.as_secs_f64())
    }
}
