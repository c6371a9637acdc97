//! All contracts of a registry, and everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::bundle::bundle;
use crate::contract::{self, Contract};
use crate::files::{FileKind, Files, version_of};
use crate::json::{Node, Value, join};
use crate::keywords::{self, visit};
use crate::names::{event_name_error, type_name};
use crate::problem::{Problem, Problems};
use crate::refs::{self, Documents};
use crate::shape::Builder;
use crate::unsatisfiable;

/// The contracts of one folder, by event and version.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    events: BTreeMap<String, BTreeMap<u32, Contract>>,
}

/// What could be loaded, and what is wrong with the rest.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The contracts without problems.
    pub registry: Registry,
    /// In the order of files and lines; empty if the registry is sound.
    pub problems: Vec<Problem>,
    /// The texts that were read, for excerpts.
    pub files: Files,
    /// The files that each event's contracts are made from, also those that are broken.
    sources: BTreeMap<String, BTreeSet<String>>,
}

impl Loaded {
    /// Everything that keeps an event's contracts from being loaded: problems of its own files, of those that they
    /// refer to, and of the folder as a whole.
    pub fn problems_of(&self, event: &str) -> impl Iterator<Item = &Problem> {
        let own = self.files.shown(event);
        let root = self.files.shown("");
        let sources = self.sources.get(event).into_iter().flatten();
        let sources: BTreeSet<_> = sources.map(|file| self.files.shown(file)).collect();
        self.problems.iter().filter(move |problem| {
            problem.path.starts_with(&own) || sources.contains(&problem.path) || problem.path == root
        })
    }
}

impl Registry {
    /// Loads a folder whose every contract must be sound.
    ///
    /// # Errors
    /// Every problem of every file, each with its place.
    pub fn load(root: &Path) -> Result<Self, Problems> {
        let Loaded { registry, problems, .. } = Self::read(root);
        if problems.is_empty() { Ok(registry) } else { Err(Problems(problems)) }
    }

    /// Loads what is sound in a folder, and lists the problems of the rest.
    #[must_use]
    pub fn read(root: &Path) -> Loaded {
        let (files, problems) = Files::read(root);
        Self::from_files(files, problems)
    }

    /// Like [`Registry::read`], from texts that were read before (with `problems` of that reading).
    #[must_use]
    pub fn from_files(files: Files, problems: Vec<Problem>) -> Loaded {
        Self::from_files_with(files, problems, cfg!(feature = "validate"))
    }

    pub(crate) fn from_files_with(files: Files, problems: Vec<Problem>, validates: bool) -> Loaded {
        let mut loader = Loader { files: &files, documents: Documents::default(), problems, validates };
        loader.parse();
        loader.check_documents();
        let sources = loader.sources();
        let all_sources = sources
            .iter()
            .map(|(name, source)| (name.clone(), loader.documents.reached_from(source.versions.values())))
            .collect();
        let registry = loader.contracts(&sources);
        let mut problems = loader.problems;
        problems.sort_by(|a, b| {
            (&a.path, a.line, a.column, &a.message).cmp(&(&b.path, b.line, b.column, &b.message))
        });
        problems.dedup();
        Loaded { registry, problems, files, sources: all_sources }
    }

    /// The versions of an event, ascending.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<&BTreeMap<u32, Contract>> {
        self.events.get(name)
    }

    /// All events with their versions.
    pub fn events(&self) -> impl Iterator<Item = (&str, &BTreeMap<u32, Contract>)> {
        let events = self.events.iter();
        events.map(|(name, versions)| (name.as_str(), versions))
    }

    /// All contracts, by event and version.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.events.values().flat_map(BTreeMap::values)
    }
}

/// The files of one event that look like versions.
#[derive(Default)]
struct Source {
    versions: BTreeMap<u32, String>,
    examples: BTreeMap<u32, String>,
}

struct Loader<'f> {
    files: &'f Files,
    documents: Documents,
    problems: Vec<Problem>,
    /// Whether the rules of JSON Schema are checked, for which it must be compiled in.
    validates: bool,
}

impl Loader<'_> {
    fn parse(&mut self) {
        for (path, text) in self.files.iter() {
            match Node::parse(text) {
                Ok(node) => {
                    self.documents.0.insert(path.to_owned(), node);
                }
                Err(error) => self.problems.push(self.files.problem_at(
                    path,
                    error.at..text.ceil_char_boundary(error.at + 1).max(error.at),
                    "",
                    format!("is not JSON: {}", error.message),
                    error.help,
                )),
            }
        }
    }

    fn check_documents(&mut self) {
        for (path, document) in &self.documents.0 {
            if path.ends_with(".examples.json") {
                continue;
            }
            let before = self.problems.len();
            visit(document, "", &mut |schema, pointer| {
                for error in keywords::check(schema, pointer.is_empty()) {
                    let pointer = if error.keyword.is_empty() {
                        pointer.to_owned()
                    } else {
                        join(pointer, &error.keyword)
                    };
                    let problem =
                        self.files.problem_at(path, error.span, &pointer, error.message, error.help);
                    self.problems.push(problem);
                }
            });
            #[cfg(feature = "validate")]
            if self.validates && self.problems.len() == before {
                for violation in crate::validate::schema_violations(&document.to_json()) {
                    self.problems.push(violation.at(self.files, path, document, ""));
                }
            }
            #[cfg(not(feature = "validate"))]
            let _ = (before, self.validates);
        }
        self.problems.extend(refs::check(&self.documents, self.files));
        self.problems.extend(unsatisfiable::check(&self.documents, self.files));
    }

    /// Sorts the files into events and versions; reports names that are neither.
    fn sources(&mut self) -> BTreeMap<String, Source> {
        let mut sources: BTreeMap<String, Source> = BTreeMap::new();
        let mut misnamed = BTreeSet::new();
        for (path, _) in self.files.iter() {
            let Some((folder, file)) = path.split_once('/') else {
                self.problems.push(Problem::of_file(
                    self.files.shown(path),
                    "lies beside the event folders",
                    "contracts are `<event>/v1.json`; shared definitions lie in `_shared/`",
                ));
                continue;
            };
            if folder.starts_with('_') {
                continue;
            }
            if let Some(reason) = event_name_error(folder) {
                if misnamed.insert(folder) {
                    self.problems.push(Problem::of_file(
                        self.files.shown(folder),
                        format!("`{folder}` is not an event's name: {reason}"),
                        "name the event `<owner>.<past-tense>`, for example `orders.placed`; \
                         folders of shared definitions begin with `_`",
                    ));
                }
                continue;
            }
            let source = sources.entry(folder.to_owned()).or_default();
            match version_of(file) {
                Some((version, FileKind::Schema)) => {
                    source.versions.insert(version, path.to_owned());
                }
                Some((version, FileKind::Examples)) => {
                    source.examples.insert(version, path.to_owned());
                }
                None => self.problems.push(Problem::of_file(
                    self.files.shown(path),
                    format!("`{file}` is neither a version nor examples of one"),
                    "name it `v1.json` or `v1.examples.json`; shared definitions lie in `_shared/`",
                )),
            }
        }
        for (name, source) in &sources {
            self.check_versions(name, source);
        }
        self.check_rust_names(sources.keys());
        sources
    }

    fn check_versions(&mut self, name: &str, source: &Source) {
        let newest = source.versions.keys().last().copied().unwrap_or(0);
        let missing: Vec<String> = (1..=newest)
            .take(10_000)
            .filter(|version| !source.versions.contains_key(version))
            .take(4)
            .map(|version| format!("v{version}"))
            .collect();
        if !missing.is_empty() {
            self.problems.push(Problem::of_file(
                self.files.shown(name),
                format!("v{newest} is there, but not {}", missing.join(", ")),
                "versions count up from 1 without gaps; a published version is never removed",
            ));
        }
        for (version, path) in &source.examples {
            if !source.versions.contains_key(version) {
                self.problems.push(Problem::of_file(
                    self.files.shown(path),
                    format!("these are examples of v{version}, which is not there"),
                    "write the contract first",
                ));
            }
        }
    }

    /// Two names that differ only in dashes would be the same Rust type.
    fn check_rust_names<'n>(&mut self, names: impl Iterator<Item = &'n String>) {
        let mut seen: BTreeMap<Vec<String>, &str> = BTreeMap::new();
        for name in names {
            let rust = name.split('.').map(|part| type_name(part, "Event"));
            if let Some(first) = seen.insert(rust.collect(), name) {
                self.problems.push(Problem::of_file(
                    self.files.shown(name),
                    format!("`{name}` and `{first}` would be the same type in Rust"),
                    "choose names that differ in more than dashes",
                ));
            }
        }
    }

    fn contracts(&mut self, sources: &BTreeMap<String, Source>) -> Registry {
        let documents = std::mem::take(&mut self.documents);
        let mut builder = Builder::new(&documents);
        let mut registry = Registry::default();
        for (name, source) in sources {
            for (version, file) in &source.versions {
                let Some(document) = documents.0.get(file) else {
                    continue;
                };
                let title = format!("{name}.v{version}");
                match contract::read(self.files, file, &title, document, &mut builder) {
                    Err(problems) => self.problems.extend(problems),
                    Ok((annotations, root)) => {
                        let bundle = bundle(&documents, file);
                        if self.blames_any(&bundle.files) {
                            continue;
                        }
                        let mut contract = Contract {
                            name: name.clone(),
                            version: *version,
                            owner: annotations.owner,
                            kind: annotations.kind,
                            key: annotations.key,
                            schema: bundle.schema,
                            files: bundle.files,
                            examples: Vec::new(),
                            root,
                        };
                        let examples = source.examples.get(version);
                        self.examples(&mut contract, examples, &documents);
                        let versions = registry.events.entry(name.clone()).or_default();
                        versions.insert(*version, contract);
                    }
                }
            }
        }
        registry
    }

    fn blames_any(&self, files: &[String]) -> bool {
        let shown: Vec<_> = files.iter().map(|file| self.files.shown(file)).collect();
        self.problems.iter().any(|problem| shown.contains(&problem.path))
    }

    fn examples(&mut self, contract: &mut Contract, file: Option<&String>, documents: &Documents) {
        #[cfg(feature = "validate")]
        let validator = match self.validates.then(|| crate::validate::Validator::new(&contract.schema)) {
            None => None,
            Some(Ok(validator)) => Some(validator),
            Some(Err(violation)) => {
                let own = &contract.files[0];
                if let Some(document) = documents.0.get(own) {
                    self.problems.push(violation.at(self.files, own, document, ""));
                }
                return;
            }
        };
        let Some((file, document)) = file.and_then(|file| Some((file, documents.0.get(file)?))) else {
            return;
        };
        if !matches!(document.value, Value::Array(_)) {
            self.problems.push(self.files.problem(
                file,
                document,
                "",
                "examples are a list of payloads",
                "put the payload into `[` `]`",
            ));
            return;
        }
        contract.examples = document.items().iter().map(Node::to_json).collect();
        #[cfg(feature = "validate")]
        for (index, example) in contract.examples.iter().enumerate() {
            for violation in validator.iter().flat_map(|validator| validator.violations(example)) {
                let base = format!("/{index}");
                self.problems.push(violation.at(self.files, file, document, &base));
            }
        }
    }
}
