//! One self-contained schema per contract: definitions from shared files move into `$defs`, and the
//! bounds that integers have without saying so are written out, so that what is published is within
//! what readers are checked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::{Node, canonical};
use crate::keywords::{DIALECT, visit};
use crate::refs::{Documents, Place};
use crate::shape::undeclared_bounds;

pub(crate) struct Bundle {
    /// The schema in canonical JSON.
    pub(crate) schema: String,
    /// The files it was made from, the contract's own first.
    pub(crate) files: Vec<String>,
}

/// Bundles the document of a file whose references are known to lead somewhere.
pub(crate) fn bundle(documents: &Documents, file: &str) -> Bundle {
    let mut bundler = Bundler::new(documents, file);
    let mut schema = bundler.embed(&Place::new(file, ""));
    let mut definitions = BTreeMap::new();
    while let Some((place, key)) = bundler.waiting.pop() {
        definitions.insert(key, bundler.embed(&place));
    }
    if let Some(root) = schema.as_object_mut() {
        root.insert("$schema".to_owned(), DIALECT.into());
        if !definitions.is_empty() {
            let all = root.entry("$defs").or_insert_with(|| serde_json::Map::new().into());
            if let Some(all) = all.as_object_mut() {
                all.extend(definitions);
            }
        }
    }
    let mut files = vec![file.to_owned()];
    let others: BTreeSet<&String> = bundler.keys.keys().map(|place| &place.file).collect();
    files.extend(others.into_iter().cloned());
    Bundle { schema: canonical(&schema), files }
}

struct Bundler<'d> {
    documents: &'d Documents,
    root_file: &'d str,
    keys: BTreeMap<Place, String>,
    taken: BTreeSet<String>,
    waiting: Vec<(Place, String)>,
}

impl<'d> Bundler<'d> {
    fn new(documents: &'d Documents, root_file: &'d str) -> Self {
        let own = documents.0.get(root_file).and_then(|root| root.get("$defs"));
        Self {
            documents,
            root_file,
            keys: BTreeMap::new(),
            taken: own.map_or(&[][..], Node::members).iter().map(|member| member.key.clone()).collect(),
            waiting: Vec::new(),
        }
    }

    /// The schema at a place, its references pointing into the bundle.
    fn embed(&mut self, place: &Place) -> serde_json::Value {
        let Some(node) = self.documents.at(place) else {
            return true.into();
        };
        let mut value = node.to_json();
        let is_guest = place.file != self.root_file;
        for (pointer, keyword, bound) in undeclared_bounds(node) {
            if let Some(members) = value.pointer_mut(&pointer).and_then(serde_json::Value::as_object_mut) {
                members.insert(keyword.to_owned(), bound.into());
            }
        }
        visit(node, "", &mut |schema, pointer| {
            let Some(text) = schema.get("$ref").and_then(Node::as_str) else {
                return;
            };
            // Definitions of a whole file that moves in are dropped below, unless they are used.
            if is_guest && is_definition(pointer) {
                return;
            }
            let Ok(target) = self.documents.resolve(&place.file, text) else {
                return;
            };
            let reference = self.reference(target);
            if let Some(slot) = value.pointer_mut(&format!("{pointer}/$ref")) {
                *slot = reference.into();
            }
        });
        if let Some(members) = value.as_object_mut() {
            // It would move the base that the bundle's own references start from.
            members.remove("$id");
        }
        if let Some(members) = value.as_object_mut().filter(|_| is_guest) {
            members.remove("$schema");
            members.remove("$defs");
            members.remove("definitions");
        }
        value
    }

    fn reference(&mut self, target: Place) -> String {
        if target.file == self.root_file {
            return format!("#{}", percent_encoded(&target.pointer));
        }
        let key = match self.keys.get(&target) {
            Some(key) => key.clone(),
            None => {
                let key = self.free_key(&target);
                self.keys.insert(target.clone(), key.clone());
                self.waiting.push((target, key.clone()));
                key
            }
        };
        format!("#/$defs/{key}")
    }

    fn free_key(&mut self, target: &Place) -> String {
        let (stem, name) = names(target);
        let plain = name.clone().unwrap_or_else(|| stem.clone());
        let with_stem = name.map(|name| format!("{stem}.{name}"));
        let numbered = (2..).map(|number| format!("{plain}{number}"));
        let candidates = [plain.clone()].into_iter().chain(with_stem).chain(numbered);
        for key in candidates {
            if self.taken.insert(key.clone()) {
                return key;
            }
        }
        plain
    }
}

fn is_definition(pointer: &str) -> bool {
    pointer.starts_with("/$defs/") || pointer.starts_with("/definitions/")
}

/// The file's stem and the definition's own name, in characters that a pointer need not escape.
fn names(place: &Place) -> (String, Option<String>) {
    let safe = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
    };
    let file = place.file.rsplit('/').next().unwrap_or("");
    let stem = safe(file.strip_suffix(".json").unwrap_or(file));
    let name = place.pointer.rsplit('/').next().filter(|name| !name.is_empty());
    (stem, name.map(safe))
}

fn percent_encoded(pointer: &str) -> String {
    let mut encoded = String::new();
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
