//! Figures of Tidings, each beside a hand-written floor: same driver, same durability, same folder, interleaved.
//!
//! `cargo xtask bench`, or `cargo run --release -p tidings-benches -- --help`.

// Printing is what a report is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod floor;
mod load;
mod machine;
mod measure;
mod orders;
#[cfg(feature = "peers")]
mod peer;
mod report;
mod scenarios;
mod work;

use clap::Parser;

use arguments::Arguments;
use machine::Machine;
use report::Report;

#[tokio::main]
async fn main() -> tidings::Result<()> {
    let arguments = Arguments::parse();
    let bench = arguments.bench()?;
    let before = Machine::look(bench.folder())?;
    let figures = scenarios::run(&bench).await?;
    let report = Report { before, load_after: machine::load_averages(), figures };
    println!("{report}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}
