//! A shop of three modules joined by events: what Tidings is for, in one binary.
//!
//! `shop demo` shows it at work, `shop serve` runs it, `shop dead-letters` settles what failed for good, and
//! `shop manifest` prints who talks to whom.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program, and this is how it answers")]

mod cli;
mod contracts;
mod dead_letters;
mod demo;
mod http;
mod inventory;
mod manifest;
mod modules;
mod orders;
mod payments;
mod serve;
mod settle;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Task};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.task.default_log_filter());
    let done = match cli.task {
        Task::Demo(options) => demo::run(options).await,
        Task::Serve(options) => serve::run(options).await.map(|()| ExitCode::SUCCESS),
        Task::DeadLetters(options) => dead_letters::run(options).await.map(|()| ExitCode::SUCCESS),
        Task::Manifest => manifest::print().await.map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("shop: {error}");
        ExitCode::FAILURE
    })
}

/// Data goes to stdout, talk to stderr. `RUST_LOG` says what is talked about.
fn log_to_stderr(default: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).init();
}
