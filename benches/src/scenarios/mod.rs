//! What is measured; one file each.

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
            Scenario::Validate => validate::run(bench).await?,
        });
    }
    Ok(figures)
}
