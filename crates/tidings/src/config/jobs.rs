//! Settings of jobs and of single queues.

use std::time::Duration;

use serde::Deserialize;
use tidings_core::retry::RetrySchedule;
use tidings_core::store::RateLimit;

use super::limits;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "each setting is documented once, in the default file")]
pub struct JobsConfig {
    pub body_bytes_max: usize,
    pub retry_seconds: Vec<f64>,
    pub jitter_percent: u8,
    pub timeout_seconds: f64,
    pub kills_max: u32,
    pub concurrency: usize,
    pub only: Vec<String>,
}

/// What is said of one queue, `[queues.<name>]`; what is not said the program says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see `JobsConfig`")]
pub struct QueueConfig {
    pub concurrency: Option<usize>,
    pub concurrency_overall: Option<usize>,
    pub rate_count: Option<u32>,
    pub rate_seconds: Option<f64>,
}

impl JobsConfig {
    pub(crate) fn schedule(&self) -> RetrySchedule {
        let tiers = self.retry_seconds.iter().map(|seconds| limits::duration(*seconds));
        RetrySchedule::new(tiers, self.jitter_percent)
    }

    pub(crate) fn timeout(&self) -> Duration {
        limits::duration(self.timeout_seconds)
    }
}

impl QueueConfig {
    /// The settings there are.
    pub(super) const KEYS: [&'static str; 4] =
        ["concurrency", "concurrency_overall", "rate_count", "rate_seconds"];

    pub(crate) fn rate(&self) -> Option<RateLimit> {
        let (count, seconds) = self.rate_count.zip(self.rate_seconds)?;
        Some(RateLimit { count, per: limits::duration(seconds) })
    }
}
