//! A shop of modules joined by events: what Tidings is for, in one binary.
//!
//! `shop demo` shows it at work, `shop serve` runs it, `shop work` helps it, `shop load` drives it, `shop dead-letters` settles what failed for
//! good, and `shop manifest` prints who talks to whom. `shop provider` is the company that the shop pays and writes through.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program, and this is how it answers")]

mod analytics;
mod cli;
mod client;
mod contracts;
mod customers;
mod dead_letters;
mod demo;
mod http;
mod inventory;
mod load;
mod lone_provider;
mod manifest;
mod modules;
mod notifications;
mod orders;
mod payments;
mod percentile;
mod place;
mod provider;
mod provider_client;
mod serve;
mod settle;
mod shipping;
mod shop;
mod work;

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
        Task::Load(options) => load::run(options).await,
        Task::Work(options) => work::run(options).await.map(|()| ExitCode::SUCCESS),
        Task::Provider(options) => lone_provider::run(options).await.map(|()| ExitCode::SUCCESS),
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
