//! Which schemas hold personal data, also where no type of its own could say so.

use std::collections::BTreeSet;

use crate::json::Node;
use crate::keywords::subschemas;
use crate::refs::{Documents, Place, REFERENCE_DEPTH_MAX};

/// Whether a schema itself is marked.
pub(super) fn is_marked(node: &Node) -> bool {
    node.get("x-pii").and_then(Node::as_bool) == Some(true)
}

/// Whether a schema, one inside it, or one they refer to is marked.
pub(super) fn holds(documents: &Documents, node: &Node, file: &str) -> bool {
    Search { documents, seen: BTreeSet::new() }.any(node, file, 0)
}

/// The same, apart from what some keywords hold: those that become types, which mask for themselves.
pub(super) fn holds_beside(documents: &Documents, node: &Node, file: &str, typed: &[&str]) -> bool {
    let mut search = Search { documents, seen: BTreeSet::new() };
    let mut inner = applied(node).filter(|(keyword, _)| !typed.contains(&keyword.as_str()));
    is_marked(node) || inner.any(|(_, inner)| search.any(inner, file, 0))
}

/// Whether a schema that combines others marks one property there.
pub(super) fn marks_property(documents: &Documents, node: &Node, file: &str, name: &str) -> bool {
    let combining = applied(node).filter(|(keyword, _)| keyword != "properties");
    let mut inner = combining.map(|(_, inner)| inner);
    inner.any(|inner| {
        let own = inner.get("properties").and_then(|properties| properties.get(name));
        let is_own = own.is_some_and(|property| holds(documents, property, file));
        // Where it is said in a roundabout way, rather mask too much.
        let is_elsewhere = inner.get("$ref").is_some() && holds(documents, inner, file);
        is_own || is_elsewhere || marks_property(documents, inner, file, name)
    })
}

/// The schemas inside a schema by keyword, without definitions, which count only where they are referred to.
fn applied(node: &Node) -> impl Iterator<Item = (String, &Node)> {
    subschemas(node, "").into_iter().filter_map(|inner| {
        let keyword = inner.pointer.split('/').nth(1)?.to_owned();
        (!matches!(keyword.as_str(), "$defs" | "definitions")).then_some((keyword, inner.node))
    })
}

struct Search<'d> {
    documents: &'d Documents,
    seen: BTreeSet<Place>,
}

impl Search<'_> {
    fn any(&mut self, node: &Node, file: &str, depth: usize) -> bool {
        // What is too deep to look into is masked.
        if is_marked(node) || depth > REFERENCE_DEPTH_MAX {
            return true;
        }
        let documents = self.documents;
        let target = node.get("$ref").and_then(Node::as_str);
        if let Some(place) = target.and_then(|text| documents.resolve(file, text).ok())
            && self.seen.insert(place.clone())
            && let Some(target) = documents.at(&place)
            && self.any(target, &place.file, depth + 1)
        {
            return true;
        }
        applied(node).any(|(_, inner)| self.any(inner, file, depth))
    }
}
