//! Asking twice, doing once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tidings_core::store::IdempotencyScope;

/// The keyed commands that are running in this process.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashSet<IdempotencyScope>>>);

/// Takes the key out again when the command ends, however it ends.
pub(crate) struct Flight {
    all: InFlight,
    scope: IdempotencyScope,
}

impl InFlight {
    /// Notes that a command runs, or `None` if one with this key runs already.
    pub(crate) fn enter(&self, scope: &IdempotencyScope) -> Option<Flight> {
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.clone());
        entered.then(|| Flight { all: self.clone(), scope: scope.clone() })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.scope);
    }
}

/// What makes two payloads the same: their canonical text, so that order of keys and white space do not matter.
pub(crate) fn payload_hash(payload: &str) -> [u8; 32] {
    // serde_json's map sorts its keys, which makes its output canonical enough for equality.
    let canonical = serde_json::from_str::<serde_json::Value>(payload)
        .map_or_else(|_| payload.to_owned(), |value| value.to_string());
    Sha256::digest(canonical.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        assert_eq!(payload_hash(r#"{"a":1,"b":2}"#), payload_hash("{ \"b\": 2,\n \"a\": 1 }"));
        assert_ne!(payload_hash(r#"{"a":1}"#), payload_hash(r#"{"a":2}"#));
    }
}
