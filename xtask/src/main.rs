//! The chores of this repository. `cargo xtask --help` lists them.
//!
//! Exit codes: 0 clean, 1 something was found or failed, 2 the chore itself could not be done.

// Printing is what a chore is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod command;
mod services;
mod test;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of this repository", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every check and test; what they need is set up, and taken down again
    Test(test::Options),
    /// Check the layout: floors, manifests, machine paths
    Tidy,
    /// Start, stop or find the services that tests talk to
    #[command(subcommand)]
    Services(services::Action),
    /// Run the benchmarks; arguments after `--` go to them
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.chore) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether the chore found everything in order.
fn run(chore: Chore) -> anyhow::Result<bool> {
    let workspace = Workspace::load()?;
    match chore {
        Chore::Test(options) => test::run(&workspace, &options),
        Chore::Tidy => tidy::run(&workspace),
        Chore::Services(action) => services::run(&workspace, action).map(|()| true),
        Chore::Bench(options) => bench::run(&workspace, &options),
    }
}
