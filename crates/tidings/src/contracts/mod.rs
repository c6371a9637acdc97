//! Contracts at run time: payloads are checked before they are published.

pub(crate) mod finite;
mod node;
mod notes;
pub(crate) mod valid;

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::Validator;
use tidings_core::contract::{ContractInfo, Event};
use tidings_core::error::{Error, Result};

use node::NotedJson;
use notes::Noted;

/// The contracts an application knows, compiled for validation.
pub(crate) struct ContractBook {
    by_name: HashMap<(&'static str, u32), Compiled>,
}

struct Compiled {
    /// The event's name, as its envelopes share it.
    name: Arc<str>,
    validator: Validator<NotedJson>,
}

/// A payload that its contract does not allow.
#[derive(Debug, thiserror::Error)]
#[error("event `{event}` breaks its contract v{version}: {}", .violations.join("; "))]
pub struct ContractViolation {
    /// The event.
    pub event: &'static str,
    /// The contract's version.
    pub version: u32,
    /// Each broken rule with the path of the field; values are masked, since they may be personal data.
    pub violations: Vec<String>,
}

impl ContractBook {
    /// Compiles each contract once, with formats asserted.
    pub(crate) fn compile(contracts: impl IntoIterator<Item = ContractInfo>) -> Result<Self, String> {
        let mut by_name = HashMap::new();
        for contract in contracts {
            let validator = compile(&contract).map_err(|problem| {
                format!("contract `{}` v{}: {problem}", contract.name, contract.version)
            })?;
            let compiled = Compiled { name: contract.name.into(), validator };
            by_name.insert((contract.name, contract.version), compiled);
        }
        Ok(Self { by_name })
    }

    /// Writes an event's payload and checks it; with the event's name, to be shared by envelopes.
    pub(crate) fn payload<E: Event>(&self, event: &E) -> Result<(Arc<str>, String)> {
        let broken = |violations| {
            Error::permanent(ContractViolation { event: E::NAME, version: E::VERSION, violations })
        };
        let Some(contract) = self.by_name.get(&(E::NAME, E::VERSION)) else {
            return Err(broken(vec!["the application does not know this version".to_owned()]));
        };
        let noted = Noted::write(event).map_err(Error::permanent)?;
        let violations = contract.violations(&noted);
        if violations.is_empty() { Ok((contract.name.clone(), noted.text)) } else { Err(broken(violations)) }
    }

    /// Whether a contract allows this payload.
    pub(crate) fn allows(&self, contract: &ContractInfo, payload: &str) -> bool {
        let known = self.by_name.get(&(contract.name, contract.version));
        let read = || serde_json::from_str::<serde_json::Value>(payload).ok();
        let noted = read().and_then(|value| Noted::write(&value).ok());
        known.zip(noted).is_some_and(|(contract, noted)| contract.violations(&noted).is_empty())
    }
}

impl Compiled {
    fn violations(&self, payload: &Noted) -> Vec<String> {
        if self.validator.is_valid(payload.root()) {
            return Vec::new();
        }
        self.validator.iter_errors(payload.root()).map(|error| describe(&error)).collect()
    }
}

fn compile(contract: &ContractInfo) -> Result<Validator<NotedJson>, String> {
    let schema = serde_json::from_str(contract.schema).map_err(|error| error.to_string())?;
    let options = jsonschema::options_for::<NotedJson>().should_validate_formats(true);
    options.build(&schema).map_err(|error| error.to_string())
}

fn describe(error: &jsonschema::ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    let field = if path.is_empty() { "the payload".to_owned() } else { format!("field `{path}`") };
    format!("{field}: {}", error.masked())
}
