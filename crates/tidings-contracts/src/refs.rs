//! References between schemas: `#/$defs/line`, `../_shared/money.json#/$defs/money`.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::Files;
use crate::json::{Node, join};
use crate::keywords::visit;
use crate::problem::Problem;

/// A schema's place in the registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Path below the registry's root.
    pub(crate) file: String,
    /// JSON Pointer, empty for the whole document.
    pub(crate) pointer: String,
}

impl Place {
    pub(crate) fn new(file: &str, pointer: &str) -> Self {
        Self { file: file.to_owned(), pointer: pointer.to_owned() }
    }

    /// The place of a schema that is written inside this one.
    pub(crate) fn inner(&self, tokens: &[&str]) -> Self {
        let pointer = tokens.iter().fold(self.pointer.clone(), |pointer, token| join(&pointer, token));
        Self { file: self.file.clone(), pointer }
    }
}

/// The parsed files of a registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents(pub(crate) BTreeMap<String, Node>);

impl Documents {
    pub(crate) fn at(&self, place: &Place) -> Option<&Node> {
        self.0.get(&place.file)?.pointer(&place.pointer)
    }

    /// Some files and all that they refer to, over as many steps as it takes; also those that are not JSON.
    pub(crate) fn reached_from<'f>(&self, files: impl Iterator<Item = &'f String>) -> BTreeSet<String> {
        let mut waiting: Vec<String> = files.cloned().collect();
        let mut reached = BTreeSet::new();
        while let Some(file) = waiting.pop() {
            if let Some(document) = self.0.get(&file) {
                visit(document, "", &mut |schema, _| {
                    let text = schema.get("$ref").and_then(Node::as_str).unwrap_or("");
                    let path = text.split_once('#').map_or(text, |(path, _)| path);
                    waiting.extend(file_of(&file, path).filter(|next| !reached.contains(next)));
                });
            }
            reached.insert(file);
        }
        reached
    }

    /// Where a `$ref` written in `from` leads, or what is wrong with it and what to do.
    pub(crate) fn resolve(&self, from: &str, reference: &str) -> Result<Place, (String, String)> {
        let (path, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if path.contains("://") || path.starts_with("urn:") {
            return Err((
                format!("`{reference}` is remote: a contract must not depend on the network"),
                "copy the definition into the registry, for example to `_shared/`".to_owned(),
            ));
        }
        let file = file_of(from, path).ok_or_else(|| {
            (
                format!("`{reference}` leaves the registry's folder"),
                "move the definition into the registry, for example to `_shared/`".to_owned(),
            )
        })?;
        let pointer = percent_decoded(fragment).unwrap_or_default();
        if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.is_empty() != fragment.is_empty() {
            return Err((
                format!("`{reference}` is not a path into a file"),
                "refer by file and path: `../_shared/money.json#/$defs/money`".to_owned(),
            ));
        }
        let document = self.0.get(&file).ok_or_else(|| {
            (
                format!("`{reference}` names a file that is not there (or not JSON): {file}"),
                "paths start from the file that the reference is written in".to_owned(),
            )
        })?;
        document.pointer(&pointer).ok_or_else(|| {
            (
                format!("there is no `{pointer}` in {file}"),
                "a reference is the file, `#`, and the path of keys: `#/$defs/name`".to_owned(),
            )
        })?;
        Ok(Place { file, pointer })
    }
}

/// Joins a reference's path to the file it is written in; `None` if it leaves the root.
fn file_of(from: &str, path: &str) -> Option<String> {
    if path.is_empty() {
        return Some(from.to_owned());
    }
    if path.starts_with('/') || path.contains('\\') || path.contains(':') {
        return None;
    }
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    let path = percent_decoded(path)?;
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                folders.pop()?;
            }
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// How many references may lead on from one another.
pub(crate) const REFERENCE_DEPTH_MAX: usize = 48;

/// Reports references that lead nowhere, and cycles that no type could hold.
pub(crate) fn check(documents: &Documents, files: &Files) -> Vec<Problem> {
    let mut graph = Graph::default();
    let mut problems = Vec::new();
    for (file, document) in &documents.0 {
        if file.ends_with(".examples.json") {
            continue;
        }
        visit(document, "", &mut |schema, pointer| {
            let Some(reference) = schema.get("$ref") else {
                return;
            };
            let Some(text) = reference.as_str() else {
                return;
            };
            let at = join(pointer, "$ref");
            match documents.resolve(file, text) {
                Ok(target) => graph.edges.push(Edge {
                    from: Place::new(file, pointer),
                    to: target,
                    problem: files.problem(file, reference, &at, "", ""),
                }),
                Err((message, help)) => {
                    problems.push(files.problem(file, reference, &at, message, help));
                }
            }
        });
    }
    graph.edges.sort_by(|a, b| a.from.cmp(&b.from));
    problems.extend(graph.cycles());
    problems
}

#[derive(Default)]
struct Graph {
    /// Sorted by where they are written.
    edges: Vec<Edge>,
}

struct Edge {
    from: Place,
    to: Place,
    /// A problem at this reference, its text still to be said.
    problem: Problem,
}

impl Edge {
    fn problem(&self, message: String, help: &str) -> Problem {
        Problem { message, help: help.to_owned(), ..self.problem.clone() }
    }
}

impl Graph {
    /// One problem for each reference that closes a cycle across files, or leads to nothing but
    /// itself, and one if references lead on from one another for too long.
    fn cycles(&self) -> Vec<Problem> {
        let mut walk = Walk { graph: self, depths: BTreeMap::new(), problems: Vec::new() };
        let mut too_deep = None;
        for edge in &self.edges {
            let first = Step { place: edge.to.clone(), is_all: false };
            let depth = walk.depth_below(&edge.to, &mut vec![first]);
            if depth >= REFERENCE_DEPTH_MAX && too_deep.is_none() {
                let message = format!("{REFERENCE_DEPTH_MAX} and more references lead on from here");
                too_deep = Some(edge.problem(message, "write definitions where they are used"));
            }
        }
        walk.problems.extend(too_deep);
        walk.problems
    }

    /// The references written in the schema at a place, or in a schema inside it.
    fn below<'g>(&'g self, place: &'g Place) -> impl Iterator<Item = &'g Edge> {
        let start = self.edges.partition_point(|edge| edge.from < *place);
        let same_prefix =
            |edge: &&Edge| edge.from.file == place.file && edge.from.pointer.starts_with(&place.pointer);
        self.edges[start..].iter().take_while(same_prefix).filter(move |edge| {
            let rest = &edge.from.pointer[place.pointer.len()..];
            rest.is_empty() || rest.starts_with('/')
        })
    }
}

/// A place on the way, and whether the one before it is nothing but the reference to it.
struct Step {
    place: Place,
    is_all: bool,
}

struct Walk<'g> {
    graph: &'g Graph,
    /// The longest chain of references that starts at a place.
    depths: BTreeMap<Place, usize>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn depth_below(&mut self, place: &Place, path: &mut Vec<Step>) -> usize {
        if let Some(depth) = self.depths.get(place) {
            return *depth;
        }
        if path.len() > REFERENCE_DEPTH_MAX {
            return 0;
        }
        let graph = self.graph;
        let mut deepest = 0;
        for edge in graph.below(place) {
            let is_all = edge.from == *place;
            if let Some(start) = path.iter().position(|step| step.place == edge.to) {
                self.report_cycle(edge, is_all, &path[start..]);
                continue;
            }
            path.push(Step { place: edge.to.clone(), is_all });
            deepest = deepest.max(1 + self.depth_below(&edge.to, path));
            path.pop();
        }
        self.depths.insert(place.clone(), deepest);
        deepest
    }

    fn report_cycle(&mut self, edge: &Edge, is_all: bool, cycle: &[Step]) {
        let stops = cycle.iter().map(|step| &step.place).chain([&edge.to]);
        let stops: Vec<String> = stops.map(|place| format!("{}#{}", place.file, place.pointer)).collect();
        let stops = stops.join(" -> ");
        if cycle.iter().any(|step| step.place.file != edge.to.file) {
            self.problems.push(edge.problem(
                format!("references go round in a circle across files: {stops}"),
                "put the definitions that need each other into one file",
            ));
        } else if is_all && cycle[1..].iter().all(|step| step.is_all) {
            self.problems.push(edge.problem(
                format!("this reference only leads back to itself: {stops}"),
                "say what the definition is",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_references() {
        for (from, path, file) in [
            ("a.b/v1.json", "", Some("a.b/v1.json")),
            ("a.b/v1.json", "v2.json", Some("a.b/v2.json")),
            ("a.b/v1.json", "../_shared/money.json", Some("_shared/money.json")),
            ("a.b/v1.json", "./x%20y.json", Some("a.b/x y.json")),
            ("a.b/v1.json", "../../secret.json", None),
            ("a.b/v1.json", "/etc/passwd", None),
            ("a.b/v1.json", "..\\x.json", None),
            ("a.b/v1.json", "%2e%2e/%2e%2e/x.json", None),
            ("a.b/v1.json", "file:x.json", None),
        ] {
            assert_eq!(file_of(from, path).as_deref(), file, "{path}");
        }
    }
}
