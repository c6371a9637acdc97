//! What a crate brings along, through all its dependencies.

use super::Finding;
use crate::command;
use crate::workspace::{Member, Workspace};
use anyhow::Result;

/// A crate, what must not be in its closure, and why. A name also stands for its family: `sqlx` for
/// `sqlx-core`.
const KEPT_OUT: &[(&str, &[&str], &str)] = &[
    ("tidings-contracts", HEAVY, "floor 0 has no runtime, no SQL, no HTTP"),
    ("tidings-core", HEAVY, "floor 0 has no runtime, no SQL, no HTTP"),
    ("tidings-macros", HEAVY, "floor 0 has no runtime, no SQL, no HTTP"),
    ("tidings-lens", DATABASES, "the instruments know no database"),
];

const HEAVY: &[&str] = &["tokio", "rusqlite", "sqlx", "hyper", "axum", "reqwest"];

const DATABASES: &[&str] =
    &["rusqlite", "libsqlite3-sys", "sqlx", "tokio-postgres", "tidings-sqlite", "tidings-postgres"];

pub(super) fn heavy_crates_stay_upstairs(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for member in &workspace.members {
        for (_, kept_out, why) in KEPT_OUT.iter().filter(|(name, ..)| *name == member.name) {
            let closure = closure(workspace, &member.name)?;
            findings.extend(intruders(member, &closure, kept_out, why));
        }
    }
    Ok(findings)
}

/// `cargo tree` and not `cargo metadata`: metadata unites the features of all members, so that a crate would
/// answer for a dependency that only its neighbour switched on. All of its own features count.
fn closure(workspace: &Workspace, package: &str) -> Result<Vec<String>> {
    let mut tree = command::cargo(workspace);
    tree.args(["tree", "--package", package, "--all-features"])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let text = command::capture_text(&mut tree)?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn intruders(member: &Member, closure: &[String], kept_out: &[&str], why: &str) -> Vec<Finding> {
    let mut names: Vec<&String> =
        closure.iter().filter(|name| kept_out.iter().any(|family| is_of(family, name))).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let message = format!(
                "`{}` brings along `{name}`, but {why}; `cargo tree -p {} --all-features -e normal -i {name}` shows \
                 the way it came: cut it there, by a feature or by a port",
                member.name, member.name
            );
            Finding::new(member.manifest(), message)
        })
        .collect()
}

fn is_of(family: &str, name: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let cases = [
            ("tokio", "tokio", true),
            ("sqlx", "sqlx-core", true),
            ("hyper", "hyper-util", true),
            ("axum", "axiom", false),
            ("tokio", "tokiox", false),
        ];
        for (family, name, expected) in cases {
            assert_eq!(is_of(family, name), expected, "{family} {name}");
        }
    }

    #[test]
    fn an_intruder_is_named_once_with_the_way_to_find_it() {
        let member =
            Member { name: "tidings-core".into(), folder: "crates/tidings-core".into(), ..Member::default() };
        let closure = ["serde", "tokio", "uuid", "tokio"].map(str::to_owned);
        let findings = intruders(&member, &closure, HEAVY, "floor 0 is light");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "crates/tidings-core/Cargo.toml");
        assert!(findings[0].message.contains("-i tokio"));
    }

    #[test]
    fn every_crate_with_a_ban_stands_on_a_floor() {
        for (name, ..) in KEPT_OUT {
            assert!(super::super::floors::floor_of(name).is_some(), "{name}");
        }
    }
}
