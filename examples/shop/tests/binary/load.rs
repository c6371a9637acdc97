//! `shop load`, and a provider of its own process.

use std::io::BufReader;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::orders::{place, reaches, restock};
use crate::server::{Server, line};
use crate::{shop, text, told};

#[test]
fn a_load_is_borne_and_measured() {
    let output = shop().args(["load", "--rate", "40", "--for", "1s", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let numbers: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&numbers["placed"], &numbers["completed"]), (&json!(40), &json!(40)), "{numbers}");
    assert_eq!((&numbers["refused"], &numbers["unsettled"]), (&json!({}), &json!(0)), "{numbers}");
    let placing = numbers["placing_seconds"].as_f64().unwrap();
    assert!(placing >= 39.0 / 40.0, "orders come at their rate, not as fast as they can: {numbers}");
    let of = |name: &str| numbers["placed_to_completed_ms"][name].as_f64().unwrap();
    assert!(0.0 < of("p50") && of("p50") <= of("p99") && of("p99") <= of("max"), "{numbers}");
}

#[test]
fn a_load_that_is_not_borne_says_so() {
    let server = Server::start_with_retries("[60]", &["--faults", "busy=100"]);
    let load = ["load", "--rate", "20", "--for", "1s", "--settle-seconds", "1", "--url", &server.url()];
    let output = shop().args(load).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    for expected in
        ["20 orders placed in", "20 orders are still under way", "completed                     0,"]
    {
        assert!(text(&output.stdout).contains(expected), "no `{expected}` in\n{}", told(&output));
    }
}

#[test]
fn what_is_no_time_or_rate_is_refused() {
    for arguments in
        [["--for", "0s"], ["--for", "-3s"], ["--for", "soon"], ["--rate", "0"], ["--faults", "rude=1"]]
    {
        let output = shop().arg("load").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
    }
}

#[test]
fn the_provider_can_be_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.jsonl");
    let mut provider = shop()
        .args(["provider", "--port", "0", "--faults", "slow=50,slow-ms=20", "--ledger"])
        .arg(&ledger)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(provider.stdout.take().unwrap());
    assert_eq!(line(&mut said), "faults: slow 50 %");
    let listening = line(&mut said);
    let url = listening.strip_prefix("listening on ").unwrap().split(';').next().unwrap();
    let server = Server::start_with(&["--provider", url]);
    restock(&server, "mug", 1);
    let order = place(&server, "mug");
    reaches(&server, &order, "Completed");
    assert!(std::fs::read_to_string(&ledger).unwrap().contains("\"charge\""));
    drop(server);
    provider.kill().unwrap();
    provider.wait().unwrap();
}
