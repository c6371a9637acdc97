//! Snapshots of PostgreSQL as values: what one sees of a transaction is arithmetic on its text.

use std::fmt;
use std::str::FromStr;

/// Which transactions had ended at some moment. As PostgreSQL writes it: `xmin:xmax:running,running`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    /// All transactions below this one had ended.
    pub(crate) xmin: u64,
    /// No transaction from this one on had ended.
    pub(crate) xmax: u64,
    /// Those between the two that were still running, ascending. PostgreSQL lists main transactions only, which is why
    /// rows carry their main transaction's id and not that of a savepoint in it.
    pub(crate) running: Vec<u64>,
}

impl Snapshot {
    /// Whether the transaction had ended; `pg_visible_in_snapshot` in SQL. It does not tell a commit from a rollback.
    pub(crate) fn sees(&self, xid: u64) -> bool {
        xid < self.xmin || (xid < self.xmax && self.running.binary_search(&xid).is_err())
    }
}

/// A text that is no snapshot.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no snapshot")]
pub(crate) struct NoSnapshot(String);

impl FromStr for Snapshot {
    type Err = NoSnapshot;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.split(':');
            let (xmin, xmax, list) = (parts.next()?, parts.next()?, parts.next()?);
            let running = list.split(',').filter(|one| !one.is_empty()).map(str::parse);
            let running = running.collect::<Result<Vec<u64>, _>>().ok()?;
            let snapshot = Self { xmin: xmin.parse().ok()?, xmax: xmax.parse().ok()?, running };
            parts.next().is_none().then_some(snapshot)
        };
        parse().ok_or_else(|| NoSnapshot(text.to_owned()))
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (index, xid) in self.running.iter().enumerate() {
            write!(f, "{}{xid}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
