//! Holds a database against the acknowledgements.

mod checks;
mod facts;

use std::fmt;
use std::path::Path;

use super::acks::Acks;
use facts::Facts;

/// Which promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Acknowledged, and not there; or an effect that is missing.
    Lost,
    /// An effect that happened more than once.
    Doubled,
    /// An effect of something that did not happen.
    Unfounded,
    /// A consumer saw the events of one key in another order than the log's.
    Disordered,
    /// The log is not whole.
    Log,
    /// Receipts do not cover what was handled.
    Receipts,
    /// Work is left over.
    Unsettled,
    /// SQLite's own checks fail.
    Corrupt,
    /// A victim said what it must not.
    Words,
}

/// A message that its consumer cannot handle: it is expected to be dead, and later ones of its key to wait behind it.
pub(crate) struct Condemned<'a> {
    pub(crate) consumer: &'a str,
    pub(crate) account: &'a str,
    pub(crate) seq: i64,
}

/// What an audit found.
#[derive(Default)]
pub(crate) struct Audit {
    pub(crate) violations: Vec<(Kind, String)>,
    pub(crate) effects: u64,
    pub(crate) messages: u64,
    pub(crate) single_receipts: u64,
}

impl Audit {
    pub(crate) fn add(&mut self, kind: Kind, text: impl Into<String>) {
        self.violations.push((kind, text.into()));
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.violations.iter().any(|(found, _)| *found == kind)
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violations", self.violations.len())?;
        self.violations.iter().take(12).try_for_each(|(kind, text)| write!(f, "\n  {kind:?}: {text}"))
    }
}

/// Reads the database, in which nobody works now, and checks every promise.
pub(crate) fn audit(database: &Path, acks: &Acks, condemned: Option<&Condemned<'_>>) -> Audit {
    let mut found = Audit::default();
    match Facts::read(database, acks) {
        Ok(facts) => checks::run(&facts, acks, condemned, &mut found),
        Err(error) => found.add(Kind::Corrupt, format!("the database cannot be read: {error}")),
    }
    found
}
