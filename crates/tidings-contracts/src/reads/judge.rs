//! Whether a reader that is already built decodes a version it may never have seen.

use super::field::{Misfit, object_fits};
use super::{Field, Type};
use crate::contract::Contract;

/// The answer about one reader and one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every payload that the contract accepts is decoded.
    Reads,
    /// Some payload that the contract accepts is not: which field, and why.
    Cannot(String),
    /// What the contract says at this place is more than types can, or the reader's type is vouched for by its author.
    Unknown(String),
}

/// Holds a reader's fields against a contract.
#[must_use]
pub fn judge(contract: &Contract, fields: &[Field]) -> Verdict {
    let mut verdict = Verdict::Reads;
    for field in fields {
        match object_fits(&contract.root, std::slice::from_ref(field), "") {
            Err(Misfit { path, why, is_sure: true, .. }) => {
                return Verdict::Cannot(format!("`{path}` {why}"));
            }
            Err(Misfit { path, why, .. }) => verdict = Verdict::Unknown(format!("`{path}` {why}")),
            Ok(()) if is_unchecked(&field.ty) => {
                verdict = Verdict::Unknown(format!("`{}` is read by a type that is not checked", field.name));
            }
            Ok(()) => {}
        }
    }
    verdict
}

fn is_unchecked(ty: &Type) -> bool {
    match ty {
        Type::Unchecked(_) => true,
        Type::Option(inner) | Type::Vec(inner) | Type::Map(inner) => is_unchecked(inner),
        Type::Object(fields) => fields.iter().any(|field| is_unchecked(&field.ty)),
        _ => false,
    }
}
