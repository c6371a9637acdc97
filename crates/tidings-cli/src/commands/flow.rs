//! `tidings flow`.

use std::io::{BufWriter, ErrorKind, Write, stderr, stdout};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use tidings::Config;
use tidings::flow::{Lines, find};
use tidings_sqlite::SqliteInspector;

use crate::Verdict;
use crate::arguments::Flow;

/// Prints the flow that an id belongs to, from the database of an application that may be running.
pub(crate) fn run(arguments: &Flow) -> anyhow::Result<Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot start the runtime that asks the database")?;
    let path = database(arguments)?;
    let inspector = runtime.block_on(SqliteInspector::open(&path)).map_err(|error| {
        let cause = anyhow::Error::new(error);
        match arguments.database {
            Some(_) => cause,
            None => anyhow!("{cause:#}\nhelp: {HELP}"),
        }
    })?;
    let database = path.display();
    let found = runtime.block_on(find(&inspector, arguments.id));
    let Some(flow) = found.with_context(|| format!("cannot read {database}"))? else {
        writeln!(
            stderr(),
            "nothing in {database} belongs to {}: retention may have taken it, or it is in another database; a command that \
             wrote and published nothing leaves no trace\nhelp: name another database with --database",
            arguments.id
        )?;
        return Ok(Verdict::Findings);
    };
    let mut out = BufWriter::new(stdout().lock());
    let written = if arguments.json {
        serde_json::to_writer_pretty(&mut out, &flow)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        let lines = if arguments.ascii { Lines::Ascii } else { Lines::Unicode };
        write!(out, "{}", flow.text(lines))
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough: `tidings flow .. | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Verdict::Clean),
        written => written.map(|()| Verdict::Clean).context("cannot write the flow"),
    }
}

const HELP: &str =
    "name the database with --database, or run this in the folder of the application's tidings.toml";

/// The database that was named, or else the one that the application in this folder would use.
fn database(arguments: &Flow) -> anyhow::Result<PathBuf> {
    match &arguments.database {
        Some(path) => Ok(path.clone()),
        None => Ok(Config::load()
            .map_err(|error| anyhow!("{:#}\nhelp: {HELP}", anyhow::Error::new(error)))?
            .store
            .path),
    }
}
