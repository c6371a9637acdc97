//! `tidings db`.

use std::io::{Write, stderr, stdout};

use serde_json::json;

use crate::Verdict;
use crate::arguments::{DbMigrate, DbStatus};
use crate::database::{self, Database, Status};

/// `tidings db status`: what is applied is the data.
pub(crate) fn status(arguments: &DbStatus) -> anyhow::Result<Verdict> {
    let database = Database::named(&arguments.database)?;
    let status = database::runtime()?.block_on(database.status()).map_err(|error| database.explain(error))?;
    if arguments.json {
        writeln!(stdout(), "{:#}", as_json(&status))?;
    } else {
        list(&status, &mut stdout().lock())?;
    }
    writeln!(stderr(), "{}: {}", status.what, verdict(&status))?;
    Ok(if status.version == status.known { Verdict::Clean } else { Verdict::Findings })
}

/// `tidings db migrate`: says what was done.
pub(crate) fn migrate(arguments: &DbMigrate) -> anyhow::Result<Verdict> {
    let database = Database::named(&arguments.database)?;
    let runtime = database::runtime()?;
    let before = runtime.block_on(database.status()).map_err(|error| database.explain(error))?;
    let after = runtime.block_on(database.migrate()).map_err(|error| database.explain(error))?;
    for (version, name) in &before.missing {
        writeln!(stdout(), "applied {version} {name}")?;
    }
    writeln!(stderr(), "{}: {}", after.what, verdict(&after))?;
    Ok(Verdict::Clean)
}

fn verdict(status: &Status) -> String {
    let Status { version, known, .. } = status;
    match version.cmp(known) {
        std::cmp::Ordering::Equal => format!("the tables of Tidings are up to date (version {known})"),
        std::cmp::Ordering::Less if *version == 0 => {
            format!(
                "there are no tables of Tidings (this program knows version {known})\nhelp: run `tidings db migrate`"
            )
        }
        std::cmp::Ordering::Less => {
            format!(
                "the tables of Tidings are of version {version}, and this program knows {known}\nhelp: run `tidings db migrate`"
            )
        }
        std::cmp::Ordering::Greater => format!(
            "the tables of Tidings are of version {version}, and this program knows {known}\nhelp: use a newer `tidings`"
        ),
    }
}

fn list(status: &Status, out: &mut impl Write) -> std::io::Result<()> {
    let mut module = "";
    for applied in &status.applied {
        if applied.module != module {
            module = &applied.module;
            writeln!(out, "{module}")?;
        }
        writeln!(out, "  {} {}  {}", applied.version, applied.name, applied.at)?;
    }
    if !status.missing.is_empty() {
        writeln!(out, "missing of tidings")?;
    }
    for (version, name) in &status.missing {
        writeln!(out, "  {version} {name}")?;
    }
    Ok(())
}

fn as_json(status: &Status) -> serde_json::Value {
    let migration = |version: i64, name: &str| json!({ "version": version, "name": name });
    let applied: Vec<_> = status
        .applied
        .iter()
        .map(|of| json!({ "module": of.module, "version": of.version, "name": of.name, "applied_at": of.at }))
        .collect();
    let missing: Vec<_> = status.missing.iter().map(|(version, name)| migration(*version, name)).collect();
    json!({
        "database": status.what,
        "version": status.version,
        "known": status.known,
        "applied": applied,
        "missing": missing,
    })
}
