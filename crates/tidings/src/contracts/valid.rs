//! The test that `contracts!` writes into the user's crate.

use std::path::Path;

use tidings_contracts::Registry;

/// Validates a registry's schemas and examples.
///
/// # Panics
/// With every problem, its file, line and column.
#[track_caller]
pub fn assert_contracts_are_valid(folder: &str) {
    if let Err(problems) = Registry::load(Path::new(folder)) {
        panic!("{problems}");
    }
}
