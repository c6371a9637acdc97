//! What the provider has booked: one line of JSON a booking, in a file that only grows.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings::{Error, Result};

use super::answer::Answer;

/// What can be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Charge,
    Refund,
    Mail,
}

/// A request that was carried out, or declined for good, and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Booking {
    pub(crate) at: Timestamp,
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) request: Value,
    #[serde(flatten)]
    pub(super) answer: Answer,
}

impl Booking {
    /// It was done, not declined.
    pub(crate) fn is_done(&self) -> bool {
        self.answer.status < 300
    }

    /// A number of the request, such as `amount_cents`, or of the answer.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let of = |value: &Value| value.get(name).and_then(Value::as_u64);
        of(&self.request).or_else(|| of(&self.answer.body)).unwrap_or(0)
    }

    /// A text of the request.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.request.get(name).and_then(Value::as_str).unwrap_or("")
    }
}

/// The bookings by key, with the file that they are in.
pub(super) struct Ledger {
    file: File,
    by_key: HashMap<String, Booking>,
}

impl Ledger {
    /// Opens the file, or makes it. A line that a kill has torn was not answered, so it is cut off.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        // Two providers that do not know of each other's bookings would each book the same.
        file.try_lock().map_err(|error| {
            Error::failed(format!("cannot have {}: another provider has it ({error})", path.display()))
        })?;
        let bookings = read(path)?;
        file.set_len(whole_lines(&std::fs::read(path)?) as u64)?;
        file.seek(SeekFrom::End(0))?;
        let by_key = bookings.into_iter().map(|booking| (booking.key.clone(), booking)).collect();
        Ok(Self { file, by_key })
    }

    pub(super) fn find(&self, key: &str) -> Option<&Booking> {
        self.by_key.get(key)
    }

    pub(super) fn bookings(&self) -> impl Iterator<Item = &Booking> {
        self.by_key.values()
    }

    /// Writes a booking down. A booking that is in the file survives the end of the process; it need not survive the end of
    /// the machine, for this is no bank.
    pub(super) fn add(&mut self, booking: Booking) -> Result<()> {
        let begin = self.file.stream_position()?;
        let line = format!("{}\n", serde_json::to_string(&booking)?);
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Half a line must not become the beginning of the next.
            self.file.set_len(begin)?;
            self.file.seek(SeekFrom::Start(begin))?;
            return Err(error.into());
        }
        self.by_key.insert(booking.key.clone(), booking);
        Ok(())
    }
}

/// The bookings of a file, in their order; none if there is no file. A torn last line is none.
pub(crate) fn read(path: &Path) -> Result<Vec<Booking>> {
    if !path.try_exists()? {
        return Ok(Vec::new());
    }
    let mut bytes = std::fs::read(path)?;
    bytes.truncate(whole_lines(&bytes));
    let parse = |(number, line): (usize, &[u8])| {
        serde_json::from_slice(line).map_err(|error| {
            let (path, line, column) = (path.display(), number + 1, error.column());
            Error::failed(format!("{path}: line {line}, column {column} is no booking"))
        })
    };
    bytes.split_inclusive(|byte| *byte == b'\n').enumerate().map(parse).collect()
}

fn whole_lines(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}
