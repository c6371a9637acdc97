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
mod report;
mod scenarios;

use anyhow::Context;
use clap::Parser;

use arguments::Arguments;
use machine::Machine;
use report::Report;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let bench = arguments.bench()?;
    let before = Machine::look(bench.folder())?;
    // On the runtime's own threads, as an application's tasks are.
    let figures = tokio::spawn(async move { scenarios::run(&bench).await }).await??;
    let report = Report { before, load_after: machine::load_averages(), figures };
    println!("{report}");
    if let Some(file) = &arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
