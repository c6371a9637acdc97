//! Payloads that a contract allows, made to try readers on.

use serde_json::{Map, Number, Value};

use crate::refs::percent_decoded;

/// How much of what is allowed a sample uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Only what is required, each value as small as allowed.
    Least,
    /// Every container is there and holds something, but only what is required.
    Bare,
    /// Everything that is allowed, each value as large as allowed.
    Most,
    /// Everything that is allowed, null wherever null is.
    Null,
}

/// One thing that a sample does otherwise than the fullest one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Turn {
    /// Leaves an optional property out.
    Without,
    /// Takes this one of the listed values.
    Listed(usize),
    /// Takes this one of the types.
    Type(usize),
    /// Takes this one of the alternatives of `anyOf` or `oneOf`.
    Branch(usize),
}

/// A `$ref` chain deeper than this is a recursive definition, which needs no further level to be tried.
const DEPTH_MAX: usize = 12;
/// Strings and arrays are not made longer than this, whatever the contract allows.
const LENGTH_MAX: u64 = 64;
/// A contract with more alternatives than this is not tried on all of them.
const SAMPLES_MAX: usize = 256;
/// Definitions that use each other twice over would grow without limit.
const VALUES_MAX: usize = 20_000;

/// Payloads at the edges of what a self-contained schema allows: the least, the most, containers that hold only what is
/// required, nulls, each optional property left out in turn, each listed value, type and alternative, and the `examples`
/// written in the schema. What a pattern or a combination of schemas asks for is not solved, so a caller validates the
/// samples before it believes them.
///
/// # Errors
/// If the schema is not JSON.
pub fn samples(schema: &str) -> Result<Vec<Value>, serde_json::Error> {
    let root: Value = serde_json::from_str(schema)?;
    let written = root.get("examples").and_then(Value::as_array).cloned();
    let mut made = written.unwrap_or_default();
    let mut add = |sample: Value| {
        if !made.contains(&sample) {
            made.push(sample);
        }
    };
    for mode in [Mode::Least, Mode::Bare, Mode::Most, Mode::Null] {
        add(Maker::new(&root, mode, None).make());
    }
    for mode in [Mode::Most, Mode::Bare] {
        let mut first = Maker::new(&root, mode, None);
        first.make();
        first.turns.truncate(SAMPLES_MAX);
        for (path, turn) in first.turns {
            add(Maker::new(&root, mode, Some((path, turn))).make());
        }
    }
    Ok(made)
}

struct Maker<'s> {
    root: &'s Value,
    mode: Mode,
    /// What this sample does otherwise, and where.
    turn: Option<(String, Turn)>,
    /// What could be done otherwise.
    turns: Vec<(String, Turn)>,
    values: usize,
}

impl<'s> Maker<'s> {
    fn new(root: &'s Value, mode: Mode, turn: Option<(String, Turn)>) -> Self {
        Self { root, mode, turn, turns: Vec::new(), values: 0 }
    }

    fn make(&mut self) -> Value {
        let root = self.root;
        self.sample(root, "", 0)
    }

    fn sample(&mut self, schema: &'s Value, path: &str, depth: usize) -> Value {
        self.values += 1;
        if depth > DEPTH_MAX || self.values > VALUES_MAX {
            return Value::Null;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let root = self.root;
            let pointer = target.strip_prefix('#').and_then(percent_decoded);
            let target = pointer.and_then(|pointer| root.pointer(&pointer));
            return target.map_or(Value::Null, |target| self.sample(target, path, depth + 1));
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return self.listed(values, path);
        }
        match self.type_of(schema, path) {
            Some("object") => self.object(schema, path, depth),
            Some("array") => self.array(schema, path, depth),
            Some("string") => Value::String(string(schema, self.mode)),
            Some("integer") => integer(schema, self.mode),
            Some("number") => number(schema, self.mode),
            Some("boolean") => Value::Bool(self.mode == Mode::Most),
            Some(_) => Value::Null,
            None => self.combined(schema, path, depth),
        }
    }

    /// Notes that one of several could be taken, and takes the one whose turn it is, or the usual one.
    fn one_of(&mut self, path: &str, count: usize, usual: usize, turn: fn(usize) -> Turn) -> usize {
        let others = (0..count).filter(|index| *index != usual);
        self.turns.extend(others.map(|index| (path.to_owned(), turn(index))));
        let mut all = 0..count;
        all.find(|index| self.is_turn(path, &turn(*index))).unwrap_or(usual)
    }

    fn is_turn(&self, path: &str, turn: &Turn) -> bool {
        self.turn.as_ref().is_some_and(|(at, its)| at == path && its == turn)
    }

    fn listed(&mut self, values: &[Value], path: &str) -> Value {
        let null = values.iter().position(|value| self.mode == Mode::Null && value.is_null());
        let edge = if self.mode == Mode::Most { values.len().saturating_sub(1) } else { 0 };
        let index = self.one_of(path, values.len(), null.unwrap_or(edge), Turn::Listed);
        values.get(index).cloned().unwrap_or(Value::Null)
    }

    fn type_of(&mut self, schema: &'s Value, path: &str) -> Option<&'s str> {
        match schema.get("type")? {
            Value::String(name) => Some(name),
            Value::Array(names) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                let wants_null = self.mode == Mode::Null;
                let usual = names.iter().position(|name| (*name == "null") == wants_null).unwrap_or(0);
                let index = self.one_of(path, names.len(), usual, Turn::Type);
                names.get(index).copied()
            }
            _ => None,
        }
    }

    /// A schema that only combines others.
    fn combined(&mut self, schema: &'s Value, path: &str, depth: usize) -> Value {
        let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
        if let Some(branches) = list("anyOf").or(list("oneOf")) {
            let is_null = |branch: &Value| branch.get("type").and_then(Value::as_str) == Some("null");
            let wants_null = self.mode == Mode::Null;
            let usual = branches.iter().position(|branch| is_null(branch) == wants_null).unwrap_or(0);
            let index = self.one_of(path, branches.len(), usual, Turn::Branch);
            return branches.get(index).map_or(Value::Null, |branch| self.sample(branch, path, depth + 1));
        }
        match list("allOf").map(Vec::as_slice) {
            Some([first, ..]) => self.sample(first, path, depth + 1),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &'s Value, path: &str, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let required: Vec<&str> = required.filter_map(Value::as_str).collect();
        let mut made = Map::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = crate::json::join(path, name);
            if !required.contains(&name.as_str()) {
                let bare = self.mode == Mode::Bare && !self.is_container(property);
                if self.mode == Mode::Least || bare {
                    continue;
                }
                self.turns.push((path.clone(), Turn::Without));
                if self.is_turn(&path, &Turn::Without) {
                    continue;
                }
            }
            made.insert(name.clone(), self.sample(property, &path, depth + 1));
        }
        let free = schema.get("additionalProperties").filter(|free| free.is_object());
        if let Some(free) = free.filter(|_| self.mode != Mode::Least) {
            let path = crate::json::join(path, "*");
            made.insert("key".to_owned(), self.sample(free, &path, depth + 1));
        }
        Value::Object(made)
    }

    fn is_container(&self, schema: &Value) -> bool {
        let mut schema = schema;
        for _ in 0..DEPTH_MAX {
            let target =
                schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
            match target.and_then(percent_decoded).and_then(|pointer| self.root.pointer(&pointer)) {
                Some(target) => schema = target,
                None => break,
            }
        }
        let is = |name: &Value| matches!(name.as_str(), Some("object" | "array"));
        match schema.get("type") {
            Some(Value::Array(names)) => names.iter().any(is),
            Some(name) => is(name),
            None => schema.get("anyOf").or(schema.get("oneOf")).is_some(),
        }
    }

    fn array(&mut self, schema: &'s Value, path: &str, depth: usize) -> Value {
        let least = bound(schema, "minItems").unwrap_or(0);
        let most = bound(schema, "maxItems").unwrap_or(2).min(2).max(least);
        let count = match self.mode {
            Mode::Least => least,
            Mode::Bare => most.min(least.max(1)),
            Mode::Most | Mode::Null => most,
        };
        let items = schema.get("items").unwrap_or(&Value::Null);
        let path = crate::json::join(path, "[]");
        (0..count.min(LENGTH_MAX)).map(|_| self.sample(items, &path, depth + 1)).collect()
    }
}

fn bound(schema: &Value, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

fn string(schema: &Value, mode: Mode) -> String {
    let is_least = matches!(mode, Mode::Least | Mode::Bare);
    // Nobody here solves a pattern, but whoever wrote it may have shown what it means.
    let shown = schema.get("examples").and_then(Value::as_array);
    if let Some(shown) = shown.and_then(|shown| shown.first()).and_then(Value::as_str) {
        return shown.to_owned();
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => "0192e4a0-7b1c-7def-8123-456789abcdef".to_owned(),
        Some("date-time") if is_least => "2026-01-31T09:30:00Z".to_owned(),
        Some("date-time") => "2026-01-31T09:30:00.123456+02:00".to_owned(),
        Some("date") => "2026-01-31".to_owned(),
        Some("time") => "09:30:00Z".to_owned(),
        Some("duration") => "P1D".to_owned(),
        Some("email") => "someone@example.org".to_owned(),
        Some("uri" | "iri" | "uri-reference") => "https://example.org/a".to_owned(),
        Some("hostname") => "example.org".to_owned(),
        Some("ipv4") => "192.0.2.1".to_owned(),
        Some("ipv6") => "2001:db8::1".to_owned(),
        _ => {
            let least = bound(schema, "minLength").unwrap_or(0);
            let most = bound(schema, "maxLength").unwrap_or(least.max(1)).max(least);
            // Longer than any string should be: then the sample is wrong, and its validation says so.
            let length = if is_least { least } else { most.min(LENGTH_MAX.max(least)) }.min(1 << 20);
            "x".repeat(usize::try_from(length).unwrap_or(0))
        }
    }
}

/// Integers without bounds are taken as I-JSON's (RFC 7493, section 2.2): exact in every implementation.
const INTEGER_MAX: i128 = crate::shape::SAFE_INTEGER_MAX;

fn integer(schema: &Value, mode: Mode) -> Value {
    let read = |keyword: &str| {
        let number = schema.get(keyword)?;
        number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
    };
    let least = read("minimum").or(read("exclusiveMinimum").map(|n| n + 1)).unwrap_or(-INTEGER_MAX);
    let most = read("maximum").or(read("exclusiveMaximum").map(|n| n - 1)).unwrap_or(INTEGER_MAX);
    let step = read("multipleOf").filter(|step| *step > 0).unwrap_or(1);
    let edge = if matches!(mode, Mode::Least | Mode::Bare) { least } else { most };
    let edge = edge.div_euclid(step) * step;
    let edge = if edge < least { edge + step } else { edge };
    let whole = i64::try_from(edge).map(Value::from);
    whole.or_else(|_| u64::try_from(edge).map(Value::from)).unwrap_or(Value::Null)
}

fn number(schema: &Value, mode: Mode) -> Value {
    let read = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let least = read("minimum").or(read("exclusiveMinimum").map(|n| n + 0.5));
    let most = read("maximum").or(read("exclusiveMaximum").map(|n| n - 0.5));
    let edge = if matches!(mode, Mode::Least | Mode::Bare) {
        least.unwrap_or_else(|| most.map_or(-1.5, |most| most - 1.5))
    } else {
        most.unwrap_or_else(|| least.map_or(1.5, |least| least + 1.5))
    };
    Number::from_f64(edge).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn edges_of_a_contract() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["id", "lines"],
            "properties": {
                "id": { "type": "string", "format": "uuid" },
                "note": { "type": ["string", "null"], "maxLength": 3 },
                "lines": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/line" } }
            },
            "$defs": { "line": { "type": "object", "required": ["n"],
                "properties": { "n": { "type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 2 } } } }
        });
        let made = samples(&schema.to_string()).unwrap();
        let id = "0192e4a0-7b1c-7def-8123-456789abcdef";
        assert_eq!(made[0], json!({ "id": id, "lines": [{ "n": 2 }] }));
        assert_eq!(made[1], json!({ "id": id, "note": "xxx", "lines": [{ "n": 8 }, { "n": 8 }] }));
        assert!(made.iter().any(|sample| sample["note"] == json!(null)));
    }

    #[test]
    fn recursion_ends() {
        let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
        assert!(samples(&schema.to_string()).unwrap().len() < 100);
    }

    fn made(property: Value) -> Vec<Value> {
        let schema = json!({
            "type": "object", "properties": { "p": property },
            "$defs": { "größe": { "type": "string", "maxLength": 2 } }
        });
        samples(&schema.to_string()).unwrap()
    }

    #[test]
    fn every_way_out_is_tried() {
        let lines = json!({ "type": "array", "items": { "type": "object", "properties": {
            "sku": { "type": "string" }, "n": { "type": "integer", "maximum": 5 } } } });
        let listed = json!({ "enum": ["a", "b", "c"] });
        let nested = json!({ "type": "object", "properties": { "q": { "type": "boolean" } } });
        for (property, expected) in [
            (lines.clone(), json!({ "p": [{}] })),
            (lines, json!({ "p": [{ "sku": "x" }, { "sku": "x" }] })),
            (nested, json!({ "p": {} })),
            (listed, json!({ "p": "b" })),
            (json!({ "type": ["string", "integer"] }), json!({ "p": 9_007_199_254_740_991_i64 })),
            (json!({ "oneOf": [{ "const": 1 }, { "const": 2 }] }), json!({ "p": 2 })),
            (json!({ "anyOf": [{ "const": 1 }, { "type": "null" }] }), json!({ "p": null })),
            (json!({ "$ref": "#/$defs/gr%C3%B6%C3%9Fe" }), json!({ "p": "xx" })),
            (
                json!({ "type": "object", "additionalProperties": { "const": 7 } }),
                json!({ "p": { "key": 7 } }),
            ),
            (json!({ "type": "string", "pattern": "^T-", "examples": ["T-1"] }), json!({ "p": "T-1" })),
        ] {
            let found = made(property.clone());
            assert!(found.contains(&expected), "{property}: {found:?}");
        }
    }

    #[test]
    fn bounds_at_the_ends_of_integers_do_not_overflow() {
        made(json!({ "type": "integer", "exclusiveMinimum": i64::MAX }));
        made(json!({ "type": "integer", "exclusiveMaximum": i64::MIN }));
        made(json!({ "type": "integer", "minimum": i64::MIN, "multipleOf": 3 }));
        made(json!({ "type": "integer", "minimum": u64::MAX, "multipleOf": u64::MAX }));
    }
}
