//! Cursors as windows between two snapshots.
//!
//! Two things go wrong with simpler cursors:
//!
//! - A *position* is drawn when a row is written, and rows are committed in another order. A reader that stands at
//!   position 12 never comes back for 11, whose transaction took longer.
//! - A *transaction id* is drawn at a transaction's first write. A publisher may begin with id 9, then see A, which
//!   transaction 10 published and committed, and then publish B: by transaction ids B comes before its cause A.
//!   Reading only below the oldest open transaction does not mend that, and makes every reader wait for it.
//!
//! So a cursor holds two snapshots, `lo` and `hi`, and a position, and has passed what `lo` sees, and of what `hi`
//! sees the rows up to the position. A reader takes from the window between the two by position; when nothing is
//! left in it, `hi` becomes `lo` and the present becomes `hi`. Every row becomes visible between exactly two
//! consecutive snapshots, so none is skipped and none comes twice. Order is causal: who publishes B after it saw A does so
//! after A's commit, so every snapshot that sees B sees A. Either A is in an earlier window, or both are in the same one,
//! where A has the lower position because B's was drawn after A was committed.

use std::fmt;

use tidings_core::envelope::Cursor;
use tidings_core::store::StoreError;

use crate::snapshot::Snapshot;

/// A cursor; its text is `lo~hi~position`. The store carries snapshots about as the texts that PostgreSQL gave; who
/// has to look into them (re-basing, the model in `tests/model`) has them parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window<S = String> {
    /// Everything this snapshot sees has been passed.
    pub(crate) lo: S,
    /// The window's other end.
    pub(crate) hi: S,
    /// How far the reader has come between the two.
    pub(crate) position: i64,
}

/// A snapshot that sees nothing: no transaction has an id below 1.
const NOTHING: &str = "1:1:";

/// The algorithm. What is left to the caller is the order of things: the snapshot for [`Window::up_to`] is taken *before*
/// the rows are read, and [`Window::after`] becomes the cursor in the transaction of what was made of them.
impl<S: Clone + PartialEq> Window<S> {
    /// Behind everything that `snapshot` sees.
    pub(crate) fn behind(snapshot: S) -> Self {
        Self { lo: snapshot.clone(), hi: snapshot, position: 0 }
    }

    /// Behind one row of the window.
    pub(crate) fn at(&self, position: i64) -> Self {
        Self { position, ..self.clone() }
    }

    /// Whether nothing can be left in the window.
    pub(crate) fn is_closed(&self) -> bool {
        self.lo == self.hi
    }

    /// The window from here to `snapshot`. Only a closed one may be given a new end.
    pub(crate) fn up_to(&self, snapshot: S) -> Self {
        Self { lo: self.hi.clone(), hi: snapshot, position: 0 }
    }

    /// Behind the rows that were read, the last of which is `last`. When the window is used up it closes; it must not
    /// be left at the last row, since only a closed window is ever moved to the present.
    pub(crate) fn after(&self, last: Option<i64>, used_up: bool) -> Self {
        match last {
            _ if used_up => Self::behind(self.hi.clone()),
            Some(last) => self.at(last),
            None => self.clone(),
        }
    }
}

impl Window {
    /// Before everything.
    pub(crate) fn beginning() -> Self {
        Self::behind(NOTHING.to_owned())
    }

    pub(crate) fn parse(cursor: &Cursor) -> Result<Self, StoreError> {
        let unknown = || StoreError::NotFound { what: format!("the cursor `{}`", cursor.0) };
        let mut parts = cursor.0.split('~');
        let (Some(lo), Some(hi), Some(position), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(unknown());
        };
        let position = position.parse().map_err(|_| unknown())?;
        Ok(Self { lo: lo.to_owned(), hi: hi.to_owned(), position })
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor(self.to_string())
    }

    /// With its snapshots parsed.
    pub(crate) fn parsed(&self) -> Result<Window<Snapshot>, StoreError> {
        let unknown = |_| StoreError::NotFound { what: format!("the cursor `{self}`") };
        let snapshot = |text: &str| text.parse::<Snapshot>().map_err(unknown);
        Ok(Window { lo: snapshot(&self.lo)?, hi: snapshot(&self.hi)?, position: self.position })
    }
}

/// In SQL: `tidings_passed`, and the condition of `read_after.sql`. A test holds them against these.
impl Window<Snapshot> {
    /// Whether a row of transaction `xid` lies behind the cursor.
    pub(crate) fn has_passed(&self, xid: u64, position: i64) -> bool {
        self.lo.sees(xid) || (position <= self.position && self.hi.sees(xid))
    }

    /// Whether a row is still to come in this window.
    #[allow(
        dead_code,
        reason = "the store asks it in SQL; the model, which takes this file in, asks it here"
    )]
    pub(crate) fn holds(&self, xid: u64, position: i64) -> bool {
        self.hi.sees(xid) && !self.has_passed(xid, position)
    }
}

impl<S: fmt::Display> fmt::Display for Window<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}~{}", self.lo, self.hi, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let window = Window { lo: "10:20:11,13".to_owned(), hi: "12:30:".to_owned(), position: 7 };
        assert_eq!(Window::parse(&window.cursor()).unwrap(), window);
        assert_eq!(window.parsed().unwrap().to_string(), window.to_string());
        for broken in ["", "12", "1:1:~1:1:", "1:1:~1:1:~x", "1~2~3~4"] {
            assert!(Window::parse(&Cursor(broken.to_owned())).is_err(), "{broken}");
        }
    }
}
