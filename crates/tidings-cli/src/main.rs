//! The command `tidings`.
//!
//! Data goes to stdout, talk to stderr. Exit codes: 0 clean, 1 findings (or nothing found), 2 usage or internal error.

mod arguments;
mod commands;
mod database;
mod report;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, DbCommand, SchemaCommand};

/// What a command found, when it could do its work.
enum Verdict {
    Clean,
    Findings,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let verdict = match arguments.command {
        Command::Db(DbCommand::Status(arguments)) => commands::db::status(&arguments),
        Command::Db(DbCommand::Migrate(arguments)) => commands::db::migrate(&arguments),
        Command::Flow(arguments) => commands::flow::run(&arguments),
        Command::Gen(arguments) => commands::generate::run(&arguments),
        Command::Schema(SchemaCommand::Lint(arguments)) => commands::schema::lint(&arguments),
    };
    match verdict {
        Ok(Verdict::Clean) => ExitCode::SUCCESS,
        Ok(Verdict::Findings) => ExitCode::from(1),
        Err(error) => {
            // Nobody is left to tell if stderr is gone too.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}
