//! Doing what a suite's entry says.

use super::deny;
use super::report::Outcome;
use super::suites::{LEFT_OUT_OF_SWEEPS, Step, Suite};
use crate::command::{self, Limit};
use crate::services::{self, Kind, Lease};
use crate::tidy;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// With nobody watching: below what CI allows, so that the report still comes.
const RUN_LIMIT: Duration = Duration::from_secs(80 * 60);

/// Where suites run: the workspace, and the services started so far. They stay up from suite to suite, and go
/// when the bench goes.
pub(super) struct Bench<'a> {
    workspace: &'a Workspace,
    is_unattended: bool,
    may_install_tools: bool,
    services: Vec<Lease>,
    begun: Instant,
}

impl<'a> Bench<'a> {
    pub(super) fn new(workspace: &'a Workspace, is_unattended: bool, may_install_tools: bool) -> Self {
        Self { workspace, is_unattended, may_install_tools, services: Vec::new(), begun: Instant::now() }
    }

    pub(super) fn run(&mut self, suite: &Suite) -> Result<Outcome> {
        let temp = TempFolder::create(self.workspace, suite.name)?;
        let mut environment = environment(suite, &temp.path);
        if let Some(kind) = suite.service {
            match self.service(kind) {
                Ok(url) => environment.push((kind.url_variable(), url)),
                Err(error) => return Ok(Outcome::NotRun(format!("{error:#}"))),
            }
        }
        let mut outcome = Outcome::Passed;
        for (program, package) in suite.programs {
            if let Err(error) = services::need_program(program, package) {
                outcome = Outcome::PassedWithout(format!("{error:#}"));
            }
        }
        for step in suite.steps {
            match self.step(step, suite, &environment)? {
                Outcome::Passed => {}
                noted @ Outcome::PassedWithout(_) => outcome = noted,
                stopped => return Ok(stopped),
            }
        }
        Ok(outcome)
    }

    fn service(&mut self, kind: Kind) -> Result<String> {
        if let Some(lease) = self.services.iter().find(|lease| lease.kind() == kind) {
            return Ok(lease.url().to_owned());
        }
        let lease = Lease::obtain(kind, self.workspace)?;
        let url = lease.url().to_owned();
        self.services.push(lease);
        Ok(url)
    }

    fn step(&self, step: &Step, suite: &Suite, environment: &[(&str, String)]) -> Result<Outcome> {
        let Some(limit) = self.limit(suite) else {
            let minutes = RUN_LIMIT.as_secs() / 60;
            return Ok(Outcome::NotRun(format!("the {minutes} minutes of the whole run are used up")));
        };
        match step {
            Step::Tidy if tidy::run(self.workspace)? => Ok(Outcome::Passed),
            Step::Tidy => Ok(Outcome::Failed("see the findings above".into())),
            Step::Deny => deny::run(self.workspace, self.may_install_tools, limit),
            Step::Cargo(arguments) => self.cargo(arguments, &[], environment, limit),
            Step::CargoSweep(arguments) => {
                self.cargo(arguments, &members_in_sweeps(self.workspace), environment, limit)
            }
        }
    }

    fn cargo(
        &self,
        arguments: &[&str],
        more: &[&str],
        environment: &[(&str, String)],
        limit: Limit,
    ) -> Result<Outcome> {
        let mut cargo = command::cargo(self.workspace);
        cargo.args(arguments).args(more);
        for (variable, value) in environment {
            cargo.env(variable, value);
        }
        let typed = command::display(&cargo);
        println!("$ {typed}");
        let ended = command::stream(&mut cargo, limit)?;
        let failure = || Outcome::Failed(format!("`{typed}`: {ended}"));
        Ok(if ended.is_success() { Outcome::Passed } else { failure() })
    }

    /// `None` when no time is left.
    fn limit(&self, suite: &Suite) -> Option<Limit> {
        if !self.is_unattended {
            return Some(Limit::None);
        }
        let left = RUN_LIMIT.checked_sub(self.begun.elapsed())?;
        let own = Duration::from_secs(suite.limit_minutes * 60);
        Some(Limit::After(own.min(left)))
    }
}

/// Only members that exist are excluded: cargo warns about the others.
fn members_in_sweeps(workspace: &Workspace) -> Vec<&'static str> {
    let excluded = LEFT_OUT_OF_SWEEPS.iter().copied().filter(|package| workspace.has(package));
    std::iter::once("--workspace").chain(excluded.flat_map(|package| ["--exclude", package])).collect()
}

fn environment(suite: &Suite, temp: &Path) -> Vec<(&'static str, String)> {
    suite
        .environment
        .iter()
        .filter(|(variable, _)| std::env::var_os(variable).is_none())
        .map(|(variable, value)| (*variable, value.replace("{temp}", &temp.to_string_lossy())))
        .collect()
}

/// Below the target folder, so that it is ignored by git and swept by `cargo clean`.
struct TempFolder {
    path: PathBuf,
}

impl TempFolder {
    fn create(workspace: &Workspace, suite: &str) -> Result<Self> {
        let name = format!("{suite}-{}", std::process::id());
        let path = workspace.target.join("xtask").join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // Left behind it harms nobody: the next one has another name.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Member;

    #[test]
    fn sweeps_leave_out_what_has_its_own_suite_and_exists() {
        let member = Member { name: "tidings-postgres".into(), ..Member::default() };
        let workspace = Workspace { members: vec![member], ..Workspace::default() };
        assert_eq!(members_in_sweeps(&workspace), ["--workspace", "--exclude", "tidings-postgres"]);
    }

    #[test]
    fn a_limit_is_for_when_nobody_watches_and_ends_before_the_run_does() {
        let workspace = Workspace::default();
        let suite = &crate::test::suites::SUITES[0];
        let mut bench = Bench::new(&workspace, true, false);
        let own = Duration::from_secs(suite.limit_minutes * 60);
        assert!(matches!(bench.limit(suite), Some(Limit::After(limit)) if limit == own));
        bench.is_unattended = false;
        assert!(matches!(bench.limit(suite), Some(Limit::None)));
    }
}
