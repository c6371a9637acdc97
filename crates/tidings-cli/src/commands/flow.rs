//! `tidings flow`.

use std::io::{BufWriter, ErrorKind, Write, stderr, stdout};

use anyhow::Context;
use tidings::flow::{Lines, find};

use crate::Verdict;
use crate::arguments::Flow;
use crate::database::{self, Database};

/// Prints the flow that an id belongs to, from the database of an application that may be running.
pub(crate) fn run(arguments: &Flow) -> anyhow::Result<Verdict> {
    let runtime = database::runtime()?;
    let database = Database::named(&arguments.database)?;
    let name = database.to_string();
    let found = runtime.block_on(async {
        let inspector = database.inspector().await.map_err(|error| database.explain(error))?;
        find(inspector.as_ref(), arguments.id).await.with_context(|| format!("cannot read {name}"))
    })?;
    let Some(flow) = found else {
        writeln!(
            stderr(),
            "nothing in {name} belongs to {}: retention may have taken it, or it is in another database; a command that \
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
