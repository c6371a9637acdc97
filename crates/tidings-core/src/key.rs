//! Ordering keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a message is ordered by: a kind (`x-key` of the contract, such as `order_id`) and a value.
///
/// Two events with the same kind and value are handled in log order by each consumer, whatever their
/// names; different keys never wait for each other. Equal values of different kinds are different keys.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// Joins kind and value to `kind:value`.
    #[must_use]
    pub fn new(kind: &str, value: &str) -> Self {
        Self(format!("{kind}:{value}"))
    }

    /// Takes a stored `kind:value` back as it is.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The key as logs and tools may show it: its kind, and of its value, which may be personal, only what tells it from
    /// others.
    ///
    /// ```
    /// use tidings_core::key::Key;
    ///
    /// let masked = Key::new("email", "alice@example.org").masked();
    /// assert!(masked.starts_with("email:#") && !masked.contains("alice"));
    /// assert_ne!(masked, Key::new("email", "bob@example.org").masked());
    /// ```
    #[must_use]
    pub fn masked(&self) -> String {
        let kind = self.0.split(':').next().unwrap_or_default();
        let hash = Sha256::digest(self.0.as_bytes());
        let hash: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{kind}:#{hash}")
    }

    /// The stored form, `kind:value`; also the CloudEvents subject.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
