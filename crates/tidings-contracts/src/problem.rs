//! What is wrong, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One finding in a registry, with its place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file (or folder), below the registry's path as the caller gave it.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The bytes of the file that are to blame; empty if the file as a whole is.
    pub span: Range<usize>,
    /// JSON Pointer of the offending value; empty for the document itself.
    pub pointer: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do, in one line.
    pub help: String,
}

impl Problem {
    /// A problem with a file or folder as a whole.
    pub(crate) fn of_file(path: PathBuf, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            path,
            line: 1,
            column: 1,
            span: 0..0,
            pointer: String::new(),
            message: message.into(),
            help: help.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, help, .. } = self;
        write!(f, "{}:{line}:{column}: {message}", self.path.display())?;
        if help.is_empty() {
            return Ok(());
        }
        write!(f, "; {help}")
    }
}

/// Everything that is wrong with a registry, in the order of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Problems(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
