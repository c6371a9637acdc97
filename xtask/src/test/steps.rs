//! Doing what a suite's entry says.

use super::deny;
use super::report::Outcome;
use super::suites::{LEFT_OUT_OF_SWEEPS, Step, Suite};
use crate::command::{self, Limit};
use crate::services::{Kind, Lease};
use crate::tidy;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where suites run: the workspace, and the services started so far. They stay up from suite to suite, and go
/// when the bench goes.
pub(super) struct Bench<'a> {
    workspace: &'a Workspace,
    is_unattended: bool,
    may_install_tools: bool,
    services: Vec<Lease>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(workspace: &'a Workspace, is_unattended: bool, may_install_tools: bool) -> Self {
        Self { workspace, is_unattended, may_install_tools, services: Vec::new() }
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
        let limit = if self.is_unattended {
            Limit::After(Duration::from_secs(suite.limit_minutes * 60))
        } else {
            Limit::None
        };
        let arguments = match step {
            Step::Tidy => {
                let is_clean = tidy::run(self.workspace)?;
                return Ok(if is_clean {
                    Outcome::Passed
                } else {
                    Outcome::Failed("see the findings above".into())
                });
            }
            Step::Deny => return deny::run(self.workspace, self.may_install_tools, limit),
            Step::Cargo(arguments) => arguments.iter().map(|word| (*word).to_owned()).collect(),
            Step::CargoSweep(arguments) => sweep(self.workspace, arguments),
        };
        let mut cargo = command::cargo(self.workspace);
        cargo.args(arguments);
        for (variable, value) in environment {
            cargo.env(variable, value);
        }
        println!("$ {}", command::display(&cargo));
        let ended = command::stream(&mut cargo, limit)?;
        Ok(if ended.is_success() {
            Outcome::Passed
        } else {
            Outcome::Failed(format!("`{}`: {ended}", command::display(&cargo)))
        })
    }
}

/// Only members that exist are excluded: cargo warns about the others.
fn sweep(workspace: &Workspace, arguments: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    words.push("--workspace".into());
    for package in LEFT_OUT_OF_SWEEPS {
        if workspace.has(package) {
            words.extend(["--exclude".to_owned(), (*package).to_owned()]);
        }
    }
    words
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
