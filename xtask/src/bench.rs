//! `cargo xtask bench`: the benchmarks, always built with optimisation.

use crate::command::{self, Limit};
use crate::workspace::Workspace;

const PACKAGE: &str = "tidings-benches";
/// Other people's queues on PostgreSQL, in several languages; it builds them itself.
const PEERS: &str = "tidings-peers";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Job queues and outboxes of other people on one PostgreSQL, instead
    #[arg(long)]
    peers: bool,
    /// Passed on to the benchmarks as they are
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<bool> {
    let package = if options.peers { PEERS } else { PACKAGE };
    anyhow::ensure!(workspace.has(package), "the workspace has no package {package}");
    let mut cargo = command::cargo(workspace);
    cargo.args(["run", "--release", "--package", package]);
    if !options.peers {
        cargo.args(["--features", "peers"]);
    }
    cargo.arg("--").args(&options.arguments);
    Ok(command::stream(&mut cargo, Limit::None)?.is_success())
}
