//! `tidings schema`.

use std::io::{Write, stderr, stdout};

use crate::Verdict;
use crate::arguments::Lint;
use crate::commands::load;
use crate::report;

/// `tidings schema lint`: the problems are the data.
pub(crate) fn lint(arguments: &Lint) -> anyhow::Result<Verdict> {
    let loaded = load(&arguments.schemas)?;
    if loaded.problems.is_empty() {
        let contracts = loaded.registry.contracts().count();
        let events = loaded.registry.events().count();
        writeln!(
            stderr(),
            "{}: no problems ({}, {})",
            arguments.schemas.folder.display(),
            report::count(events, "event"),
            report::count(contracts, "contract")
        )?;
        return Ok(Verdict::Clean);
    }
    report::problems(&loaded, &mut stdout().lock())?;
    writeln!(stderr(), "{}", report::count(loaded.problems.len(), "problem"))?;
    Ok(Verdict::Findings)
}
