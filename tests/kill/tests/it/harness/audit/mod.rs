//! Holds a database against the acknowledgements, and against the ledger of the provider.

mod checks;
mod facts;
mod jobs;
mod money;

use std::fmt;

use tidings_kill_tests::plan::{Order, Place};

use super::acks::Acks;
use super::figures::JobFigures;
use super::provider::Ledger;
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
    /// What is on record of a job's attempts contradicts itself.
    Attempts,
    /// The provider was asked for something else than what is on record.
    Money,
    /// Work is left over.
    Unsettled,
    /// The database's own checks fail, or it cannot be read.
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

/// What is not as it should be, and is expected.
#[derive(Default)]
pub(crate) struct Expected<'a> {
    pub(crate) condemned: Option<Condemned<'a>>,
    /// An order whose charge ended the process until it was dead.
    pub(crate) lethal: Option<&'a Order>,
}

/// What an audit found.
#[derive(Default)]
pub(crate) struct Audit {
    pub(crate) violations: Vec<(Kind, String)>,
    pub(crate) effects: u64,
    pub(crate) messages: u64,
    pub(crate) single_receipts: u64,
    pub(crate) jobs: JobFigures,
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
pub(crate) fn audit(place: &Place, acks: &Acks, ledger: &Ledger, expected: &Expected<'_>) -> Audit {
    let mut found = Audit::default();
    match Facts::read(place, acks) {
        Ok(facts) => {
            checks::run(&facts, acks, expected.condemned.as_ref(), &mut found);
            let orders = money::Orders { facts: &facts, acks, ledger, lethal: expected.lethal };
            jobs::run(&orders, &mut found);
            money::run(&orders, &mut found);
        }
        Err(error) => found.add(Kind::Corrupt, format!("the database cannot be read: {error}")),
    }
    found
}
