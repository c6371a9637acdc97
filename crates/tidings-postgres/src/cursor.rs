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

/// A cursor; its text is `lo~hi~position~floor`. The store carries snapshots about as the texts that PostgreSQL gave; who
/// has to look into them (re-basing, the model in `tests/model`) has them parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window<S = String> {
    /// Everything this snapshot sees has been passed.
    pub(crate) lo: S,
    /// The window's other end.
    pub(crate) hi: S,
    /// How far the reader has come between the two.
    pub(crate) position: i64,
    /// Whatever was written by transactions that `lo` had not heard of lies behind it. It saves walking the log from its
    /// beginning, and says nothing about transactions that were open then.
    pub(crate) floor: i64,
}

/// A snapshot that sees nothing: no transaction has an id below 1.
const NOTHING: &str = "1:1:";

/// The algorithm. What is left to the caller is the order of things: the snapshot for [`Window::open_to`] is taken *before*
/// the rows are read, and [`Window::after`] becomes the cursor in the transaction of what was made of them.
impl<S: Clone + PartialEq> Window<S> {
    /// Behind everything that `snapshot` sees.
    pub(crate) fn behind(snapshot: S) -> Self {
        Self { lo: snapshot.clone(), hi: snapshot, position: 0, floor: 0 }
    }

    /// Behind one row of the window.
    pub(crate) fn at(&self, position: i64) -> Self {
        Self { position, ..self.clone() }
    }

    /// Whether nothing can be left in the window.
    pub(crate) fn is_closed(&self) -> bool {
        self.lo == self.hi
    }

    /// The window from a closed one to `snapshot`, which is closed itself if nothing lies in it. Of what `snapshot` sees:
    /// `first` is the lowest position that a transaction wrote which the lower end had not heard of; `earlier` says whether
    /// one has written that was open then.
    pub(crate) fn open_to(&self, snapshot: S, first: Option<i64>, earlier: bool) -> Self {
        let floor = match first {
            Some(first) => first - 1,
            // Nothing to walk over: only what was open before is looked at.
            None if earlier => i64::MAX,
            None => return Self::behind(snapshot),
        };
        self.up_to(snapshot, floor)
    }

    /// The window from a closed one to `snapshot`, whatever lies in it. Only a closed one may be given a new end.
    pub(crate) fn up_to(&self, snapshot: S, floor: i64) -> Self {
        Self { lo: self.hi.clone(), hi: snapshot, position: 0, floor }
    }

    /// Where to walk on.
    pub(crate) fn place(&self) -> i64 {
        self.position.max(self.floor)
    }

    /// Where to go on after rows up to `last` were read: as many as were asked for, or fewer because the walk ended at
    /// `looked_to`. Else the window is used up and closes; it must not be left at the last row, since only a closed window is
    /// ever given a new end.
    pub(crate) fn after(&self, last: Option<i64>, full: bool, looked_to: Option<i64>) -> Self {
        match (last, looked_to) {
            (Some(last), _) if full => self.at(last),
            (_, Some(looked_to)) => self.at(looked_to),
            _ => Self::behind(self.hi.clone()),
        }
    }
}

impl Window {
    /// Before everything.
    pub(crate) fn beginning() -> Self {
        Self::behind(NOTHING.to_owned())
    }

    /// Whether it begins before everything.
    pub(crate) fn is_from_the_beginning(&self) -> bool {
        self.lo == NOTHING
    }

    pub(crate) fn parse(cursor: &Cursor) -> Result<Self, StoreError> {
        let unknown = || StoreError::NotFound { what: format!("the cursor `{}`", cursor.0) };
        let mut parts = cursor.0.split('~');
        let (Some(lo), Some(hi), Some(position), Some(floor), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(unknown());
        };
        let number = |text: &str| text.parse().map_err(|_| unknown());
        let (position, floor) = (number(position)?, number(floor)?);
        Ok(Self { lo: lo.to_owned(), hi: hi.to_owned(), position, floor })
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor(self.to_string())
    }

    /// With its snapshots parsed.
    pub(crate) fn parsed(&self) -> Result<Window<Snapshot>, StoreError> {
        let unknown = |_| StoreError::NotFound { what: format!("the cursor `{self}`") };
        let snapshot = |text: &str| text.parse::<Snapshot>().map_err(unknown);
        let (lo, hi) = (snapshot(&self.lo)?, snapshot(&self.hi)?);
        Ok(Window { lo, hi, position: self.position, floor: self.floor })
    }
}

impl Window<Snapshot> {
    /// Whether a row of transaction `xid` lies behind the cursor. In SQL: `tidings_passed`; a test holds the two against each
    /// other.
    pub(crate) fn has_passed(&self, xid: u64, position: i64) -> bool {
        self.lo.sees(xid) || (position <= self.position && self.hi.sees(xid))
    }
}

impl<S: fmt::Display> fmt::Display for Window<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}~{}~{}", self.lo, self.hi, self.position, self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let window = Window { lo: "10:20:11,13".to_owned(), hi: "12:30:".to_owned(), position: 7, floor: 5 };
        assert_eq!(Window::parse(&window.cursor()).unwrap(), window);
        assert_eq!(window.parsed().unwrap().to_string(), window.to_string());
        for broken in ["", "12", "1:1:~1:1:", "1:1:~1:1:~x", "1:1:~1:1:~1", "1~2~3~4~5"] {
            assert!(Window::parse(&Cursor(broken.to_owned())).is_err(), "{broken}");
        }
    }
}
