//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A shop of three modules joined by events.
#[derive(Debug, Parser)]
#[command(name = "shop", version, arg_required_else_help = true)]
#[command(after_help = "RUST_LOG says what is logged to stderr, for example RUST_LOG=tidings=debug.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Place orders over HTTP on a fresh database, let them settle, and show what happened.
    ///
    /// Among the orders are some whose payment is declined, some whose goods are out of stock until a delivery comes
    /// halfway, and one that a listener cannot handle. The exit code is 0 if money, goods and orders agree at the end.
    Demo(DemoOptions),
    /// Serve commands and queries over HTTP until Ctrl-C.
    Serve(ServeOptions),
    /// List the dead letters of a database that is not being served, and retry or discard them.
    DeadLetters(DeadLettersOptions),
    /// Print as JSON who publishes, reads, sends and answers what.
    Manifest,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// How many orders to place
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(40..=100_000))]
    pub(crate) orders: u32,
    /// How many to place at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) concurrency: u16,
    /// The database file; by default a new one in the folder for temporary files. It is kept
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Replace the file if there is one
    #[arg(long, requires = "file")]
    pub(crate) force: bool,
    /// How many seconds the orders may take to settle
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) settle_seconds: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// The port on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The database file, instead of `store.path` of tidings.toml
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Start although work is pending for handlers that no longer exist; it is listed and kept
    #[arg(long)]
    pub(crate) allow_orphans: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeadLettersOptions {
    /// The database file
    #[arg(long)]
    pub(crate) file: PathBuf,
    /// Try them again, with all their attempts before them
    #[arg(long, conflicts_with = "discard")]
    pub(crate) retry: bool,
    /// Give them up for a reason, which is kept; what waits behind them goes on
    #[arg(long, value_name = "REASON")]
    pub(crate) discard: Option<String>,
}

impl ServeOptions {
    /// Loopback only: whoever can reach the shop can command it.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Task {
    /// The demo's poison order fails by design, and its report says so; the log need not.
    pub(crate) fn default_log_filter(&self) -> &'static str {
        match self {
            Self::Demo(_) => "error,tidings=off",
            Self::Serve(_) | Self::DeadLetters(_) | Self::Manifest => "warn",
        }
    }
}
