//! Closed objects that require what they do not allow: no value could satisfy them.

use std::collections::BTreeSet;

use crate::files::Files;
use crate::json::{Node, join};
use crate::keywords::visit;
use crate::names::did_you_mean;
use crate::problem::Problem;
use crate::refs::{Documents, Place};

/// Looks at every schema together with those that hold at the same time: its reference, and the members of `allOf`.
pub(crate) fn check(documents: &Documents, files: &Files) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (file, document) in &documents.0 {
        if file.ends_with(".examples.json") {
            continue;
        }
        visit(document, "", &mut |schema, pointer| {
            // What must not hold, or need not, may well be impossible.
            if pointer.split('/').any(|token| matches!(token, "not" | "if")) {
                return;
            }
            let mut parts = Vec::new();
            collect(documents, Place::new(file, pointer), schema, &mut BTreeSet::new(), &mut parts);
            for closed in parts.iter().filter(|part| is_closed(part.schema)) {
                for requiring in &parts {
                    problems.extend(conflicts(files, closed, requiring));
                }
            }
        });
    }
    problems
}

/// Every two of them are compared, and nobody composes a contract of more.
const PARTS_MAX: usize = 100;

/// One of the schemas that a value has to satisfy at once.
struct Part<'d> {
    place: Place,
    schema: &'d Node,
}

fn collect<'d>(
    documents: &'d Documents,
    place: Place,
    schema: &'d Node,
    seen: &mut BTreeSet<Place>,
    parts: &mut Vec<Part<'d>>,
) {
    if parts.len() >= PARTS_MAX || !seen.insert(place.clone()) {
        return;
    }
    let reference = schema.get("$ref").and_then(Node::as_str);
    if let Some(target) = reference.and_then(|text| documents.resolve(&place.file, text).ok())
        && let Some(schema) = documents.at(&target)
    {
        collect(documents, target, schema, seen, parts);
    }
    for (index, member) in schema.get("allOf").map_or(&[][..], Node::items).iter().enumerate() {
        collect(documents, place.inner(&["allOf", &index.to_string()]), member, seen, parts);
    }
    parts.push(Part { place, schema });
}

/// Names chosen by a pattern are not tried.
fn is_closed(schema: &Node) -> bool {
    schema.get("additionalProperties").and_then(Node::as_bool) == Some(false)
        && schema.get("patternProperties").is_none()
}

fn conflicts(files: &Files, closed: &Part<'_>, requiring: &Part<'_>) -> Vec<Problem> {
    let properties = closed.schema.get("properties").map_or(&[][..], Node::members);
    let known = || properties.iter().map(|property| property.key.as_str());
    let required = requiring.schema.get("required").map_or(&[][..], Node::items);
    let is_one = closed.place == requiring.place;
    let mut problems = Vec::new();
    for (index, name) in required.iter().enumerate() {
        let Some(text) = name.as_str().filter(|text| known().all(|known| known != *text)) else {
            continue;
        };
        problems.push(if is_one {
            let help = match did_you_mean(text, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "add it to `properties`, or drop it here".to_owned(),
            };
            let pointer = format!("{}/required/{index}", closed.place.pointer);
            let message = format!("`{text}` is required, but not a property: no payload could be valid");
            files.problem(&closed.place.file, name, &pointer, message, help)
        } else {
            let Place { file, pointer } = &requiring.place;
            let blamed = closed.schema.get("additionalProperties").unwrap_or(closed.schema);
            files.problem(
                &closed.place.file,
                blamed,
                &join(&closed.place.pointer, "additionalProperties"),
                format!("`{text}` is required by {file}#{pointer}, but closed out here: no payload could be valid"),
                format!("`additionalProperties` sees only the `properties` beside it: repeat `\"{text}\": true` there"),
            )
        });
    }
    problems
}
