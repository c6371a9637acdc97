//! Which suites run, and why the others do not.

use super::Options;
use super::suites::{SUITES, Suite};
use crate::workspace::Workspace;
use anyhow::Result;

pub(super) struct Selection {
    pub(super) suites: Vec<&'static Suite>,
    /// One sentence each, so that nothing is skipped in silence.
    pub(super) left_out: Vec<String>,
}

/// For the command line: the suite's own name, or an error that lists them all.
pub(super) fn parse_name(name: &str) -> Result<&'static str, String> {
    let mut names = SUITES.iter().map(|suite| suite.name);
    names
        .clone()
        .find(|known| *known == name)
        .ok_or_else(|| format!("the suites are {}", names.by_ref().collect::<Vec<_>>().join(", ")))
}

pub(super) fn select(workspace: &Workspace, options: &Options) -> Result<Selection> {
    let mut selection = Selection { suites: Vec::new(), left_out: Vec::new() };
    for suite in SUITES {
        let name = suite.name;
        let missing = suite.package.filter(|package| !workspace.has(package));
        let is_asked_for = options.only.contains(&name);
        match missing {
            Some(package) if is_asked_for => {
                anyhow::bail!("suite {name} needs the package {package}, which the workspace does not have")
            }
            _ if !options.only.is_empty() && !is_asked_for => {}
            Some(package) => selection.left_out.push(format!("{name} (the workspace has no {package})")),
            None if options.fast && suite.is_slow && !is_asked_for => {
                selection.left_out.push(format!("{name} (--fast)"));
            }
            None => selection.suites.push(suite),
        }
    }
    Ok(selection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Member;

    fn select_from(packages: &[&str], fast: bool, only: &[&'static str]) -> Result<Selection> {
        let members = packages.iter().map(|name| Member { name: (*name).into(), ..Member::default() });
        let workspace = Workspace { members: members.collect(), ..Workspace::default() };
        let only = only.to_vec();
        select(&workspace, &Options { fast, only, deny: false })
    }

    fn names(selection: &Selection) -> Vec<&str> {
        selection.suites.iter().map(|suite| suite.name).collect()
    }

    #[test]
    fn suites_without_a_package_wait_for_it_and_say_so() {
        let selection = select_from(&["shop"], false, &[]).unwrap();
        assert_eq!(names(&selection), ["tidy", "fmt", "clippy", "unit", "doc", "shop", "deny"]);
        assert_eq!(selection.left_out.len(), 2, "{:?}", selection.left_out);
    }

    #[test]
    fn fast_leaves_out_what_is_slow() {
        let packages = ["shop", "tidings-postgres", "tidings-kill-tests"];
        let selection = select_from(&packages, true, &[]).unwrap();
        assert_eq!(names(&selection), ["tidy", "fmt", "clippy", "unit", "doc"]);
        assert_eq!(selection.left_out.len(), 4, "{:?}", selection.left_out);
    }

    #[test]
    fn only_means_only() {
        let selection = select_from(&["shop"], false, &["fmt", "shop"]).unwrap();
        assert_eq!(names(&selection), ["fmt", "shop"]);
    }

    #[test]
    fn asking_for_what_is_not_there_is_an_error() {
        assert!(select_from(&[], false, &["kill"]).is_err());
        assert!(parse_name("lint").unwrap_err().contains("clippy"));
    }
}
