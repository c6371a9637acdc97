//! From a property's schema to the field's type.

use quote::ToTokens;
use tidings_contracts::rust_types;

use crate::{contract, load};

#[test]
fn schemas_become_the_types_that_hold_them() {
    for (schema, field) in [
        (r#"{"type": "string"}"#, "String"),
        (r#"{"type": "string", "format": "uuid"}"#, "Uuid"),
        (r#"{"type": "string", "format": "date-time"}"#, "Timestamp"),
        (r#"{"type": "string", "format": "date"}"#, "Date"),
        (r#"{"type": "string", "format": "date", "pattern": "^2"}"#, "String"),
        (r#"{"type": "string", "format": "date-time", "maxLength": 20}"#, "String"),
        (r#"{"type": "string", "format": "date-time", "allOf": [{"pattern": "Z$"}]}"#, "String"),
        (r#"{"type": "string", "format": "uuid", "x-note": 1, "description": "An id."}"#, "Uuid"),
        (r##"{"$ref": "#/$defs/when"}"##, "Timestamp"),
        (r##"{"$ref": "#/$defs/when", "maxLength": 20}"##, "String"),
        (r#"{"type": "string", "format": "email"}"#, "String"),
        (r#"{"format": "date"}"#, "Value"),
        (r#"{"enum": ["a", "b"]}"#, "v1::P"),
        (r#"{"enum": ["a", null]}"#, "Option<v1::P>"),
        (r#"{"type": "string", "enum": ["a", null]}"#, "v1::P"),
        (r#"{"enum": ["a", 1]}"#, "Value"),
        (r#"{"const": "a"}"#, "v1::P"),
        (r#"{"const": true}"#, "bool"),
        (r#"{"const": 5}"#, "u32"),
        (r#"{"type": "integer"}"#, "i64"),
        (r#"{"type": "integer", "minimum": 0}"#, "u64"),
        (r#"{"type": "integer", "exclusiveMinimum": -1}"#, "u64"),
        (r#"{"type": "integer", "maximum": 10}"#, "i64"),
        (r#"{"type": "integer", "minimum": 0, "maximum": 10}"#, "u32"),
        (r#"{"type": "integer", "minimum": 0, "maximum": 4294967295}"#, "u32"),
        (r#"{"type": "integer", "minimum": 0, "exclusiveMaximum": 4294967296}"#, "u32"),
        (r#"{"type": "integer", "minimum": 0, "maximum": 4294967296}"#, "u64"),
        (r#"{"type": "integer", "minimum": -1, "maximum": 10}"#, "i32"),
        (r#"{"type": "integer", "minimum": -1, "maximum": 1e10}"#, "i64"),
        (r#"{"type": "integer", "minimum": 0.5, "maximum": 1.5}"#, "u32"),
        (r#"{"type": "integer", "minimum": 0, "maximum": 1e30}"#, "Value"),
        (r#"{"type": "integer", "maximum": 18446744073709551615}"#, "Value"),
        (r#"{"type": "number"}"#, "f64"),
        (r#"{"type": ["integer", "number"]}"#, "f64"),
        (r#"{"enum": [1, 1.5]}"#, "f64"),
        (r#"{"type": "boolean"}"#, "bool"),
        (r#"{"type": ["string", "null"]}"#, "Option<String>"),
        (r#"{"type": ["string", "integer"]}"#, "Value"),
        (r#"{"type": "null"}"#, "Value"),
        (r#"{"type": "array", "items": {"type": "string"}}"#, "Vec<String>"),
        (r#"{"type": "array"}"#, "Vec<Value>"),
        (r#"{"type": "array", "prefixItems": [true]}"#, "Value"),
        (r#"{"type": "array", "items": {"enum": ["a"]}}"#, "Vec<v1::PItem>"),
        (r#"{"type": "object"}"#, "BTreeMap<String, Value>"),
        (
            r#"{"type": "object", "additionalProperties": {"type": ["integer", "null"]}}"#,
            "BTreeMap<String, Option<i64>>",
        ),
        (r#"{"type": "object", "additionalProperties": false}"#, "v1::P"),
        (r#"{"type": "object", "properties": {"q": {"type": "string"}}}"#, "v1::P"),
        (r#"{"type": "object", "required": ["q"]}"#, "Value"),
        (
            r#"{"type": "object", "properties": {"q": true}, "additionalProperties": {"type": "string"}}"#,
            "Value",
        ),
        (r#"{"type": "object", "properties": {"q": true}, "minProperties": 2}"#, "Value"),
        (r#"{"type": "object", "patternProperties": {"^q": true}}"#, "Value"),
        (r##"{"$ref": "#/$defs/point"}"##, "v1::Point"),
        (r##"{"$ref": "#/$defs/point", "description": "Here."}"##, "v1::Point"),
        (r##"{"$ref": "#/$defs/point", "required": ["y"]}"##, "Value"),
        (r##"{"allOf": [{"$ref": "#/$defs/point"}], "title": "Here"}"##, "v1::Point"),
        (r##"{"anyOf": [{"$ref": "#/$defs/point"}, {"type": "null"}]}"##, "Option<v1::Point>"),
        (r##"{"oneOf": [{"type": "null"}, {"type": "string"}]}"##, "Option<String>"),
        (r##"{"oneOf": [{"type": "integer"}, {"type": "string"}]}"##, "Value"),
        (r##"{"$ref": "#/$defs/email"}"##, "String"),
        (r##"{"$ref": "#/$defs/node"}"##, "v1::Node"),
        ("true", "Value"),
    ] {
        let found = field_type(&contract(&format!(r#""p": {schema}"#), r#"["p"]"#));
        assert_eq!(found, field, "{schema}");
        let optional = field_type(&contract(&format!(r#""p": {schema}"#), "[]"));
        let unwrapped = field.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'));
        let expected = format!("Option<{}>", unwrapped.unwrap_or(field));
        assert_eq!(optional, expected, "{schema}, not required");
    }
}

#[test]
fn personal_data_is_masked_wherever_it_is_said() {
    for (schema, is_masked) in [
        (r##"{"oneOf": [{"$ref": "#/$defs/email"}, {"type": "integer"}]}"##, true),
        (r##"{"oneOf": [{"$ref": "#/$defs/point"}, {"type": "integer"}]}"##, false),
        (r##"{"$ref": "#/$defs/person", "required": ["name"]}"##, true),
        (r##"{"$ref": "#/$defs/person"}"##, false),
        (r##"{"type": "object", "oneOf": [{"properties": {"email": {"x-pii": true}}}]}"##, true),
        (r##"{"type": "object", "patternProperties": {"^e": {"$ref": "#/$defs/email"}}}"##, true),
        (r##"{"type": "array", "prefixItems": [{"$ref": "#/$defs/email"}]}"##, true),
        (r##"{"type": "array", "contains": {"$ref": "#/$defs/email"}}"##, true),
        (r##"{"type": "array", "items": {"$ref": "#/$defs/email"}}"##, true),
        (r##"{"type": "array", "items": {"$ref": "#/$defs/person"}}"##, false),
        (r##"{"type": "object", "additionalProperties": {"$ref": "#/$defs/email"}}"##, true),
        (r##"{"type": "string", "allOf": [{"$ref": "#/$defs/email"}]}"##, true),
        (r##"{"if": {"type": "string"}, "then": {"$ref": "#/$defs/email"}}"##, true),
        (r##"{"$ref": "#/$defs/tree", "minProperties": 1}"##, true),
        (r##"{"definitions": {"unused": {"x-pii": true}}}"##, false),
    ] {
        let contract = contract(&format!(r#""p": {schema}"#), "[]").replacen(
            r#""$defs": {"#,
            r##""$defs": {
              "person": {"type": "object", "additionalProperties": false,
                         "properties": {"name": {"type": "string", "x-pii": true}}},
              "tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/tree"},
                                                       "who": {"$ref": "#/$defs/person"}}},"##,
            1,
        );
        let loaded = load(&format!("--- things.made/v1.json\n{contract}"));
        assert_eq!(loaded.problems, [], "{contract}");
        let text = rust_types(&loaded.registry).to_string();
        let masks = text.contains(r#"field ("p" , & :: core :: format_args ! ("<pii>"))"#);
        assert_eq!(masks, is_masked, "{schema}");
    }
}

#[test]
fn a_property_that_only_an_alternative_marks_is_masked() {
    let contract = r#"{"x-owner": "things", "type": "object", "additionalProperties": false,
        "properties": {"email": {"type": "string"}, "id": {"type": "string"}},
        "anyOf": [{"properties": {"email": {"x-pii": true}}}, {"required": ["id"]}]}"#;
    let loaded = load(&format!("--- things.made/v1.json\n{contract}"));
    assert_eq!(loaded.problems, []);
    let text = rust_types(&loaded.registry).to_string();
    assert!(text.contains(r#"field ("email" , & :: core :: format_args ! ("<pii>"))"#), "{text}");
    assert!(text.contains(r#"field ("id" , & self . id)"#), "{text}");
}

/// The type of the first field of `things.made` v1, without the crates in front.
fn field_type(contract: &str) -> String {
    let loaded = load(&format!("--- things.made/v1.json\n{contract}"));
    assert_eq!(loaded.problems, [], "{contract}");
    let file: syn::File = syn::parse2(rust_types(&loaded.registry)).unwrap();
    let structure = find(&file.items, &["things", "made"]).unwrap();
    let field = structure.fields.iter().next().unwrap();
    let text = field.ty.to_token_stream().to_string().replace(' ', "");
    let text = text.replace(',', ", ").replace("self::", "");
    ["::tidings::__private::", "uuid::", "jiff::", "civil::", "serde_json::", "::std::collections::"]
        .iter()
        .fold(text, |text, prefix| text.replace(prefix, ""))
}

fn find<'i>(items: &'i [syn::Item], path: &[&str]) -> Option<&'i syn::ItemStruct> {
    let Some((first, rest)) = path.split_first() else {
        return items.iter().find_map(|item| match item {
            syn::Item::Struct(structure) => Some(structure),
            _ => None,
        });
    };
    items.iter().find_map(|item| match item {
        syn::Item::Mod(module) if module.ident == first => find(&module.content.as_ref()?.1, rest),
        _ => None,
    })
}
