//! `cargo xtask test`: every suite, one after the other; a failing one does not hide the next.

mod deny;
mod environment;
mod report;
mod selection;
mod steps;
mod suites;

use crate::workspace::Workspace;
use anyhow::Result;
use report::{Outcome, Report};
use std::time::Instant;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only what needs no service and no minutes
    #[arg(long)]
    fast: bool,
    /// Only this suite; may be given several times
    #[arg(long, value_name = "SUITE", value_parser = selection::parse_name)]
    only: Vec<&'static str>,
    /// Build cargo-deny if it is missing (under CI this is done anyway)
    #[arg(long)]
    deny: bool,
}

/// Whether all went well. Under CI a suite that could not run counts as a failure.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let is_ci = environment::is_ci();
    let selection = selection::select(workspace, options)?;
    let mut bench = steps::Bench::new(workspace, is_ci, is_ci || options.deny);
    let mut report = Report::new(selection.left_out);

    for suite in selection.suites {
        println!("\n=== {}: {} ===", suite.name, suite.shows);
        let begun = Instant::now();
        // A suite that could not even be tried must not keep the others from running.
        let outcome = bench.run(suite).unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let elapsed = begun.elapsed();
        println!("--- {}: {outcome} ({:.1} s)", suite.name, elapsed.as_secs_f64());
        report.add(suite.name, outcome, elapsed);
    }

    // The services go before the verdict comes, so that the verdict is the last line.
    drop(bench);
    println!("\n{report}");
    Ok(report.is_good(is_ci))
}
