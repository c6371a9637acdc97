//! Which keywords of JSON Schema hold schemas, and which this registry refuses.

use std::ops::Range;

use crate::json::{Node, Value, join};
use crate::names::did_you_mean;

/// The dialect of every contract.
pub(crate) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

const ONE_SCHEMA: &[&str] = &[
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LIST_OF_SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const MAP_OF_SCHEMAS: &[&str] =
    &["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
const NO_SCHEMAS: &[&str] = &[
    "$comment",
    "$ref",
    "$schema",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
    "x-key",
    "x-kind",
    "x-owner",
    "x-pii",
];

/// Keywords that say something about a schema without restricting what it accepts.
pub(crate) fn is_annotation(keyword: &str) -> bool {
    keyword.starts_with("x-")
        || matches!(
            keyword,
            "$comment"
                | "$defs"
                | "$ref"
                | "$schema"
                | "default"
                | "definitions"
                | "deprecated"
                | "description"
                | "examples"
                | "readOnly"
                | "title"
                | "writeOnly"
        )
}

/// A schema inside a document, or something wrong with the keyword that should hold one.
pub(crate) struct Subschema<'n> {
    pub(crate) pointer: String,
    pub(crate) node: &'n Node,
}

/// The schemas directly inside a schema.
pub(crate) fn subschemas<'n>(schema: &'n Node, pointer: &str) -> Vec<Subschema<'n>> {
    let mut found = Vec::new();
    for member in schema.members() {
        let key = member.key.as_str();
        let pointer = join(pointer, key);
        let node = &member.node;
        if ONE_SCHEMA.contains(&key) {
            found.push(Subschema { pointer, node });
        } else if LIST_OF_SCHEMAS.contains(&key) {
            for (index, node) in node.items().iter().enumerate() {
                let pointer = join(&pointer, &index.to_string());
                found.push(Subschema { pointer, node });
            }
        } else if MAP_OF_SCHEMAS.contains(&key) {
            for inner in node.members() {
                let pointer = join(&pointer, &inner.key);
                let node = &inner.node;
                found.push(Subschema { pointer, node });
            }
        }
    }
    found
}

/// Visits a schema and all schemas inside it, outer first.
pub(crate) fn visit<'n>(schema: &'n Node, pointer: &str, see: &mut impl FnMut(&'n Node, &str)) {
    see(schema, pointer);
    for inner in subschemas(schema, pointer) {
        visit(inner.node, &inner.pointer, see);
    }
}

/// What is wrong with the keywords of one schema (not of those inside it).
pub(crate) struct KeywordError {
    pub(crate) span: Range<usize>,
    pub(crate) keyword: String,
    pub(crate) message: String,
    pub(crate) help: String,
}

pub(crate) fn check(schema: &Node, is_root: bool) -> Vec<KeywordError> {
    let mut errors = Vec::new();
    if !schema.is_object() && schema.as_bool().is_none() {
        errors.push(KeywordError {
            span: schema.span.clone(),
            keyword: String::new(),
            message: "a schema is an object, `true` or `false`".to_owned(),
            help: String::new(),
        });
    }
    let mut seen: Vec<&str> = Vec::new();
    for member in schema.members() {
        let key = member.key.as_str();
        let mut fail = |span: &Range<usize>, message: String, help: String| {
            errors.push(KeywordError { span: span.clone(), keyword: key.to_owned(), message, help });
        };
        if seen.contains(&key) {
            fail(
                &member.key_span,
                format!("`{key}` is written twice"),
                "readers of JSON disagree on which one counts; keep one".to_owned(),
            );
        }
        seen.push(key);
        if let Some((message, help)) = refused(key, &member.node, is_root) {
            fail(&member.key_span, message, help);
        }
        if let Some(message) = malformed(key, &member.node) {
            fail(&member.node.span, message, String::new());
        }
        for twice in repeated(key, &member.node) {
            fail(
                &twice.0,
                format!("`{}` is written twice", twice.1),
                "readers of JSON disagree on which one counts; keep one".to_owned(),
            );
        }
    }
    errors
}

fn refused(key: &str, node: &Node, is_root: bool) -> Option<(String, String)> {
    let known = || {
        let lists = [ONE_SCHEMA, LIST_OF_SCHEMAS, MAP_OF_SCHEMAS, NO_SCHEMAS];
        lists.into_iter().flatten().copied()
    };
    match key {
        // References are paths between files, so a name for the whole document changes none of them.
        "$id" if is_root && node.as_str().is_some() => None,
        "$id" | "id" if node.as_str().is_some() => Some((
            format!("`{key}` is not supported: it moves the base that references start from"),
            "remove it; a contract is named by its folder and file".to_owned(),
        )),
        "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveAnchor" | "$recursiveRef" => Some((
            format!("`{key}` is not supported"),
            "refer by file and path: `\"$ref\": \"#/$defs/name\"`".to_owned(),
        )),
        "$schema" if node.as_str().is_some_and(|text| text.trim_end_matches('#') != DIALECT) => Some((
            "contracts are written in JSON Schema 2020-12".to_owned(),
            format!("write `\"$schema\": \"{DIALECT}\"`"),
        )),
        "format" => unknown_format(node.as_str()?),
        "nullable" => Some((
            "`nullable` is OpenAPI's; JSON Schema does not know it, and null would be refused".to_owned(),
            "add null to the types: `\"type\": [\"string\", \"null\"]`".to_owned(),
        )),
        _ if known().any(|keyword| keyword == key) => None,
        // JSON Schema ignores what it does not know, so that a slip of the pen weakens a contract
        // in silence. Other unknown keywords are somebody's annotations.
        _ => did_you_mean(key, known()).map(|meant| {
            (format!("`{key}` is not a keyword of JSON Schema 2020-12"), format!("did you mean `{meant}`?"))
        }),
    }
}

/// The formats that are checked, of JSON Schema 2020-12 (validation, section 7.3).
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// A format that nobody checks restricts nothing, whatever its author meant.
fn unknown_format(format: &str) -> Option<(String, String)> {
    if FORMATS.contains(&format) {
        return None;
    }
    let help = match did_you_mean(format, FORMATS.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            "say it in keywords that are checked (`pattern`, `minimum`); a mere note is `x-format`".to_owned()
        }
    };
    Some((format!("`{format}` is not a format of JSON Schema 2020-12: it would not be checked"), help))
}

const TYPES: &[&str] = &["array", "boolean", "integer", "null", "number", "object", "string"];

fn malformed(key: &str, node: &Node) -> Option<String> {
    let strings = |node: &Node| {
        matches!(node.value, Value::Array(_)) && node.items().iter().all(|item| item.as_str().is_some())
    };
    match key {
        "type" => {
            let names: Vec<Option<&str>> = match node.value {
                Value::Array(_) => node.items().iter().map(Node::as_str).collect(),
                _ => vec![node.as_str()],
            };
            let wrong =
                names.is_empty() || names.iter().any(|name| !name.is_some_and(|name| TYPES.contains(&name)));
            wrong.then(|| format!("`type` is one or several of {}", TYPES.join(", ")))
        }
        "required" if !strings(node) => Some("`required` is a list of property names".to_owned()),
        "enum" if node.items().is_empty() => Some("`enum` is a list with at least one value".to_owned()),
        "$ref" | "$schema" | "title" | "description" | "format" | "pattern" | "x-owner" | "x-kind"
        | "x-key"
            if node.as_str().is_none() =>
        {
            Some(format!("`{key}` is a string"))
        }
        "x-pii" if node.as_bool().is_none() => Some("`x-pii` is `true` or `false`".to_owned()),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            if !matches!(node.value, Value::Number(_)) =>
        {
            Some(format!("`{key}` is a number"))
        }
        _ if MAP_OF_SCHEMAS.contains(&key) && !node.is_object() => {
            Some(format!("`{key}` is an object of schemas"))
        }
        _ if LIST_OF_SCHEMAS.contains(&key) && node.items().is_empty() => {
            Some(format!("`{key}` is a list with at least one schema"))
        }
        _ => None,
    }
}

/// Names written twice in an object of schemas.
fn repeated<'n>(key: &str, node: &'n Node) -> Vec<(Range<usize>, &'n str)> {
    if !MAP_OF_SCHEMAS.contains(&key) {
        return Vec::new();
    }
    let mut seen = std::collections::BTreeSet::new();
    let members = node.members().iter();
    members
        .filter(|member| !seen.insert(member.key.as_str()))
        .map(|member| (member.key_span.clone(), member.key.as_str()))
        .collect()
}
