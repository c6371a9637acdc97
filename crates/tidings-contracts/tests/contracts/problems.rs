//! Each file of `tests/problems` is a registry and what is reported about it, after `=== problems`.
//!
//! After a change of wording: `UPDATE=1 cargo test -p tidings-contracts`, and read the diff.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::load;

#[test]
fn problems_are_reported_with_place_and_remedy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems");
    let mut stale = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let registry = text.split("=== problems").next().unwrap();
        let mut found = format!("{registry}=== problems\n");
        for problem in load(registry).problems {
            writeln!(found, "{problem}").unwrap();
        }
        if found == text {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, found).unwrap();
        } else {
            stale.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}
