//! The files of a registry, read from a folder or given as texts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::json::{Node, line_column};
use crate::problem::Problem;

/// The largest schema or examples file that is read, in bytes (1 MiB).
pub const FILE_SIZE_MAX: u64 = 1024 * 1024;

/// Event folders hold files; shared folders may be sorted into a few more.
const FOLDER_DEPTH_MAX: usize = 8;

/// The JSON files of a registry as texts, by path below its root (`orders.placed/v1.json`).
///
/// A registry need not be a folder: a check of two git trees fills this from the trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    root: PathBuf,
    texts: BTreeMap<String, String>,
}

impl Files {
    /// No files yet. `root` is what problems put in front of a file's path.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), texts: BTreeMap::new() }
    }

    /// Adds a file; `path` is below the root, with `/` between folders.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.texts.insert(path.into(), text.into());
        self
    }

    /// Reads every `.json` file below a folder.
    ///
    /// Files that cannot be read, are larger than [`FILE_SIZE_MAX`], are not UTF-8, or are symbolic
    /// links to a place outside of the folder are left out, with a problem each.
    #[must_use]
    pub fn read(root: &Path) -> (Self, Vec<Problem>) {
        let mut files = Self::new(root);
        let mut problems = Vec::new();
        match fs::canonicalize(root) {
            Ok(real_root) => files.read_folder("", &real_root, 0, &mut problems),
            Err(error) => problems.push(Problem::of_file(
                root.to_owned(),
                format!("cannot open the registry's folder: {error}"),
                "contracts are files below one folder: `<event>/v1.json`",
            )),
        }
        (files, problems)
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// The text of a file by its path as problems show it.
    #[must_use]
    pub fn text_at(&self, shown: &Path) -> Option<&str> {
        let path = shown.strip_prefix(&self.root).ok()?;
        self.text(&path.to_str()?.replace('\\', "/"))
    }

    /// The paths of all files, below the root.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// The path of a file as problems show it.
    #[must_use]
    pub fn shown(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.texts.iter();
        texts.map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// A problem at a value of a file.
    pub(crate) fn problem(
        &self,
        path: &str,
        node: &Node,
        pointer: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        self.problem_at(path, node.span.clone(), pointer, message, help)
    }

    /// A problem at some bytes of a file.
    pub(crate) fn problem_at(
        &self,
        path: &str,
        span: std::ops::Range<usize>,
        pointer: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let (line, column) = line_column(self.text(path).unwrap_or(""), span.start);
        Problem {
            path: self.shown(path),
            line,
            column,
            span,
            pointer: pointer.to_owned(),
            message: message.into(),
            help: help.into(),
        }
    }

    fn read_folder(&mut self, folder: &str, real_root: &Path, depth: usize, problems: &mut Vec<Problem>) {
        let shown = self.shown(folder);
        let entries = match fs::read_dir(&shown) {
            Ok(entries) => entries,
            Err(error) => {
                return problems.push(Problem::of_file(
                    shown,
                    format!("cannot list the folder: {error}"),
                    "",
                ));
            }
        };
        let mut names = Vec::new();
        for entry in entries {
            match entry.map(|entry| entry.file_name().into_string()) {
                Ok(Ok(name)) => names.push(name),
                Ok(Err(name)) => problems.push(Problem::of_file(
                    shown.join(&name),
                    "its name is not UTF-8, so that no reference could name it",
                    "rename it",
                )),
                Err(error) => problems.push(Problem::of_file(
                    shown.clone(),
                    format!("cannot list the whole folder: {error}"),
                    "",
                )),
            }
        }
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        for name in names {
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let shown = self.shown(&path);
            match read_entry(&shown, real_root) {
                Ok(Entry::Folder) if depth < FOLDER_DEPTH_MAX => {
                    self.read_folder(&path, real_root, depth + 1, problems);
                }
                Ok(Entry::Folder) => problems.push(Problem::of_file(
                    shown,
                    format!("folders are nested deeper than {FOLDER_DEPTH_MAX}"),
                    "keep shared definitions one folder deep",
                )),
                Ok(Entry::Json(text)) => {
                    self.texts.insert(path, text);
                }
                Ok(Entry::Other) => {}
                Err(Refusal { message, help, line, column }) => {
                    problems.push(Problem { line, column, ..Problem::of_file(shown, message, help) });
                }
            }
        }
    }
}

enum Entry {
    Folder,
    Json(String),
    /// Some other file, which is none of the registry's business.
    Other,
}

/// Why a path is not read, and what to do.
struct Refusal {
    message: String,
    help: &'static str,
    line: usize,
    column: usize,
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::because(format!("cannot be read: {error}"))
    }
}

impl Refusal {
    fn because(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: "", line: 1, column: 1 }
    }

    fn with_help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }
}

/// What a path leads to; links that leave the registry are refused.
fn read_entry(path: &Path, real_root: &Path) -> Result<Entry, Refusal> {
    let real = fs::canonicalize(path)?;
    if !real.starts_with(real_root) {
        let refusal = Refusal::because("is a symbolic link to a place outside of the registry");
        return Err(refusal
            .with_help("copy the file into the registry: a contract must not change without a commit here"));
    }
    let metadata = fs::metadata(&real)?;
    if metadata.is_dir() {
        return Ok(Entry::Folder);
    }
    let Some(extension) = path.extension().filter(|extension| extension.eq_ignore_ascii_case("json")) else {
        return Ok(Entry::Other);
    };
    if extension != "json" {
        let refusal = Refusal::because("is left out: only `.json` in small letters is read");
        return Err(refusal.with_help("rename it"));
    }
    // A pipe or a device would block or never end.
    if !metadata.is_file() {
        return Err(Refusal::because("is not a regular file"));
    }
    read_text(&real).map(Entry::Json)
}

fn read_text(path: &Path) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_SIZE_MAX {
        let refusal = Refusal::because(format!("is larger than {FILE_SIZE_MAX} bytes"));
        return Err(
            refusal.with_help("a contract names facts; put large definitions into several shared files")
        );
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..place]).into_owned();
        let (line, column) = line_column(&before, place);
        let refusal = Refusal::because(format!("is not UTF-8, from byte {place} on"));
        Refusal { line, column, ..refusal.with_help("save it as UTF-8") }
    })
}

pub(crate) enum FileKind {
    Schema,
    Examples,
}

/// Reads `v2.json` and `v2.examples.json`.
pub(crate) fn version_of(file: &str) -> Option<(u32, FileKind)> {
    let stem = file.strip_suffix(".json")?;
    let (stem, kind) = match stem.strip_suffix(".examples") {
        Some(stem) => (stem, FileKind::Examples),
        None => (stem, FileKind::Schema),
    };
    let digits = stem.strip_prefix('v')?;
    let is_plain = !digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit());
    let version = digits.parse().ok().filter(|_| is_plain)?;
    Some((version, kind))
}
