//! One contract: an event's schema at one version, its annotations read and checked.

use crate::files::Files;
use crate::json::{Node, join};
use crate::names::{did_you_mean, is_segment};
use crate::problem::{Problem, Problems};
use crate::refs::Place;
use crate::registry::Registry;
use crate::shape::{Builder, Docs, Object, Property, Shape};

/// How much of its owner's state an event carries (`x-kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A lean fact: ids and what changed.
    Notification,
    /// A deliberate copy of state for readers that must not ask.
    StateTransfer,
}

/// One version of an event's contract.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The event's name: its folder.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
    /// The module that alone publishes the event (`x-owner`).
    pub owner: String,
    /// Notification or state transfer (`x-kind`).
    pub kind: Kind,
    /// The required property that orders the event (`x-key`).
    pub key: Option<String>,
    /// The contract as one self-contained JSON Schema document in canonical JSON.
    pub schema: String,
    /// The files it was made from, below the registry's root; the contract's own first.
    pub files: Vec<String>,
    /// Payloads from `vN.examples.json`.
    pub examples: Vec<serde_json::Value>,
    pub(crate) root: Object,
}

impl Contract {
    /// The contract that a self-contained schema ([`Contract::schema`]) states; it is read, not validated.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_schema(name: &str, version: u32, schema: &str) -> Result<Self, Problems> {
        let files = Files::new("").with(format!("{name}/v{version}.json"), schema);
        // Whoever made the schema has validated it, and an application has one for each reader at its start.
        let loaded = Registry::from_files_with(files, Vec::new(), false);
        let contract = loaded.registry.event(name).and_then(|versions| versions.get(&version));
        // That earlier versions are not there is no problem of this one.
        contract.cloned().ok_or(Problems(loaded.problems))
    }

    pub(crate) fn docs(&self) -> &Docs {
        &self.root.docs
    }
}

/// What a contract says about itself, beside its properties.
pub(crate) struct Annotations {
    pub(crate) owner: String,
    pub(crate) kind: Kind,
    pub(crate) key: Option<String>,
}

/// Reads the annotations and the root of a contract's document.
pub(crate) fn read(
    files: &Files,
    file: &str,
    title: &str,
    document: &Node,
    builder: &mut Builder<'_>,
) -> Result<(Annotations, Object), Vec<Problem>> {
    let mut reader = Reader { files, file, document, problems: Vec::new() };
    if !document.is_object() {
        reader.root(builder);
        return Err(reader.problems);
    }
    let owner = reader.owner();
    let kind = reader.kind();
    reader.title(title);
    let root = reader.root(builder);
    let key = root.as_ref().and_then(|root| reader.key(root));
    match (owner, kind, root) {
        (Some(owner), Some(kind), Some(root)) if reader.problems.is_empty() => {
            Ok((Annotations { owner, kind, key }, root))
        }
        _ => Err(reader.problems),
    }
}

struct Reader<'r> {
    files: &'r Files,
    file: &'r str,
    document: &'r Node,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reports a problem at a keyword of the root, or at the root if the keyword is missing.
    fn report(&mut self, keyword: &str, message: impl Into<String>, help: impl Into<String>) {
        let (node, pointer) = match self.document.get(keyword) {
            Some(node) => (node, join("", keyword)),
            None => (self.document, String::new()),
        };
        let mut problem = self.files.problem(self.file, node, &pointer, message, help);
        if pointer.is_empty() {
            // The opening brace stands for the whole document.
            problem.span.end = problem.span.end.min(problem.span.start + 1);
        }
        self.problems.push(problem);
    }

    fn text(&self, keyword: &str) -> Option<String> {
        Some(self.document.get(keyword)?.as_str()?.to_owned())
    }

    fn owner(&mut self) -> Option<String> {
        let Some(owner) = self.text("x-owner") else {
            self.report(
                "x-owner",
                "the contract has no owner",
                "name the module that alone publishes the event: `\"x-owner\": \"orders\"`",
            );
            return None;
        };
        if !is_segment(&owner) {
            self.report(
                "x-owner",
                format!("`{owner}` is not a module's name"),
                "lower-case letters, digits and dashes, beginning with a letter",
            );
            return None;
        }
        Some(owner)
    }

    fn kind(&mut self) -> Option<Kind> {
        match self.text("x-kind").as_deref() {
            None | Some("notification") => Some(Kind::Notification),
            Some("state-transfer") => Some(Kind::StateTransfer),
            Some(other) => {
                let message = format!("`{other}` is not a kind of event");
                self.report("x-kind", message, "write `notification` or `state-transfer`");
                None
            }
        }
    }

    fn title(&mut self, expected: &str) {
        if let Some(title) = self.text("title").filter(|title| title != expected) {
            self.report(
                "title",
                format!("the title is `{title}`, but the file is `{expected}`"),
                format!("write `\"title\": \"{expected}\"`, or leave the title out"),
            );
        }
    }

    fn root(&mut self, builder: &mut Builder<'_>) -> Option<Object> {
        if self.document.get("type").and_then(Node::as_str) != Some("object") {
            self.report(
                "type",
                "a contract is an object",
                "write `\"type\": \"object\"` at the top, and the facts as its `properties`",
            );
            return None;
        }
        let additional = self.document.get("additionalProperties");
        if additional.and_then(Node::as_bool) != Some(false) {
            self.report(
                "additionalProperties",
                "the contract is open: it would accept properties that nobody agreed on",
                "write `\"additionalProperties\": false`: writers are strict, readers take only what they read",
            );
            return None;
        }
        if self.document.get("patternProperties").is_some() {
            self.report(
                "patternProperties",
                "the contract is open: properties have no fixed names",
                "put them into one property of their own, as an object",
            );
            return None;
        }
        let typed = builder.definition(&Place::new(self.file, ""));
        match &*typed.shape {
            Shape::Object(root) => Some(root.clone()),
            _ => {
                self.report(
                    "$ref",
                    "a contract's properties are written in its own file",
                    "refer to shared definitions from the properties instead",
                );
                None
            }
        }
    }

    fn key(&mut self, root: &Object) -> Option<String> {
        let name = self.text("x-key")?;
        let Some(property) = root.property(&name) else {
            let known = root.properties.iter().map(|property| property.name.as_str());
            let help = match did_you_mean(&name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name the property whose value orders the event".to_owned(),
            };
            self.report("x-key", format!("there is no property `{name}`"), help);
            return None;
        };
        if let Some(reason) = unfit_as_key(property) {
            self.report(
                "x-key",
                format!("`{name}` cannot be the key: {reason}"),
                "a key is a required string, integer or boolean",
            );
            return None;
        }
        Some(name)
    }
}

fn unfit_as_key(property: &Property) -> Option<String> {
    if !property.required {
        return Some("it is not required".to_owned());
    }
    if property.typed.nullable {
        return Some("it can be null".to_owned());
    }
    match &*property.typed.shape {
        Shape::Number => Some("a number with a fraction has no single spelling".to_owned()),
        shape @ (Shape::Array(_) | Shape::Object(_) | Shape::Map(_) | Shape::Any) => {
            Some(format!("it is {}", shape.describe()))
        }
        _ => None,
    }
}
