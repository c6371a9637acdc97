//! Rules about the text of the repository's files.

use super::Finding;
use crate::command;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::process::Command;

const LONG_FILE_LINES: usize = 600;

/// First folders of paths that are true on one machine only. Kept as words, so that this file passes its own
/// rule.
const MACHINE_FOLDERS: &[&[&str]] = &[&["root"], &["work"], &["tmp", "target"]];

/// Where a lint that forbids printing may be lifted.
const MAY_PRINT: &[&str] = &["crates/tidings-cli/", "xtask/", "examples/", "benches/", "tests/"];

/// A text file of the repository; its path is relative to the root.
pub(super) struct SourceFile {
    pub(super) path: String,
    pub(super) text: String,
}

/// What git tracks, and what it would take in. Files that are not text are left out.
pub(super) fn read(workspace: &Workspace) -> Result<Vec<SourceFile>> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = command::capture_text(&mut git).context("cannot list the repository's files")?;
    let mut files = Vec::new();
    for path in listed.split_terminator('\0') {
        let full_path = workspace.root.join(path);
        // Deleted and not yet committed, or a link to a folder.
        if !full_path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full_path).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            let path = path.to_owned();
            files.push(SourceFile { path, text });
        }
    }
    Ok(files)
}

pub(super) fn no_machine_paths(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(path) = machine_path(line) {
                findings.push(Finding::new(
                    format!("{}:{}", file.path, number + 1),
                    format!("`{path}` exists on one machine only; make it relative, or ask the environment"),
                ));
            }
        }
    }
    findings
}

/// The first absolute path into a machine folder. In `example.org/<folder>/` it is part of an address.
fn machine_path(line: &str) -> Option<String> {
    MACHINE_FOLDERS.iter().find_map(|folders| {
        let path = format!("/{}", folders.join("/"));
        let is_found = line.match_indices(&path).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + path.len()..].chars().next();
            let starts_a_path = before.is_none_or(|c| !(c.is_alphanumeric() || "-_./}".contains(c)));
            // Of two folders the second may be a beginning only; a single one in a sentence is just a word.
            let goes_on = after == Some('/') || folders.len() > 1;
            starts_a_path && goes_on
        });
        is_found.then_some(path)
    })
}

pub(super) fn printing_only_at_the_edge(files: &[SourceFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .filter(|file| !MAY_PRINT.iter().any(|place| file.path.starts_with(place)))
        .filter(|file| lifts_the_print_lint(&file.text))
        .map(|file| {
            Finding::new(
                &file.path,
                "lifts the lint against printing, which only the tools may; return the text, or use `tracing`",
            )
        })
        .collect()
}

fn lifts_the_print_lint(text: &str) -> bool {
    ["clippy::print_stdout", "clippy::print_stderr"].iter().any(|lint| text.contains(lint))
}

/// A question, not an error: is it one honest whole?
pub(super) fn long_files(files: &[SourceFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > LONG_FILE_LINES)
                .then(|| Finding::new(&file.path, format!("{lines} lines; is it still one thing?")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> [SourceFile; 1] {
        let (path, text) = (path.to_owned(), text.to_owned());
        [SourceFile { path, text }]
    }

    #[test]
    fn machine_paths() {
        let (root, work, target) = ("root", "work", "target");
        let cases = [
            (format!("cd /{work}/tidings"), true),
            (format!("\"/{root}/.cargo\""), true),
            (format!("DIR=/tmp/{target}-mine"), true),
            (format!("see https://example.org/{work}/list"), false),
            (format!("as /{root} of the tree"), false),
            (format!("./{work}/list and a/{root}/b"), false),
            ("target/services/postgres".to_owned(), false),
        ];
        for (line, expected) in cases {
            assert_eq!(machine_path(&line).is_some(), expected, "{line}");
        }
    }

    #[test]
    fn a_machine_path_is_shown_with_its_line() {
        let text = format!("first\nlook in /{}/tidings\n", "work");
        let findings = no_machine_paths(&file("README.md", &text));
        assert_eq!(findings[0].place, "README.md:2");
    }

    #[test]
    fn printing() {
        let text = "#![allow(clippy::print_stdout)]";
        let cases = [
            ("crates/tidings-cli/src/main.rs", true),
            ("xtask/src/main.rs", true),
            ("examples/shop/src/main.rs", true),
            ("crates/tidings-core/src/lib.rs", false),
        ];
        for (path, allowed) in cases {
            let findings = printing_only_at_the_edge(&file(path, text));
            assert_eq!(findings.is_empty(), allowed, "{path}");
        }
    }

    #[test]
    fn long_files_are_counted_in_lines_of_rust() {
        let text = "\n".repeat(LONG_FILE_LINES + 1);
        assert_eq!(long_files(&file("a.rs", &text)).len(), 1);
        assert_eq!(long_files(&file("a.sql", &text)).len(), 0);
        assert_eq!(long_files(&file("a.rs", "fn main() {}")).len(), 0);
    }
}
