//! `cargo xtask bench`: the benchmarks, always built with optimisation.

use crate::command::{self, Limit};
use crate::workspace::Workspace;

const PACKAGE: &str = "tidings-benches";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Passed on to the benchmarks as they are
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    anyhow::ensure!(workspace.has(PACKAGE), "the workspace has no package {PACKAGE}");
    let mut cargo = command::cargo(workspace);
    cargo
        .args(["run", "--release", "--package", PACKAGE, "--features", "peers", "--"])
        .args(&options.arguments);
    Ok(command::stream(&mut cargo, Limit::None)?.is_success())
}
