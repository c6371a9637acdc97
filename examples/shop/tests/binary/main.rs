//! The built binary, from outside: what it prints, what it answers, how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod demo;
mod http;
mod load;
mod orders;
mod postgres;
mod server;

use std::process::{Command, Output};

use serde_json::json;

/// The binary under test. It reads no configuration but its own.
fn shop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDINGS_")) {
        command.env_remove(name);
    }
    command
        .env_remove("RUST_LOG")
        .env("TIDINGS_STORE__GUARD_TABLES", "true")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn told(output: &Output) -> String {
    format!("{}\n--- stdout\n{}\n--- stderr\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_manifest_tells_who_talks_to_whom() {
    let output = shop().arg("manifest").output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let manifest: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let modules: Vec<_> =
        manifest["modules"].as_array().unwrap().iter().map(|module| &module["module"]).collect();
    assert_eq!(
        modules,
        ["orders", "customers", "shipping", "payments", "inventory", "notifications", "analytics"]
    );
    assert_eq!(manifest["modules"][0]["sends"], json!(["orders.cancel"]));
    let queue = |job: &str| json!({ "job": format!("payments.{job}"), "queue": "payments" });
    assert_eq!(manifest["modules"][3]["jobs"], json!([queue("charge"), queue("refund")]));
    let nightly = json!({ "name": "daily-report", "expression": "0 3 * * *", "zone": "Europe/Berlin",
                          "job": "analytics.report" });
    assert_eq!(manifest["modules"][6]["crons"], json!([nightly]));
}
