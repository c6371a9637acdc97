//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Event contracts: check them, and generate Rust types from them.
#[derive(Parser)]
#[command(name = "tidings", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
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
