//! What the compiler says about code that must not build.
//!
//! After a change of wording: `TRYBUILD=overwrite cargo test -p tidings-ui-tests`, and read the diff.

use std::io::Write;
use std::process::Command;

/// The compiler whose words the golden files hold. After a change: the command above, and read the diff.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn messages() {
    let compiler = compiler();
    if !compiler.starts_with(COMPILER) {
        let message = format!(
            "the golden messages are those of {COMPILER}x, and this is {compiler}: nothing can be said about them here.\n\
             help: run `rustup run 1.95 cargo test -p tidings-ui-tests`, or raise the version in tests/ui/tests/ui.rs"
        );
        // Unattended, what was not run has failed.
        assert!(std::env::var_os("CI").is_none(), "{message}");
        // Past the harness, which would show it only for a test that fails.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {message}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    match Command::new(&rustc).arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => format!("unknown (`{}` does not run: {error})", rustc.to_string_lossy()),
    }
}
