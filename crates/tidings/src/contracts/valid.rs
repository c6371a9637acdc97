//! The test that `contracts!` writes into the user's crate.

use tidings_contracts::{Files, Problems, Registry};

/// Validates a registry's schemas and examples, given as texts by path below its folder. They are compiled into the
/// test, which may run where the folder is not.
///
/// # Panics
/// With every problem, its file, line and column.
#[track_caller]
pub fn assert_contracts_are_valid(folder: &str, texts: &[(&str, &str)]) {
    let files = texts.iter().fold(Files::new(folder), |files, (path, text)| files.with(*path, *text));
    let problems = Registry::from_files(files, Vec::new()).problems;
    if !problems.is_empty() {
        panic!("{}", Problems(problems));
    }
}
