//! The provider's own account of what it was asked for.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidings_kill_tests::app::{self, Bill};

/// Something was done for a bill, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Booking {
    /// What: `charges`, `seals` or `letters`.
    pub(crate) of: String,
    /// The dedupe key.
    pub(crate) key: String,
    pub(crate) bill: Bill,
    pub(crate) receipt: String,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Booked {
    New(String),
    /// It was booked already, with this receipt.
    Repeat(String),
    Declined,
    /// The key was used with another bill.
    Contradicts,
}

#[derive(Clone)]
pub(crate) struct Ledger {
    file: Arc<File>,
    /// In the order of booking.
    pub(crate) bookings: Vec<Booking>,
    by_key: HashMap<String, usize>,
    /// Requests that were recognised as repeated.
    pub(crate) repeats: u64,
    /// Charges that were declined.
    pub(crate) declined: u64,
    /// Requests that contradict an earlier one of the same key.
    pub(crate) contradictions: Vec<String>,
    /// The file, in which each booking is before it is answered.
    path: Arc<Path>,
}

impl Ledger {
    pub(super) fn open(path: &Path) -> Self {
        let file = OpenOptions::new().create_new(true).append(true).open(path);
        Self {
            file: Arc::new(file.expect("the ledger can be made")),
            bookings: Vec::new(),
            by_key: HashMap::new(),
            repeats: 0,
            declined: 0,
            contradictions: Vec::new(),
            path: path.into(),
        }
    }

    pub(super) fn book(&mut self, of: &str, key: &str, bill: Bill) -> Booked {
        if let Some(known) = self.by_key.get(key).map(|at| &self.bookings[*at]) {
            if known.of == of && known.bill == bill {
                self.repeats += 1;
                return Booked::Repeat(known.receipt.clone());
            }
            self.contradictions.push(format!("{key}: first {known:?}, then {of} {bill:?}"));
            return Booked::Contradicts;
        }
        if of == "charges" && app::is_declined(bill.seq) {
            self.declined += 1;
            return Booked::Declined;
        }
        let receipt = format!("r{}", self.bookings.len() + 1);
        let booking = Booking { of: of.to_owned(), key: key.to_owned(), bill, receipt: receipt.clone() };
        let line = serde_json::to_string(&booking).expect("a booking is JSON");
        (&*self.file).write_all(format!("{line}\n").as_bytes()).expect("the ledger can be written");
        self.by_key.insert(key.to_owned(), self.bookings.len());
        self.bookings.push(booking);
        Booked::New(receipt)
    }

    /// What is in the file.
    pub(crate) fn written(&self) -> Vec<Booking> {
        let text = std::fs::read_to_string(&self.path).expect("the ledger can be read");
        text.lines().map(|line| serde_json::from_str(line).expect("each line is a booking")).collect()
    }
}
