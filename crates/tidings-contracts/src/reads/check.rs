//! The check of a whole reader.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Misfit, fits};
use super::need::message;
use super::path::{Lost, join, locate};
use super::{Blame, Checked, Field, FieldNeed, Need, Part, ReadError, Reader, Type};
use crate::contract::Contract;
use crate::names::did_you_mean;
use crate::registry::Registry;
use crate::shape::{Object, Property};

/// Checks every field of a reader against every version it names.
#[must_use]
pub fn check(reader: &Reader, registry: &Registry) -> Checked {
    let mut checker = Checker {
        reader,
        checked: Checked {
            versions: reader.versions.clone().take(VERSIONS_MAX).collect(),
            paths: paths(reader),
            ..Checked::default()
        },
    };
    checker.run(registry);
    checker.checked
}

/// No event has more versions; a slip such as `1..=10000000` must not be walked.
const VERSIONS_MAX: usize = 10_000;

fn paths(reader: &Reader) -> Vec<String> {
    let at = reader.at.as_deref().unwrap_or("");
    let fields = reader.fields.iter();
    fields.map(|field| join(at, &field.name)).collect()
}

struct Checker<'r> {
    reader: &'r Reader,
    checked: Checked,
}

/// The object that a reader reads from, in one version.
struct Source {
    version: u32,
    object: Object,
}

impl Checker<'_> {
    fn report(&mut self, blame: Blame, message: impl Into<String>, help: impl Into<String>) {
        self.checked.errors.push(ReadError { blame, message: message.into(), help: help.into() });
    }

    fn run(&mut self, registry: &Registry) {
        let event = &self.reader.event;
        let Some(known) = registry.event(event) else {
            let help = match did_you_mean(event, registry.events().map(|(name, _)| name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write its contract as `{event}/v1.json` in the registry's folder"),
            };
            return self.report(Blame::Event, format!("there is no event `{event}` in the registry"), help);
        };
        let contracts = self.contracts(known);
        let sources = self.sources(&contracts);
        if sources.is_empty() {
            return;
        }
        for (index, field) in self.reader.fields.iter().enumerate() {
            if let Err(error) = self.field(index, field, &sources) {
                self.checked.errors.push(error);
            }
        }
    }

    fn contracts<'k>(&mut self, known: &'k BTreeMap<u32, Contract>) -> Vec<&'k Contract> {
        let named = &self.checked.versions;
        let missing: Vec<u32> =
            named.iter().filter(|version| !known.contains_key(version)).copied().collect();
        let contracts: Vec<&Contract> =
            known.values().filter(|contract| self.reader.versions.contains(&contract.version)).collect();
        let files: BTreeSet<&String> = contracts.iter().flat_map(|one| &one.files).collect();
        self.checked.files = files.into_iter().cloned().collect();
        if let Some(first) = missing.first() {
            let event = &self.reader.event;
            let there = list(known.keys().copied());
            self.report(
                Blame::Versions,
                format!("`{event}` has no v{first}"),
                format!("the registry has {there}"),
            );
        }
        contracts
    }

    /// Where the reader reads, in each version that has the place.
    fn sources(&mut self, contracts: &[&Contract]) -> Vec<Source> {
        let Some(at) = &self.reader.at else {
            let sources = contracts
                .iter()
                .map(|contract| Source { version: contract.version, object: contract.root.clone() });
            return sources.collect();
        };
        let event = &self.reader.event;
        let mut sources = Vec::new();
        let mut absent = None;
        for contract in contracts {
            let version = contract.version;
            match locate(&contract.root, at) {
                Ok(object) => sources.push(Source { version, object }),
                Err(Lost::Absent(path, meant)) => absent = Some((path, meant)),
                Err(Lost::NotAnObject(why)) => {
                    self.report(
                        Blame::At,
                        format!("`{at}` is no object in `{event}` v{version}: {why}"),
                        "a part sits at an object: `customer.address`, `lines[]`, `prices.*`",
                    );
                    return Vec::new();
                }
            }
        }
        // The parent reads it as an `Option` where only some versions have it.
        if let Some((path, meant)) = absent.filter(|_| sources.is_empty()) {
            let versions = list(contracts.iter().map(|contract| contract.version));
            let help = meant.map(|meant| format!("did you mean `{meant}`?"));
            self.report(Blame::At, no_field(event, &versions, &path), help.unwrap_or_default());
        }
        sources
    }

    fn field(&mut self, index: usize, field: &Field, sources: &[Source]) -> Result<(), ReadError> {
        let path = self.checked.paths[index].clone();
        let event = &self.reader.event;
        let (present, absent): (Vec<&Source>, Vec<&Source>) =
            sources.iter().partition(|source| source.object.property(&field.name).is_some());
        if present.is_empty() {
            return Err(self.unknown_field(index, &path, &absent));
        }
        let is_option = matches!(field.ty, Type::Option(_));
        if let Some(source) = absent.first().filter(|_| !is_option) {
            let there = list(present.iter().map(|source| source.version));
            return Err(ReadError {
                blame: Blame::FieldType(index),
                message: format!("`{path}` is not in `{event}` v{} (only in {there})", source.version),
                help: format!("read it as `Option<{}>`, or name fewer versions", field.ty),
            });
        }
        for source in present {
            let Some(property) = source.object.property(&field.name) else {
                continue;
            };
            let part = self.fits(index, field, &path, property, source.version)?;
            self.need(index, field, property, &format!("`{path}` of `{event}` v{}", source.version));
            let parts = &mut self.checked.parts;
            if let Some(at) = part.filter(|_| parts.iter().all(|part| part.field != index)) {
                parts.push(Part { field: index, at });
            }
        }
        Ok(())
    }

    fn fits(
        &self,
        index: usize,
        field: &Field,
        path: &str,
        property: &Property,
        version: u32,
    ) -> Result<Option<String>, ReadError> {
        let event = &self.reader.event;
        let at_type = |message, help| ReadError { blame: Blame::FieldType(index), message, help };
        let part = fits(&property.typed, &field.ty, path).map_err(|misfit| {
            let Misfit { path, why, help, .. } = misfit;
            at_type(format!("`{path}` of `{event}` v{version} {why}"), help)
        })?;
        if !property.required && !matches!(field.ty, Type::Option(_)) {
            return Err(at_type(
                format!("`{path}` is not required in `{event}` v{version}: a payload may lack it"),
                format!("read it as `Option<{}>`", field.ty),
            ));
        }
        Ok(part)
    }

    fn need(&mut self, index: usize, field: &Field, property: &Property, place: &str) {
        let need = Need::of(&property.typed);
        let needs = &mut self.checked.needs;
        if needs.iter().all(|known| known.field != index || known.need != need) {
            let message = message(&property.typed, place, &field.ty.to_string());
            needs.push(FieldNeed { field: index, need, message });
        }
    }

    fn unknown_field(&self, index: usize, path: &str, sources: &[&Source]) -> ReadError {
        let event = &self.reader.event;
        let name = &self.reader.fields[index].name;
        let known = sources.iter().flat_map(|source| &source.object.properties);
        let known: BTreeSet<&str> = known.map(|property| property.name.as_str()).collect();
        let versions = list(sources.iter().map(|source| source.version));
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(meant) if is_snake_case(meant) => format!("did you mean `{meant}`?"),
            Some(meant) => {
                format!("did you mean `{meant}`? write `#[reads(rename = \"{meant}\")]`")
            }
            None => {
                let names: Vec<String> = known.iter().take(12).map(|name| format!("`{name}`")).collect();
                format!("it has {}", names.join(", "))
            }
        };
        ReadError { blame: Blame::FieldName(index), message: no_field(event, &versions, path), help }
    }
}

fn no_field(event: &str, versions: &str, path: &str) -> String {
    let has = if versions.contains(' ') { "have" } else { "has" };
    format!("event `{event}` {versions} {has} no field `{path}`")
}

fn is_snake_case(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(plain)
}

/// `v1`, `v1 and v2`, `v1, v2 and v3`.
fn list(versions: impl Iterator<Item = u32>) -> String {
    let mut names: Vec<String> = versions.map(|version| format!("v{version}")).collect();
    let last = names.pop().unwrap_or_default();
    if names.is_empty() {
        return last;
    }
    format!("{} and {last}", names.join(", "))
}
