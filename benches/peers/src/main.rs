//! Other people's job queues and outboxes, the bare SQL, and Tidings, side by side on one PostgreSQL: same payload, same
//! durability, each as its authors would set it up.
//!
//! `cargo run --release -p tidings-peers -- --help`; what is measured and how is in the README beside this crate.

// Printing is what a report is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod figure;
mod machine;
mod postgres;
mod prepare;
mod program;
mod report;
mod roster;
mod run;
mod scenarios;
mod settings;

use clap::Parser as _;
use tidings_peers_contract::Result;

use arguments::Arguments;
use machine::Machine;
use postgres::Server;
use report::Report;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let places = prepare::Places::find()?;
    let roster = prepare::all(&places, &arguments.roster()?).await?;
    let server = Server::obtain(&places).await?;
    let before = Machine::look(&server, &places.state).await?;
    let measured = run::all(&server, &roster, &arguments).await;
    let report = Report { before, load_after: machine::load_averages(), measured: measured? };
    println!("{report}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
    }
    server.leave(&places).await
}
