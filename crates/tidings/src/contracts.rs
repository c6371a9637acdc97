//! Contracts at run time: payloads are checked before they are published.

use std::collections::HashMap;

use jsonschema::Validator;
use tidings_core::contract::ContractInfo;

/// The contracts an application knows, compiled for validation.
pub(crate) struct ContractBook {
    by_name: HashMap<(&'static str, u32), Validator>,
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
            let compiled = compile(&contract).map_err(|problem| {
                format!("contract `{}` v{}: {problem}", contract.name, contract.version)
            })?;
            by_name.insert((contract.name, contract.version), compiled);
        }
        Ok(Self { by_name })
    }

    /// Checks a payload.
    pub(crate) fn check(
        &self,
        event: &'static str,
        version: u32,
        payload: &serde_json::Value,
    ) -> Result<(), ContractViolation> {
        let Some(validator) = self.by_name.get(&(event, version)) else {
            let violations = vec!["the application does not know this version".to_owned()];
            return Err(ContractViolation { event, version, violations });
        };
        if validator.is_valid(payload) {
            return Ok(());
        }
        let violations = validator.iter_errors(payload).map(|error| describe(&error)).collect();
        Err(ContractViolation { event, version, violations })
    }
}

fn compile(contract: &ContractInfo) -> Result<Validator, String> {
    let schema = serde_json::from_str(contract.schema).map_err(|error| error.to_string())?;
    jsonschema::options().should_validate_formats(true).build(&schema).map_err(|error| error.to_string())
}

fn describe(error: &jsonschema::ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    let field = if path.is_empty() { "the payload".to_owned() } else { format!("field `{path}`") };
    format!("{field}: {}", error.masked())
}
