//! Numbers that JSON cannot hold are refused: serde_json would write null for them, and where null is allowed nobody
//! would ever notice.

use std::collections::BTreeMap;

use serde::ser::Error;
use serde::{Serialize, Serializer};

/// What generated fields of numbers are made of.
pub trait Finite {
    /// Whether every number in it is finite.
    fn is_finite(&self) -> bool;
}

impl Finite for f64 {
    fn is_finite(&self) -> bool {
        f64::is_finite(*self)
    }
}

impl<T: Finite> Finite for Option<T> {
    fn is_finite(&self) -> bool {
        self.as_ref().is_none_or(T::is_finite)
    }
}

impl<T: Finite> Finite for Vec<T> {
    fn is_finite(&self) -> bool {
        self.iter().all(T::is_finite)
    }
}

impl<T: Finite> Finite for BTreeMap<String, T> {
    fn is_finite(&self) -> bool {
        self.values().all(T::is_finite)
    }
}

/// Serialises a field, or says which one cannot be.
///
/// # Errors
/// If a number is NaN or infinite.
pub fn finite<T: Finite + Serialize, S: Serializer>(
    field: &str,
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        value.serialize(serializer)
    } else {
        Err(S::Error::custom(format!(
            "field `{field}` holds NaN or an infinite number, which JSON cannot hold"
        )))
    }
}
