//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tidings::FlowId;
use tidings::store::StoreUrl;

/// Event contracts and event flows: check contracts, generate Rust types from them, and see what one request caused.
#[derive(Parser)]
#[command(name = "tidings", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Look after the tables of an application's database.
    #[command(subcommand)]
    Db(DbCommand),
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

#[derive(Subcommand)]
pub(crate) enum DbCommand {
    /// Show which migrations are applied, Tidings' own and the modules'.
    ///
    /// It changes nothing. Exits with 1 if Tidings' own tables are not of the version that this program knows.
    Status(DbStatus),
    /// Bring Tidings' own tables up to date, as the start of an application does.
    ///
    /// Those of the modules are brought up to date by the application, which knows them. On PostgreSQL applications may run
    /// meanwhile; on SQLite the file must not be open.
    Migrate(DbMigrate),
}

#[derive(Args)]
pub(crate) struct DbStatus {
    #[command(flatten)]
    pub(crate) database: Database,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct DbMigrate {
    #[command(flatten)]
    pub(crate) database: Database,
}

/// The database of an application.
#[derive(Args)]
pub(crate) struct Database {
    /// The database of the application: a SQLite file, or `postgres://user:password@host/database`. By default the one that
    /// `tidings.toml` in this folder, or TIDINGS_STORE__PATH or TIDINGS_STORE__URL, names.
    #[arg(long = "database", value_name = "FILE OR URL")]
    pub(crate) place: Option<StoreUrl>,
    /// The schema of a PostgreSQL database that the application's tables are in.
    #[arg(long, value_name = "NAME")]
    pub(crate) schema: Option<String>,
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
    #[command(flatten)]
    pub(crate) database: Database,
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
