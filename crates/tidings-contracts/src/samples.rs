//! Payloads that a contract allows, made to try readers on.

use serde_json::{Map, Number, Value};

/// How much of what is allowed a sample uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Only what is required, each value as small as allowed.
    Least,
    /// Everything that is allowed, each value as large as allowed.
    Most,
    /// Everything that is allowed, null wherever null is.
    Null,
}

/// A `$ref` chain deeper than this is a recursive definition, which needs no further level to be tried.
const DEPTH_MAX: usize = 12;
/// Strings and arrays are not made longer than this, whatever the contract allows.
const LENGTH_MAX: u64 = 64;

/// Payloads at the edges of what a self-contained schema allows: the least, the most, and with nulls. What a pattern or
/// a combination of schemas asks for is not solved, so a caller validates the samples before it believes them.
///
/// # Errors
/// If the schema is not JSON.
pub fn samples(schema: &str) -> Result<Vec<Value>, serde_json::Error> {
    let root: Value = serde_json::from_str(schema)?;
    let mut made = Vec::new();
    for mode in [Mode::Least, Mode::Most, Mode::Null] {
        let sample = sample(&root, &root, mode, 0);
        if !made.contains(&sample) {
            made.push(sample);
        }
    }
    Ok(made)
}

fn sample(root: &Value, schema: &Value, mode: Mode, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| sample(root, target, mode, depth + 1));
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let null = values.iter().find(|value| mode == Mode::Null && value.is_null());
        let edge = if mode == Mode::Least { values.first() } else { values.last() };
        return null.or(edge).cloned().unwrap_or(Value::Null);
    }
    match type_of(schema, mode) {
        Some("object") => object(root, schema, mode, depth),
        Some("array") => array(root, schema, mode, depth),
        Some("string") => Value::String(string(schema, mode)),
        Some("integer") => integer(schema, mode),
        Some("number") => number(schema, mode),
        Some("boolean") => Value::Bool(mode == Mode::Most),
        _ => Value::Null,
    }
}

fn type_of(schema: &Value, mode: Mode) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            let is_null = |name: &&str| *name == "null";
            if mode == Mode::Null { names.find(is_null) } else { names.find(|name| !is_null(name)) }
        }
        _ => None,
    }
}

fn object(root: &Value, schema: &Value, mode: Mode, depth: usize) -> Value {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let wanted = properties.filter(|(name, _)| mode != Mode::Least || required.contains(&name.as_str()));
    let made: Map<String, Value> =
        wanted.map(|(name, schema)| (name.clone(), sample(root, schema, mode, depth + 1))).collect();
    Value::Object(made)
}

fn array(root: &Value, schema: &Value, mode: Mode, depth: usize) -> Value {
    let least = bound(schema, "minItems").unwrap_or(0);
    let most = bound(schema, "maxItems").unwrap_or(2).min(2).max(least);
    let count = if mode == Mode::Least { least } else { most }.min(LENGTH_MAX);
    let items = schema.get("items").unwrap_or(&Value::Null);
    (0..count).map(|_| sample(root, items, mode, depth + 1)).collect()
}

fn bound(schema: &Value, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

fn string(schema: &Value, mode: Mode) -> String {
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => "0192e4a0-7b1c-7def-8123-456789abcdef".to_owned(),
        Some("date-time") if mode == Mode::Least => "2026-01-31T09:30:00Z".to_owned(),
        Some("date-time") => "2026-01-31T09:30:00.123456+02:00".to_owned(),
        Some("date") => "2026-01-31".to_owned(),
        Some("time") => "09:30:00Z".to_owned(),
        Some("email") => "someone@example.org".to_owned(),
        Some("uri" | "iri") => "https://example.org/a".to_owned(),
        Some("hostname") => "example.org".to_owned(),
        Some("ipv4") => "192.0.2.1".to_owned(),
        Some("ipv6") => "2001:db8::1".to_owned(),
        _ => {
            let least = bound(schema, "minLength").unwrap_or(0);
            let most = bound(schema, "maxLength").unwrap_or(least.max(1)).max(least);
            let length = if mode == Mode::Least { least } else { most }.min(LENGTH_MAX.max(least));
            "x".repeat(usize::try_from(length).unwrap_or(0))
        }
    }
}

/// Integers without bounds are taken as I-JSON's (RFC 7493, section 2.2): exact in every implementation.
const INTEGER_MAX: i64 = 9_007_199_254_740_991;

fn integer(schema: &Value, mode: Mode) -> Value {
    let read = |keyword: &str| schema.get(keyword).and_then(Value::as_i64);
    let least = read("minimum").or(read("exclusiveMinimum").map(|n| n + 1)).unwrap_or(-INTEGER_MAX);
    let most = read("maximum").or(read("exclusiveMaximum").map(|n| n - 1)).unwrap_or(INTEGER_MAX);
    let step = read("multipleOf").filter(|step| *step > 0).unwrap_or(1);
    let edge = if mode == Mode::Least { least.div_euclid(step) * step } else { most.div_euclid(step) * step };
    Value::from(if edge < least { edge + step } else { edge })
}

fn number(schema: &Value, mode: Mode) -> Value {
    let read = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let least = read("minimum").or(read("exclusiveMinimum").map(|n| n + 0.5)).unwrap_or(-1.5);
    let most = read("maximum").or(read("exclusiveMaximum").map(|n| n - 0.5)).unwrap_or(1.5);
    let edge = if mode == Mode::Least { least } else { most };
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
        assert_eq!(made[2]["note"], json!(null));
    }

    #[test]
    fn recursion_ends() {
        let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
        assert_eq!(samples(&schema.to_string()).unwrap().len(), 2);
    }
}
