//! The tutorial and the crate that it builds are the same, file by file.

use std::collections::BTreeMap;
use std::path::Path;

const TEXT: &str = include_str!("../../../docs/tutorial.md");

/// What a manifest has only because it stands in this repository.
const NOT_IN_THE_TEXT: &str = "\n# Of this repository alone.";

/// The files of the text: blocks that begin with ```` ```rust file=src/main.rs ````.
fn files() -> BTreeMap<&'static str, String> {
    let mut files = BTreeMap::new();
    let mut lines = TEXT.lines();
    while let Some(line) = lines.next() {
        let Some((_, name)) = line.strip_prefix("```").and_then(|line| line.split_once(" file=")) else {
            continue;
        };
        let text: String =
            lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
        assert!(files.insert(name, text).is_none(), "{name} is in the text twice");
    }
    files
}

#[test]
fn the_text_has_every_file_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = files();
    assert!(files.len() >= 10, "{:?}", files.keys());
    for (name, text) in &files {
        let file = std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = file.split(NOT_IN_THE_TEXT).next().unwrap_or_default();
        assert_eq!(file, text, "{name} differs from docs/tutorial.md");
    }
    for file in std::fs::read_dir(root.join("src")).unwrap_or_else(|error| panic!("{error}")) {
        let name = file.map(|file| format!("src/{}", file.file_name().to_string_lossy()));
        let name = name.unwrap_or_else(|error| panic!("{error}"));
        assert!(files.contains_key(name.as_str()), "{name} is not in docs/tutorial.md");
    }
}
