//! Reads shapes from schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pii::{holds, holds_beside, is_marked, marks_property};
use super::{Docs, Enum, Home, Integer, Object, Property, SAFE_INTEGER_MAX, Shape, Typed};
use crate::json::{Node, Value};
use crate::keywords::{is_annotation, subschemas};
use crate::refs::{Documents, Place, REFERENCE_DEPTH_MAX};

/// Nesting of schemas that is followed into types; what lies deeper is a plain JSON value.
const DEPTH_MAX: usize = 100;

/// Builds shapes, each definition once: definitions that use each other twice over would else
/// grow without limit.
pub(crate) struct Builder<'d> {
    documents: &'d Documents,
    built: BTreeMap<Place, Typed>,
    /// Definitions that are being built: a reference back to one is a plain JSON value.
    open: BTreeSet<Place>,
    depth: usize,
}

impl<'d> Builder<'d> {
    pub(crate) fn new(documents: &'d Documents) -> Self {
        Self { documents, built: BTreeMap::new(), open: BTreeSet::new(), depth: 0 }
    }

    /// The schema at the place where a contract, or a definition, begins.
    pub(crate) fn definition(&mut self, place: &Place) -> Typed {
        if let Some(typed) = self.built.get(place) {
            return typed.clone();
        }
        let Some(node) = self.documents.at(place) else {
            return anything();
        };
        if self.open.len() > REFERENCE_DEPTH_MAX || !self.open.insert(place.clone()) {
            return self.any(node, place);
        }
        let home = Home { place: place.clone(), is_definition: true };
        let typed = self.schema(node, home);
        self.open.remove(place);
        self.built.insert(place.clone(), typed.clone());
        typed
    }

    fn schema(&mut self, node: &Node, home: Home) -> Typed {
        if self.depth > DEPTH_MAX {
            return self.any(node, &home.place);
        }
        self.depth += 1;
        let typed = if let Some(target) = self.referred(node, &home.place) {
            self.reference(node, &target, &home.place.file)
        } else if let Some((keyword, index)) = or_null(node) {
            self.or_null(node, keyword, index, &home)
        } else {
            self.inline(node, home)
        };
        self.depth -= 1;
        typed
    }

    /// The target of `{"$ref": ...}`, or of `{"allOf": [{"$ref": ...}]}`, which older tools write to
    /// put a description beside it.
    fn referred(&self, node: &Node, at: &Place) -> Option<Place> {
        let reference = match node.get("allOf").map(Node::items) {
            Some([only]) if node.get("type").is_none() && node.get("properties").is_none() => {
                only.get("$ref")
            }
            _ => node.get("$ref"),
        };
        self.documents.resolve(&at.file, reference?.as_str()?).ok()
    }

    fn reference(&mut self, node: &Node, target: &Place, file: &str) -> Typed {
        let mut typed = self.definition(target);
        let narrows =
            node.members().iter().any(|member| !is_annotation(&member.key) && member.key != "allOf");
        if narrows && matches!(*typed.shape, Shape::Object(_) | Shape::Map(_)) {
            // Both sides restrict the same object, which no single struct says.
            typed.shape = Arc::new(Shape::Any);
            typed.pii = holds(self.documents, node, file);
        }
        if narrows && matches!(*typed.shape, Shape::Uuid | Shape::Timestamp | Shape::Date) {
            typed.shape = Arc::new(Shape::String);
        }
        let own = docs(node);
        typed.docs.title = own.title.or(typed.docs.title);
        typed.docs.description = own.description.or(typed.docs.description);
        typed.pii |= holds_beside(self.documents, node, file, &["allOf"]);
        typed
    }

    /// `{"anyOf": [X, {"type": "null"}]}`, which tools write to make a reference nullable.
    fn or_null(&mut self, node: &Node, keyword: &str, index: usize, home: &Home) -> Typed {
        let Some(present) = node.get(keyword).and_then(|list| list.items().get(index)) else {
            return self.any(node, &home.place);
        };
        let typed = self.schema(present, inner(home, &[keyword, &index.to_string()]));
        let own = docs(node);
        Typed {
            nullable: !matches!(*typed.shape, Shape::Any),
            pii: typed.pii || is_marked(node),
            docs: Docs {
                title: own.title.or(typed.docs.title),
                description: own.description.or(typed.docs.description),
            },
            shape: typed.shape,
        }
    }

    /// A value that no type pins down.
    fn any(&self, node: &Node, at: &Place) -> Typed {
        Typed {
            shape: Arc::new(Shape::Any),
            nullable: false,
            pii: holds(self.documents, node, &at.file),
            docs: docs(node),
        }
    }

    fn inline(&mut self, node: &Node, home: Home) -> Typed {
        let file = home.place.file.clone();
        let (types, nullable) = types(node);
        let shape = match types.as_slice() {
            ["string"] => string(node, home),
            ["integer"] => Shape::Integer(range(node)),
            ["number"] | ["integer", "number"] => Shape::Number,
            ["boolean"] => Shape::Boolean,
            ["array"] => self.array(node, &home),
            ["object"] => self.object(node, home),
            _ => Shape::Any,
        };
        let inner_pii = match &shape {
            Shape::Array(item) => item.pii || holds_beside(self.documents, node, &file, &["items"]),
            Shape::Map(item) => {
                item.pii || holds_beside(self.documents, node, &file, &["additionalProperties"])
            }
            Shape::Object(_) => false,
            _ => holds(self.documents, node, &file),
        };
        Typed {
            nullable: nullable && !matches!(shape, Shape::Any),
            shape: Arc::new(shape),
            pii: is_marked(node) || inner_pii,
            docs: docs(node),
        }
    }

    fn array(&mut self, node: &Node, home: &Home) -> Shape {
        if node.get("prefixItems").is_some() {
            return Shape::Any;
        }
        let items = match node.get("items") {
            Some(items) => self.schema(items, inner(home, &["items"])),
            None => anything(),
        };
        Shape::Array(Box::new(items))
    }

    fn object(&mut self, node: &Node, home: Home) -> Shape {
        let properties = node.get("properties").map_or(&[][..], Node::members);
        let additional = node.get("additionalProperties");
        let closed = additional.and_then(Node::as_bool) == Some(false);
        let has_patterns = node.get("patternProperties").is_some();
        let free_keys = match additional {
            Some(schema) if schema.is_object() => true,
            _ => properties.is_empty() && !closed,
        };
        if properties.is_empty() && free_keys && !has_patterns && node.get("required").is_none() {
            let values = match additional {
                Some(schema) => self.schema(schema, inner(&home, &["additionalProperties"])),
                None => anything(),
            };
            return Shape::Map(Box::new(values));
        }
        if free_keys || has_patterns || (!closed && restricts_unknown(node)) {
            return Shape::Any;
        }
        self.object_of(node, properties, home)
    }

    fn object_of(&mut self, node: &Node, members: &[crate::json::Member], home: Home) -> Shape {
        let required: Vec<&str> =
            node.get("required").map_or(&[][..], Node::items).iter().filter_map(Node::as_str).collect();
        let documents = self.documents;
        let mut properties: Vec<Property> = members
            .iter()
            .map(|member| {
                let mut typed = self.schema(&member.node, inner(&home, &["properties", &member.key]));
                typed.pii |= marks_property(documents, node, &home.place.file, &member.key);
                Property {
                    name: member.key.clone(),
                    required: required.contains(&member.key.as_str()),
                    typed,
                }
            })
            .collect();
        for name in required {
            // Required without a schema of its own: any value will do, but it must be kept.
            if properties.iter().all(|property| property.name != name) {
                properties.push(Property { name: name.to_owned(), required: true, typed: anything() });
            }
        }
        Shape::Object(Object { home, properties, docs: docs(node) })
    }
}

/// The keyword and index of the schema that stands beside `null`, if that is all there is.
fn or_null(node: &Node) -> Option<(&'static str, usize)> {
    let restrictions = node.members().iter().filter(|member| !is_annotation(&member.key));
    if restrictions.count() != 1 {
        return None;
    }
    let is_null = |node: &Node| node.get("type").and_then(Node::as_str) == Some("null");
    ["anyOf", "oneOf"].into_iter().find_map(|keyword| match node.get(keyword)?.items() {
        [_, null] if is_null(null) => Some((keyword, 0)),
        [null, _] if is_null(null) => Some((keyword, 1)),
        _ => None,
    })
}

fn inner(home: &Home, tokens: &[&str]) -> Home {
    Home { place: home.place.inner(tokens), is_definition: false }
}

/// A value of which nothing is said.
fn anything() -> Typed {
    Typed { shape: Arc::new(Shape::Any), nullable: false, pii: false, docs: Docs::default() }
}

fn docs(node: &Node) -> Docs {
    let text = |key| Some(node.get(key)?.as_str()?.to_owned());
    Docs { title: text("title"), description: text("description") }
}

/// Whether an open object says something about properties that a struct would drop.
fn restricts_unknown(node: &Node) -> bool {
    const RESTRICTIONS: &[&str] = &[
        "allOf",
        "anyOf",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "maxProperties",
        "minProperties",
        "not",
        "oneOf",
        "propertyNames",
        "then",
        "unevaluatedProperties",
    ];
    let mut members = node.members().iter();
    members.any(|member| RESTRICTIONS.contains(&member.key.as_str()))
}

/// The JSON types that a schema accepts beside `null` (sorted), and whether it accepts `null`.
fn types(node: &Node) -> (Vec<&str>, bool) {
    let allowed = node.get("enum").map(Node::items);
    let constant = node.get("const").map(std::slice::from_ref);
    let values: Option<BTreeSet<&str>> =
        constant.or(allowed).map(|values| values.iter().map(type_of).collect());
    let declared: Option<BTreeSet<&str>> = node.get("type").map(|declared| match declared.value {
        Value::Array(_) => declared.items().iter().filter_map(Node::as_str).collect(),
        _ => declared.as_str().into_iter().collect(),
    });
    let mut types = match (declared, values) {
        (Some(declared), Some(values)) => values
            .into_iter()
            .filter(|name| declared.contains(name) || (*name == "integer" && declared.contains("number")))
            .collect(),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => BTreeSet::new(),
    };
    let nullable = types.remove("null");
    (types.into_iter().collect(), nullable)
}

fn type_of(node: &Node) -> &'static str {
    match &node.value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn string(node: &Node, home: Home) -> Shape {
    let allowed = match node.get("const") {
        Some(only) => Some(std::slice::from_ref(only)),
        None => node.get("enum").map(Node::items),
    };
    if let Some(allowed) = allowed {
        let mut values: Vec<String> = Vec::new();
        for value in allowed.iter().filter_map(Node::as_str) {
            if values.iter().all(|seen| seen != value) {
                values.push(value.to_owned());
            }
        }
        return Shape::Enum(Enum { home, values, docs: docs(node) });
    }
    let is_other = |key: &str| !is_annotation(key) && !matches!(key, "type" | "format");
    if node.members().iter().any(|member| is_other(&member.key)) {
        // A parsed value is written back in one spelling, which a pattern or a length may not accept.
        return Shape::String;
    }
    match node.get("format").and_then(Node::as_str) {
        Some("uuid") => Shape::Uuid,
        Some("date-time") => Shape::Timestamp,
        Some("date") => Shape::Date,
        _ => Shape::String,
    }
}

/// The range of integers that a schema of type integer accepts.
fn range(node: &Node) -> Integer {
    let listed = match node.get("const") {
        Some(only) => std::slice::from_ref(only),
        None => node.get("enum").map_or(&[][..], Node::items),
    };
    let listed: Vec<i128> = listed.iter().filter_map(whole).collect();
    let minimum = [
        node.get("minimum").and_then(ceiling),
        node.get("exclusiveMinimum").and_then(|limit| Some(floor(limit)? + 1)),
        listed.iter().min().copied(),
    ];
    let maximum = [
        node.get("maximum").and_then(floor),
        node.get("exclusiveMaximum").and_then(|limit| Some(ceiling(limit)? - 1)),
        listed.iter().max().copied(),
    ];
    let minimum = minimum.into_iter().flatten().max();
    let maximum = maximum.into_iter().flatten().min();
    // A bound that is declared outside of I-JSON's range says that the contract knows its readers.
    let is_safe = |bound: i128| (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(&bound);
    let lowest = if maximum.is_none_or(is_safe) { -SAFE_INTEGER_MAX } else { i64::MIN.into() };
    let highest = if minimum.is_none_or(is_safe) { SAFE_INTEGER_MAX } else { i64::MAX.into() };
    Integer {
        minimum: minimum.unwrap_or(lowest),
        maximum: maximum.unwrap_or(highest),
        declares_minimum: minimum.is_some(),
        declares_maximum: maximum.is_some(),
    }
}

/// Where integers are without a bound that they are taken to have: place, keyword, and the bound.
///
/// Only where a type comes of the schema: inside `not` or `oneOf` a bound more would let more in.
pub(crate) fn undeclared_bounds(node: &Node) -> Vec<(String, &'static str, i64)> {
    let mut found = Vec::new();
    collect_bounds(node, "", &mut found);
    found
}

fn collect_bounds(node: &Node, pointer: &str, found: &mut Vec<(String, &'static str, i64)>) {
    found.extend(bounds_of(node).into_iter().map(|(keyword, bound)| (pointer.to_owned(), keyword, bound)));
    let oneof = if or_null(node).is_some() { "oneOf" } else { "" };
    for inner in subschemas(node, pointer) {
        let below = inner.pointer.get(pointer.len() + 1..).unwrap_or("");
        let keyword = below.split('/').next().unwrap_or("");
        let is_typed = matches!(
            keyword,
            "$defs" | "additionalProperties" | "allOf" | "anyOf" | "definitions" | "items" | "properties"
        );
        if is_typed || keyword == oneof {
            collect_bounds(inner.node, &inner.pointer, found);
        }
    }
}

/// The bounds of one schema that it does not declare.
fn bounds_of(node: &Node) -> Vec<(&'static str, i64)> {
    let (types, _) = types(node);
    let is_listed = node.get("enum").is_some() || node.get("const").is_some();
    // A reference is built from its target alone, and there its bounds are written.
    if types != ["integer"] || is_listed || node.get("$ref").is_some() {
        return Vec::new();
    }
    let Integer { minimum, maximum, declares_minimum, declares_maximum } = range(node);
    let bounds = [("minimum", minimum, declares_minimum), ("maximum", maximum, declares_maximum)];
    let missing = bounds.into_iter().filter(|(_, _, declared)| !declared);
    missing.filter_map(|(keyword, bound, _)| Some((keyword, i64::try_from(bound).ok()?))).collect()
}

fn whole(node: &Node) -> Option<i128> {
    let Value::Number(number) = &node.value else {
        return None;
    };
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn floor(node: &Node) -> Option<i128> {
    whole(node).or_else(|| fraction(node).map(|value| value.floor() as i128))
}

fn ceiling(node: &Node) -> Option<i128> {
    whole(node).or_else(|| fraction(node).map(|value| value.ceil() as i128))
}

/// A number written with a fraction or an exponent. Casting saturates, and 10^36 is far beyond any
/// integer type, so that adding one to it cannot overflow.
fn fraction(node: &Node) -> Option<f64> {
    match &node.value {
        Value::Number(number) => Some(number.as_f64()?.clamp(-1e36, 1e36)),
        _ => None,
    }
}
