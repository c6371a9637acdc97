//! Whether a listener decodes what an event's owner publishes.
//!
//! The compiler checked a reader against the contract files it saw. The owner may have been built from others: a newer
//! version, or another registry. So the reader's fields and types are held against the schema the owner brings along, and
//! where types cannot say all (a type its user vouches for, an implementation by hand), it is tried on sample payloads.

use tidings_contracts::reads::{Field, IntegerType, Type, Verdict};
use tidings_contracts::{Contract, samples};
use tidings_core::contract::ContractInfo;
use tidings_core::reads::{ReadField, ReadType};

use crate::contracts::ContractBook;
use crate::handler::Route;

/// The answer about one reader and one published version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Readable {
    Yes,
    /// What does not decode, and a payload that shows it, if one could be made.
    No {
        problem: String,
        witness: Option<String>,
    },
    /// Why it could not be decided.
    Unknown(String),
}

pub(super) fn readable(route: &Route, contract: &ContractInfo) -> Readable {
    let was_compiled_against = route.versions.contains(&contract.version);
    let verdict = match route.types {
        Some(types) => by_types(types, contract),
        // Whoever implements a reader by hand answers for the versions named there.
        None if was_compiled_against => return Readable::Yes,
        None => Verdict::Unknown("the reader is written by hand".to_owned()),
    };
    if was_compiled_against && verdict == Verdict::Reads {
        return Readable::Yes;
    }
    let tried = match allowed_samples(contract) {
        Ok(tried) => tried,
        // A contract that cannot be compiled is a contradiction of its own.
        Err(problem) => return Readable::Unknown(problem),
    };
    for witness in &tried {
        if let Err(error) = (route.probe)(witness) {
            return Readable::No { problem: error.to_string(), witness: Some(witness.clone()) };
        }
    }
    match verdict {
        Verdict::Cannot(problem) => Readable::No { problem, witness: None },
        Verdict::Unknown(why) if tried.is_empty() => {
            Readable::Unknown(format!("{why}, and no payload could be made to try it on"))
        }
        Verdict::Reads | Verdict::Unknown(_) => Readable::Yes,
    }
}

fn by_types(types: &[ReadField], contract: &ContractInfo) -> Verdict {
    match Contract::from_schema(contract.name, contract.version, contract.schema) {
        Ok(contract) => tidings_contracts::reads::judge(&contract, &fields(types)),
        Err(problems) => Verdict::Unknown(format!("its contract is broken: {problems}")),
    }
}

/// Payloads at the edges of a contract.
pub(crate) fn allowed_samples(contract: &ContractInfo) -> Result<Vec<String>, String> {
    let samples = samples(contract.schema).map_err(|error| error.to_string())?;
    let book = ContractBook::compile([*contract])?;
    let samples = samples.into_iter().map(|sample| sample.to_string());
    Ok(samples.filter(|sample| book.allows(contract, sample)).collect())
}

fn fields(types: &[ReadField]) -> Vec<Field> {
    types.iter().map(|field| Field { name: field.name.to_owned(), ty: as_data(&field.ty) }).collect()
}

/// The compiler's word on a type in the words of the check.
fn as_data(ty: &ReadType) -> Type {
    match ty {
        ReadType::Text => Type::String,
        ReadType::OneOf(values) => Type::OneOf(values.iter().map(|value| (*value).to_owned()).collect()),
        ReadType::Boolean => Type::Bool,
        ReadType::Integer { minimum, maximum } => Type::Integer(IntegerType::of_range(*minimum, *maximum)),
        ReadType::F32 => Type::F32,
        ReadType::F64 => Type::F64,
        ReadType::Uuid => Type::Uuid,
        ReadType::Timestamp => Type::Timestamp,
        ReadType::Date => Type::Date,
        ReadType::Json => Type::Value,
        ReadType::Option(inner) => Type::Option(Box::new(as_data(inner))),
        ReadType::List(inner) => Type::Vec(Box::new(as_data(inner))),
        ReadType::Map(inner) => Type::Map(Box::new(as_data(inner))),
        ReadType::Object(types) => Type::Object(fields(types)),
        ReadType::Unchecked => Type::Unchecked("a type of its own".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde::Deserialize;

    use super::*;

    fn route(types: Option<&'static [ReadField]>, probe: fn(&str) -> Result<(), serde_json::Error>) -> Route {
        Route {
            event: "things.made",
            versions: &[1],
            fields: &[],
            types,
            driver: "",
            batched: false,
            call: Arc::new(|_, _| unreachable!("a probe calls no handler")),
            probe,
        }
    }

    fn contract(version: u32, properties: &str) -> ContractInfo {
        let schema = format!(
            r#"{{"x-owner": "things", "type": "object", "additionalProperties": false, {properties}}}"#
        );
        let schema = Box::leak(schema.into_boxed_str());
        ContractInfo { name: "things.made", version, owner: "things", key: None, schema }
    }

    /// Reads `a` as text.
    fn reads_a(json: &str) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct A {
            #[allow(dead_code, reason = "only decoded")]
            a: String,
        }
        serde_json::from_str::<A>(json).map(drop)
    }

    const A: &[ReadField] = &[ReadField { name: "a", ty: ReadType::Text }];
    const MINE: &[ReadField] = &[ReadField { name: "a", ty: ReadType::Unchecked }];
    /// No sample satisfies a pattern.
    const WITHOUT_A: &str =
        r#""required": ["sku"], "properties": {"sku": {"type": "string", "pattern": "^[A-Z]{3}$"}}"#;
    const OPAQUE_A: &str =
        r#""required": ["a"], "properties": {"a": {"type": "string", "pattern": "^[A-Z]{3}$"}}"#;
    const NUMBER_A: &str = r#""required": ["a"], "properties": {"a": {"type": "number"}}"#;
    const PLAIN_A: &str = r#""required": ["a"], "properties": {"a": {"type": "string"}}"#;

    #[test]
    fn a_version_is_read_refused_or_undecided_but_never_waved_through() {
        let none = |problem: &str| Readable::No { problem: problem.to_owned(), witness: None };
        for (types, version, properties, expected) in [
            (Some(A), 2, PLAIN_A, Readable::Yes),
            (Some(A), 2, OPAQUE_A, Readable::Yes),
            (Some(A), 2, WITHOUT_A, none("`a` is not there")),
            // The same version from another registry.
            (Some(A), 1, WITHOUT_A, none("`a` is not there")),
            (Some(MINE), 2, PLAIN_A, Readable::Yes),
            (
                Some(MINE),
                2,
                OPAQUE_A,
                Readable::Unknown(
                    "`a` is read by a type that is not checked, and no payload could be made to try it on"
                        .to_owned(),
                ),
            ),
            (
                None,
                2,
                WITHOUT_A,
                Readable::Unknown(
                    "the reader is written by hand, and no payload could be made to try it on".to_owned(),
                ),
            ),
            (None, 1, WITHOUT_A, Readable::Yes),
        ] {
            let found = readable(&route(types, reads_a), &contract(version, properties));
            assert_eq!(found, expected, "{types:?} v{version} {properties}");
        }
        let Readable::No { witness, .. } = readable(&route(Some(A), reads_a), &contract(2, NUMBER_A)) else {
            panic!("a number is no text");
        };
        assert_eq!(witness.as_deref(), Some(r#"{"a":-1.5}"#));
    }
}
