//! `cargo deny check`, as far as its data can be had: the advisory database is a git repository, and not
//! every network reaches it. What could not be checked is said.

use super::report::Outcome;
use crate::command::{self, Limit};
use crate::workspace::Workspace;
use anyhow::Result;
use std::time::Duration;

/// Known to read deny.toml as it is written.
const VERSION: &str = "0.20.2";
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);
const FETCH_LIMIT: Duration = Duration::from_secs(2 * 60);

pub(super) fn run(workspace: &Workspace, may_install: bool, limit: Limit) -> Result<Outcome> {
    if !is_installed(workspace) {
        if !may_install {
            return Ok(Outcome::NotRun(
                "cargo-deny is not installed; `cargo xtask test --deny` builds it".into(),
            ));
        }
        if let Some(why) = install(workspace)? {
            return Ok(Outcome::NotRun(why));
        }
    }
    if !check(workspace, &["check", "bans", "licenses", "sources"], limit)? {
        return Ok(Outcome::Failed("see what cargo-deny says above".into()));
    }
    advisories(workspace, limit)
}

fn is_installed(workspace: &Workspace) -> bool {
    command::succeeds(command::cargo(workspace).args(["deny", "--version"]))
}

/// The reason, if it failed. Unoptimised: that builds three times as fast, and runs fast enough.
fn install(workspace: &Workspace) -> Result<Option<String>> {
    let mut cargo = command::cargo(workspace);
    cargo
        .args(["install", "--locked", "--debug", "cargo-deny", "--version"])
        .arg(VERSION)
        // Its output belongs to the tool, not to the folder of this workspace.
        .env_remove("CARGO_TARGET_DIR");
    println!("$ {}", command::display(&cargo));
    let ended = command::stream(&mut cargo, Limit::After(INSTALL_LIMIT))?;
    Ok((!ended.is_success()).then(|| format!("cargo-deny could not be built: {ended}")))
}

fn check(workspace: &Workspace, what: &[&str], limit: Limit) -> Result<bool> {
    let mut cargo = command::cargo(workspace);
    cargo.args(["deny", "--log-level", "error"]).args(what);
    println!("$ {}", command::display(&cargo));
    Ok(command::stream(&mut cargo, limit)?.is_success())
}

/// Fetched first and checked without fetching, because the check's exit code does not tell a vulnerable
/// dependency from a missing network.
fn advisories(workspace: &Workspace, limit: Limit) -> Result<Outcome> {
    let mut fetch = command::cargo(workspace);
    fetch.args(["deny", "--log-level", "error", "fetch", "db"]);
    if !command::stream(&mut fetch, Limit::After(FETCH_LIMIT))?.is_success() {
        println!("The advisory database could not be fetched: known vulnerabilities were NOT checked.");
        return Ok(Outcome::PassedWithout(
            "advisories were NOT checked: their database could not be fetched".into(),
        ));
    }
    Ok(if check(workspace, &["--offline", "check", "advisories"], limit)? {
        Outcome::Passed
    } else {
        Outcome::Failed("an advisory concerns a dependency, see above".into())
    })
}
