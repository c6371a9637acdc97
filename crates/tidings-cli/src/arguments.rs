//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tidings::FlowId;

/// Event contracts and event flows: check contracts, generate Rust types from them, and see what one request caused.
#[derive(Parser)]
#[command(name = "tidings", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show everything that one root caused, as a tree: with times, attempts and outcomes.
    ///
    /// It reads the database of an application that may be running, and changes nothing. Payloads are not shown, and keys
    /// are masked. Exits with 1 if nothing of that id is on record.
    Flow(Flow),
    /// Write the Rust types of all contracts into a file.
    Gen(Gen),
    /// Look after contracts.
    #[command(subcommand)]
    Schema(SchemaCommand),
}

#[derive(Subcommand)]
pub(crate) enum SchemaCommand {
    /// Report every problem of the contracts.
    Lint(Lint),
}

/// The folder of the contracts.
#[derive(Args)]
pub(crate) struct Schemas {
    /// The folder of the contracts.
    #[arg(long = "schemas", value_name = "FOLDER", default_value = "schemas")]
    pub(crate) folder: PathBuf,
}

#[derive(Args)]
pub(crate) struct Flow {
    /// The id of an event, a command, a job or a flow; or a trace id, or a `traceparent`.
    #[arg(value_name = "ID")]
    pub(crate) id: FlowId,
    /// The SQLite file of the application. By default the one that `tidings.toml` in this folder, or TIDINGS_STORE__PATH,
    /// names.
    #[arg(long, value_name = "FILE")]
    pub(crate) database: Option<PathBuf>,
    /// Print JSON instead of a drawing.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw with ASCII characters only.
    #[arg(long, conflicts_with = "json")]
    pub(crate) ascii: bool,
}

#[derive(Args)]
pub(crate) struct Gen {
    #[command(flatten)]
    pub(crate) schemas: Schemas,
    /// The Rust file to write.
    #[arg(long, value_name = "FILE", default_value = "src/contracts.rs")]
    pub(crate) out: PathBuf,
    /// Write nothing; exit with 1 if the file is not what would be written.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Args)]
pub(crate) struct Lint {
    #[command(flatten)]
    pub(crate) schemas: Schemas,
}
