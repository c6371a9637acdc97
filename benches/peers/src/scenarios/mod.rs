//! What is measured; one file each.

mod bulk;
mod bytes;
mod delivery;
mod drain;
mod enqueue;
mod latency;

use tidings_peers_contract::Result;

use crate::arguments::Sizes;
use crate::figure::Measured;
use crate::postgres::Server;
use crate::program::Ready;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// An order and a job in one transaction, at 1, 8 and 32 callers
    Enqueue,
    /// 20,000 jobs enqueued in the way for many
    Bulk,
    /// 20,000 jobs that do nothing worked off by 1, 2 and 4 processes
    Drain,
    /// 20,000 events delivered to 1 and 5 listeners that each write a row
    Delivery,
    /// From the commit to the job's start at 100 a second, within one process and between two
    Latency,
    /// Bytes of write-ahead log for each job
    Bytes,
}

/// One program's turn.
pub(crate) struct Bench<'a> {
    pub(crate) server: &'a Server,
    pub(crate) ready: &'a Ready,
    pub(crate) sizes: Sizes,
}

impl Scenario {
    /// Adds to `figures` as it goes, so that what was measured before a failure stays.
    pub(crate) async fn run(self, bench: &Bench<'_>, figures: &mut Vec<Measured>) -> Result<()> {
        let needs = match self {
            Self::Enqueue => "enqueue",
            Self::Bulk => "bulk",
            Self::Drain | Self::Bytes => "drain",
            Self::Delivery => "deliver",
            Self::Latency => "latency",
        };
        if !bench.ready.can(needs) {
            return Ok(());
        }
        match self {
            Self::Enqueue => enqueue::run(bench, figures).await,
            Self::Bulk => bulk::run(bench, figures).await,
            Self::Drain => drain::run(bench, figures).await,
            Self::Delivery => delivery::run(bench, figures).await,
            Self::Latency => latency::run(bench, figures).await,
            Self::Bytes => bytes::run(bench, figures).await,
        }
    }
}
