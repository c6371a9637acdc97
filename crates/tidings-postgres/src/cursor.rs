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

/// A parsed cursor; its text is `lo~hi~position~floor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Everything this snapshot sees has been passed. As PostgreSQL writes it: `xmin:xmax:xip_list`.
    pub(crate) lo: String,
    /// The window's other end.
    pub(crate) hi: String,
    /// How far the reader has come between the two.
    pub(crate) position: i64,
    /// Whatever was written by transactions that `lo` had not heard of lies behind it. It saves walking the log from its
    /// beginning, and says nothing about transactions that were open then.
    pub(crate) floor: i64,
}

/// A snapshot that sees nothing: no transaction has an id below 1.
const NOTHING: &str = "1:1:";

impl Window {
    /// Behind everything that `snapshot` sees.
    pub(crate) fn behind(snapshot: &str) -> Self {
        Self { lo: snapshot.to_owned(), hi: snapshot.to_owned(), position: 0, floor: 0 }
    }

    /// Before everything.
    pub(crate) fn beginning() -> Self {
        Self::behind(NOTHING)
    }

    /// Behind one row of the window.
    pub(crate) fn at(&self, position: i64) -> Self {
        Self { position, ..self.clone() }
    }

    /// Whether nothing can be left in the window.
    pub(crate) fn is_closed(&self) -> bool {
        self.lo == self.hi
    }

    /// The window from here to `snapshot`.
    pub(crate) fn up_to(&self, snapshot: String, floor: i64) -> Self {
        Self { lo: self.hi.clone(), hi: snapshot, position: 0, floor }
    }

    /// Whether it begins before everything.
    pub(crate) fn is_from_the_beginning(&self) -> bool {
        self.lo == NOTHING
    }

    /// Where to walk on.
    pub(crate) fn place(&self) -> i64 {
        self.position.max(self.floor)
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
}

impl fmt::Display for Window {
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
        for broken in ["", "12", "1:1:~1:1:", "1:1:~1:1:~x", "1:1:~1:1:~1", "1~2~3~4~5"] {
            assert!(Window::parse(&Cursor(broken.to_owned())).is_err(), "{broken}");
        }
    }
}
