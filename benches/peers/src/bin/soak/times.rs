//! When things happened.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_peers_contract::now_us;

/// Microseconds of whatever happened since the last sample, and when what is under way was committed.
#[derive(Default)]
pub(crate) struct Times(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// By number: when its COMMIT was sent, and how many have not started yet, the listener and the job.
    sent: BTreeMap<u32, (u64, u8)>,
    interval: Interval,
}

/// What happened between two samples.
#[derive(Default)]
pub(crate) struct Interval {
    /// From the time that a transaction was meant to begin to its answer.
    pub(crate) commits: Vec<f64>,
    /// From its COMMIT to the listener's first line.
    pub(crate) events: Vec<f64>,
    /// From its COMMIT to the job's first line.
    pub(crate) jobs: Vec<f64>,
    pub(crate) failures: BTreeMap<String, u64>,
}

/// What starts after a commit.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Event,
    Job,
}

impl Times {
    pub(crate) fn sent(&self, number: u32) {
        self.with(|inner| inner.sent.insert(number, (now_us(), 2)));
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.with(|inner| inner.interval.commits.push(took.as_secs_f64() * 1e3));
    }

    pub(crate) fn failed(&self, error: &str) {
        self.with(|inner| *inner.interval.failures.entry(error.to_owned()).or_default() += 1);
    }

    pub(crate) fn started(&self, what: What, number: u32) {
        let now = now_us();
        self.with(|inner| {
            let Some((sent, left)) = inner.sent.get_mut(&number) else { return };
            let ms = now.saturating_sub(*sent) as f64 / 1e3;
            *left -= 1;
            if *left == 0 {
                inner.sent.remove(&number);
            }
            match what {
                What::Event => inner.interval.events.push(ms),
                What::Job => inner.interval.jobs.push(ms),
            }
        });
    }

    pub(crate) fn take(&self) -> Interval {
        self.with(|inner| std::mem::take(&mut inner.interval))
    }

    /// How many of what was committed have not all started.
    pub(crate) fn under_way(&self) -> usize {
        self.with(|inner| inner.sent.len())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
