//! The self-contained schema of a contract.

use serde_json::json;
use tidings_contracts::Validator;

use crate::load;

#[test]
fn shared_definitions_move_in_and_keep_their_meaning() {
    let loaded = load(
        r##"
--- orders.placed/v1.json
{ "x-owner": "orders", "type": "object", "additionalProperties": false,
  "properties": {
    "a": { "$ref": "../_shared/money.json#/$defs/money" },
    "b": { "$ref": "#/$defs/money" },
    "c": { "$ref": "../_shared/money.json#/properties/odd~1name" },
    "d": { "$ref": "../orders.paid/v1.json" },
    "e": { "$ref": "../_shared/tree.json" },
    "f": { "const": { "$ref": "data" } },
    "$ref": { "$ref": "#/$defs/with%20space" }
  },
  "$defs": { "money": { "type": "integer" }, "with space": { "type": "null" } } }
--- _shared/money.json
{ "$defs": { "money": { "type": "object", "properties": { "in": { "$ref": "#/$defs/currency" } } },
             "currency": { "enum": ["EUR"] } },
  "properties": { "odd/name": { "type": "boolean" } } }
--- _shared/tree.json
{ "type": "object", "properties": { "left": { "$ref": "#" } }, "additionalProperties": false }
--- orders.paid/v1.json
{ "x-owner": "orders", "type": "object", "additionalProperties": false,
  "properties": { "back": { "$ref": "../_shared/money.json#/$defs/currency" } } }
"##,
    );
    assert_eq!(loaded.problems, []);
    let contract = &loaded.registry.event("orders.placed").unwrap()[&1];
    assert_eq!(
        contract.files,
        ["orders.placed/v1.json", "_shared/money.json", "_shared/tree.json", "orders.paid/v1.json"]
    );
    let validator = Validator::new(&contract.schema).unwrap();
    for (payload, is_valid) in [
        (json!({"a": {"in": "EUR"}, "b": 5, "c": true, "f": {"$ref": "data"}, "$ref": null}), true),
        (json!({"a": {"in": "USD"}}), false),
        (json!({"b": {"in": "EUR"}}), false),
        (json!({"c": 1}), false),
        (json!({"d": {"back": "EUR"}}), true),
        (json!({"d": {"forth": "EUR"}}), false),
        (json!({"e": {"left": {"left": {}}}}), true),
        (json!({"e": {"left": {"right": {}}}}), false),
        (json!({"f": {}}), false),
        (json!({"$ref": 1}), false),
    ] {
        let violations = validator.violations(&payload);
        assert_eq!(violations.is_empty(), is_valid, "{payload}: {violations:?}");
    }
}

#[test]
fn the_text_does_not_depend_on_spelling() {
    let one = load(
        "--- a.b/v1.json\n{\"x-owner\": \"a\", \"type\": \"object\",\n \"additionalProperties\": false}",
    );
    let other =
        load("--- a.b/v1.json\n{\"additionalProperties\":false,\"type\":\"object\",\"x-owner\":\"a\"}");
    let schema =
        |loaded: &tidings_contracts::Loaded| loaded.registry.contracts().next().unwrap().schema.clone();
    assert_eq!(schema(&one), schema(&other));
}

/// Readers of an integer without bounds are checked for I-JSON's range, so no more may be published.
#[test]
fn bounds_that_are_taken_for_granted_are_written_out() {
    for (schema, number, is_valid) in [
        (r#"{"type": "integer", "minimum": 0}"#, json!(u64::MAX), false),
        (r#"{"type": "integer", "minimum": 0}"#, json!(9_007_199_254_740_991_u64), true),
        (r#"{"type": "integer"}"#, json!(-9_007_199_254_740_992_i64), false),
        (r#"{"type": ["integer", "null"]}"#, json!(9_007_199_254_740_992_i64), false),
        (r#"{"type": ["integer", "null"]}"#, json!(null), true),
        (r#"{"type": "integer", "maximum": 9223372036854775807}"#, json!(i64::MIN), true),
        (r#"{"type": "integer", "minimum": 9007199254740993}"#, json!(i64::MAX), true),
        (r#"{"type": "integer", "enum": [9007199254740993]}"#, json!(9_007_199_254_740_993_i64), true),
        (r#"{"type": "number"}"#, json!(u64::MAX), true),
        (r#"{"type": "number", "not": {"type": "integer"}}"#, json!(u64::MAX), false),
        (r#"{"oneOf": [{"type": "integer"}, {"type": "number"}]}"#, json!(u64::MAX), false),
        (r#"{"oneOf": [{"type": "integer"}, {"type": "null"}]}"#, json!(u64::MAX), false),
        (r##"{"$ref": "../_shared/n.json#/$defs/n"}"##, json!(9_007_199_254_740_992_i64), false),
    ] {
        let contract = crate::contract(&format!(r#""p": {schema}"#), "[]");
        let shared = r#"{"$defs": {"n": {"type": "integer"}}}"#;
        let loaded = load(&format!("--- things.made/v1.json\n{contract}\n--- _shared/n.json\n{shared}"));
        assert_eq!(loaded.problems, []);
        let bundled = &loaded.registry.contracts().next().unwrap().schema;
        let violations = Validator::new(bundled).unwrap().violations(&json!({ "p": number }));
        assert_eq!(violations.is_empty(), is_valid, "{schema} {number}: {violations:?}");
    }
}

#[test]
fn a_name_for_the_whole_document_moves_no_reference() {
    let loaded = load(
        r##"
--- orders.placed/v1.json
{ "$id": "https://example.com/orders/placed", "x-owner": "orders", "type": "object", "additionalProperties": false,
  "properties": { "a": { "$ref": "../_shared/n.json#/$defs/n" }, "b": { "$ref": "#/properties/a" } } }
--- _shared/n.json
{ "$id": "https://example.com/n", "$defs": { "n": { "type": "boolean" } } }
"##,
    );
    assert_eq!(loaded.problems, []);
    let contract = loaded.registry.contracts().next().unwrap();
    let validator = Validator::new(&contract.schema).unwrap();
    assert_eq!(validator.violations(&json!({ "a": true, "b": false })), []);
    assert_eq!(validator.violations(&json!({ "a": 1, "b": 1 })).len(), 2);
}
