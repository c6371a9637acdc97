//! Checks payloads against contracts, and contracts against the rules of JSON Schema.

use jsonschema::Draft;
use serde_json::Value;

use crate::files::Files;
use crate::json::Node;
use crate::problem::Problem;

/// A compiled contract.
#[derive(Debug)]
pub struct Validator(jsonschema::Validator);

/// One way in which a payload breaks its contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON Pointer of the offending value in the payload.
    pub pointer: String,
    /// What is wrong; never shows the value itself, which may be personal data.
    pub message: String,
}

impl Validator {
    /// Compiles a self-contained schema ([`crate::Contract::schema`]); formats are checked.
    ///
    /// # Errors
    /// Where in the schema, and why it cannot be used.
    pub fn new(schema: &str) -> Result<Self, Violation> {
        let schema: Value = serde_json::from_str(schema).map_err(|error| Violation {
            pointer: String::new(),
            message: format!("is not JSON: {error}"),
        })?;
        let validator =
            jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true).build(&schema);
        match validator {
            Ok(validator) => Ok(Self(validator)),
            // What stands in a schema is no secret.
            Err(error) => {
                Err(Violation { message: format!("cannot be checked against: {error}"), ..violation(&error) })
            }
        }
    }

    /// Every way in which a payload breaks the contract; none if it is valid.
    #[must_use]
    pub fn violations(&self, payload: &Value) -> Vec<Violation> {
        self.0.iter_errors(payload).map(|error| violation(&error)).collect()
    }
}

impl Violation {
    /// The problem at the violating value of a file, `base` being the pointer of the payload in it.
    pub(crate) fn at(&self, files: &Files, path: &str, document: &Node, base: &str) -> Problem {
        let mut pointer = format!("{base}{}", self.pointer);
        // Some errors name a place that only the bundle has; the nearest one above stands in.
        while document.pointer(&pointer).is_none() {
            pointer.truncate(pointer.rfind('/').unwrap_or(0));
        }
        let node = document.pointer(&pointer).unwrap_or(document);
        files.problem(path, node, &pointer, self.message.clone(), "")
    }
}

/// How a schema breaks the rules of JSON Schema 2020-12.
pub(crate) fn schema_violations(schema: &Value) -> Vec<Violation> {
    match jsonschema::draft202012::meta::validate(schema) {
        Ok(()) => Vec::new(),
        Err(error) => {
            vec![Violation { message: format!("is not JSON Schema 2020-12: {error}"), ..violation(&error) }]
        }
    }
}

fn violation(error: &jsonschema::ValidationError<'_>) -> Violation {
    Violation {
        pointer: error.instance_path().as_str().to_owned(),
        message: error.masked_with("the value").to_string(),
    }
}
