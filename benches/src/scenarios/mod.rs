//! What is measured; one file each.

mod jobs;
mod latency;
mod listeners;
mod one_caller;
mod publish;
mod rows;
mod validate;

use crate::arguments::Bench;
use crate::measure::Figure;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// One caller, row plus event
    OneCaller,
    /// 256 callers that publish only
    Publish,
    /// 256 callers that write a row and publish
    Rows,
    /// 20,000 events to 1 and 5 listeners that each write a row
    Listeners,
    /// Commit to handler start at 100 events a second
    Latency,
    /// 20,000 jobs enqueued in bulk, and jobs enqueued beside a row
    JobsEnqueue,
    /// 20,000 jobs that do nothing worked off, without and with 200,000 that have ended
    JobsDrain,
    /// Enqueueing to the start of a job at 100 jobs a second
    JobsLatency,
    /// Serialising and validating one event
    Validate,
}

pub(crate) async fn run(bench: &Bench) -> tidings::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for scenario in &bench.scenarios {
        figures.extend(match scenario {
            Scenario::OneCaller => one_caller::run(bench).await?,
            Scenario::Publish => publish::run(bench).await?,
            Scenario::Rows => rows::run(bench).await?,
            Scenario::Listeners => listeners::run(bench).await?,
            Scenario::Latency => latency::run(bench).await?,
            Scenario::JobsEnqueue => jobs::enqueue::run(bench).await?,
            Scenario::JobsDrain => jobs::drain::run(bench).await?,
            Scenario::JobsLatency => jobs::latency::run(bench).await?,
            Scenario::Validate => validate::run(bench).await?,
        });
    }
    Ok(figures)
}
