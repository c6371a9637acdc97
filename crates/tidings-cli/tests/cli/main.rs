//! The built binary, from outside: what it prints where, its exit code, and what it writes.
//!
//! Each case is a snapshot in `tests/snapshots`. After a change of wording:
//! `UPDATE=1 cargo test -p tidings-cli`, and read the diff.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod db;
mod flow;
mod shop;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOUND: &str = r#"{
  "x-owner": "orders", "x-key": "order_id",
  "type": "object", "additionalProperties": false, "required": ["order_id"],
  "properties": { "order_id": { "type": "string", "format": "uuid" } }
}
"#;

const BROKEN: &str = r#"{
  "x-key": "order",
  "type": "object",
  "required": ["order_id"],
  "properties": { "order_id": { "$ref": "../../id.json" } }
}
"#;

#[test]
fn help() {
    let folder = Folder::new("help", &[]);
    folder.check(&[
        &["--help"],
        &["gen", "--help"],
        &["schema", "lint", "--help"],
        &["flow", "--help"],
        &["db", "--help"],
        &["db", "status", "--help"],
    ]);
}

#[test]
fn usage() {
    let folder = Folder::new("usage", &[]);
    folder.check(&[&[], &["gen", "--chekc"], &["gen"], &["schema", "lint", "--schemas", "nowhere"]]);
}

#[test]
fn lint() {
    let folder = Folder::new("lint", &[("schemas/orders.placed/v1.json", SOUND)]);
    folder.check(&[&["schema", "lint"]]);
}

#[test]
fn lint_broken() {
    let folder = Folder::new(
        "lint_broken",
        &[
            ("schemas/orders.placed/v1.json", BROKEN),
            ("schemas/orders.placed/v3.json", "{\n  \"x-owner\": }\n"),
            ("schemas/orders.paid/v1.json", SOUND),
            ("schemas/orders.paid/v1.examples.json", "[{ \"order_id\": \"é\" }]\n"),
        ],
    );
    folder.check(&[&["schema", "lint"]]);
}

/// Files that end too early, or are no text, are shown with their place all the same.
#[test]
fn lint_unreadable() {
    let folder = Folder::new(
        "lint_unreadable",
        &[
            ("schemas/orders.placed/v1.json", "{\n  \"x-owner\": \"orders\",\n"),
            ("schemas/orders.placed/v2.json", ""),
            ("schemas/orders.placed/v3.json", "\u{feff}{}\n"),
            ("schemas/orders.placed/v4.JSON", "{}\n"),
        ],
    );
    fs::write(folder.path.join("schemas/orders.placed/v5.json"), b"{\n  \"\xff\"").unwrap();
    folder.check(&[&["schema", "lint"]]);
}

#[test]
fn generate() {
    let folder = Folder::new("generate", &[("schemas/orders.placed/v1.json", SOUND), ("src/lib.rs", "")]);
    folder.check(&[
        &["gen", "--check"],
        &["gen"],
        &["gen"],
        &["gen", "--check"],
        &["gen", "--out", "nowhere/contracts.rs"],
    ]);
    let out = folder.path.join("src/contracts.rs");
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.contains("pub type Placed = self::placed::V1;"), "{text}");
    let left: Vec<_> = fs::read_dir(folder.path.join("src")).unwrap().collect();
    assert_eq!(left.len(), 2, "a draft was left behind: {left:?}");

    fs::write(&out, text.replace('\n', "\r\n")).unwrap();
    assert_eq!(folder.run(&["gen", "--check"]).0, 0, "line ends are no difference");
}

#[test]
fn generate_stale() {
    let folder = Folder::new(
        "generate_stale",
        &[("schemas/orders.placed/v1.json", SOUND), ("contracts.rs", "// by hand\n")],
    );
    folder.check(&[&["gen", "--out", "contracts.rs", "--check"]]);
    let text = fs::read_to_string(folder.path.join("contracts.rs")).unwrap();
    assert_eq!(text, "// by hand\n", "a check writes nothing");
}

#[test]
fn generate_broken() {
    let folder = Folder::new("generate_broken", &[("schemas/orders.placed/v1.json", BROKEN), ("out.rs", "")]);
    folder.check(&[&["gen", "--out", "out.rs"], &["gen", "--out", "out.rs", "--check"]]);
    let text = fs::read_to_string(folder.path.join("out.rs")).unwrap();
    assert_eq!(text, "", "broken contracts write nothing");
}

/// The file that other tests build is the one that `tidings gen` writes now.
#[test]
fn the_checked_in_file_is_fresh() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tidings/tests");
    let output = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .args(["gen", "--check", "--schemas", "schemas", "--out", "generated/contracts.rs"])
        .current_dir(tests)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

struct Folder {
    name: &'static str,
    path: PathBuf,
}

impl Folder {
    fn new(name: &'static str, files: &[(&str, &str)]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Self { name, path }
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_tidings"))
            .args(arguments)
            .current_dir(&self.path)
            .env_remove("TIDINGS_STORE__PATH")
            .env_remove("TIDINGS_STORE__URL")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }

    /// Runs commands one after the other and compares everything with the snapshot.
    fn check(&self, commands: &[&[&str]]) {
        self.check_filtered(commands, str::to_owned);
    }

    /// The same, but for what `filter` makes equal.
    fn check_filtered(&self, commands: &[&[&str]], filter: fn(&str) -> String) {
        let mut found = String::new();
        for arguments in commands {
            let (code, stdout, stderr) = self.run(arguments);
            writeln!(found, "$ tidings {}", arguments.join(" ")).unwrap();
            writeln!(found, "exit code: {code}").unwrap();
            writeln!(found, "----- stdout -----\n{stdout}----- stderr -----\n{stderr}").unwrap();
        }
        let found = filter(&found);
        let file = format!("tests/snapshots/{}.txt", self.name);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &found).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, expected, "{}", file.display());
    }
}
