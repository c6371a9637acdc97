//! The one error type that handlers return.

use std::error::Error as StdError;
use std::fmt;

use crate::store::StoreError;

/// What an error means for the work that met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing is wrong with the message: the database was busy, a connection was lost. Tried again at
    /// once, no attempt is counted. What a handler calls transient and the database does not is tried again a few
    /// times, and has failed then.
    Transient,
    /// The attempt failed; the message is parked and tried again on its schedule.
    Failed,
    /// Trying again cannot help: the message is dead at once.
    Permanent,
    /// The handler refuses a command, for a reason that the caller should act on.
    Rejected(Rejection),
}

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rejection {
    /// Stable and machine-readable, in snake case: `empty_order`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

/// Any error a handler can meet, with its causes and with what it means for the message.
///
/// Every `std::error::Error` converts into it by `?`, as [`ErrorKind::Failed`]. Like `anyhow::Error` it does
/// not implement `std::error::Error` itself, because that conversion could not exist then.
pub struct Error {
    kind: ErrorKind,
    source: Box<dyn StdError + Send + Sync>,
}

/// What a listener or query handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a command handler returns: the output, a rejection made by [`reject`], or a failure.
pub type Outcome<T> = Result<T>;

/// Refuses a command. The handler's writes are rolled back; the rejection is stored and told to the caller.
///
/// ```
/// # use tidings_core::error::{reject, Outcome};
/// fn check(lines: &[u32]) -> Outcome<()> {
///     if lines.is_empty() {
///         return reject("empty_order", "an order needs at least one line");
///     }
///     Ok(())
/// }
/// assert!(check(&[]).unwrap_err().rejection().is_some());
/// ```
///
/// # Errors
/// Always: the refusal is the error.
pub fn reject<T>(code: &str, message: impl Into<String>) -> Outcome<T> {
    let rejection = Rejection { code: code.to_owned(), message: message.into() };
    let source = rejection.to_string().into();
    Err(Error { kind: ErrorKind::Rejected(rejection), source })
}

impl Error {
    /// A failure that is worth another attempt later.
    pub fn failed(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: ErrorKind::Failed, source: source.into() }
    }

    /// A failure that no further attempt can mend: the message is dead at once.
    pub fn permanent(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: ErrorKind::Permanent, source: source.into() }
    }

    /// A failure that has nothing to do with the message: tried again at once.
    pub fn transient(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: ErrorKind::Transient, source: source.into() }
    }

    /// What the error means for the message.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The rejection, if a handler refused a command.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match &self.kind {
            ErrorKind::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// The error below, for code that wants a `std::error::Error`.
    #[must_use]
    pub fn into_source(self) -> Box<dyn StdError + Send + Sync> {
        self.source
    }

    /// The first cause of type `T`, the error itself included.
    #[must_use]
    pub fn find<T: StdError + 'static>(&self) -> Option<&T> {
        let mut next: Option<&(dyn StdError + 'static)> = Some(self.source.as_ref());
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<T>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// The error and its causes in one line, joined by `: `; a cause that its parent already quotes is left out.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self.source.as_ref())
    }
}

/// An error and its causes in one line, joined by `: `.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        let error = Self::failed(source);
        // A store that was busy says nothing about the message, however deep in the chain it said so.
        let transient = error.find::<StoreError>().is_some_and(StoreError::is_transient);
        if transient { Self { kind: ErrorKind::Transient, ..error } } else { error }
    }
}

/// So that `?` works in a function that returns a boxed error, as `main` often does.
impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        error.into_source()
    }
}

/// As the one above.
impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        error.into_source()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.chain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn keeps_causes() {
        let error: Error = Outer(std::io::Error::other("inner")).into();
        assert_eq!(error.to_string(), "outer: inner");
        assert!(error.find::<std::io::Error>().is_some());
        assert_eq!(error.kind(), &ErrorKind::Failed);
        let boxed = || -> Result<(), Box<dyn StdError>> { Err(error)? };
        assert_eq!(chain(boxed().unwrap_err().as_ref()), "outer: inner");
    }
}
