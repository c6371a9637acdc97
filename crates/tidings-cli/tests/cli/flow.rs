//! `tidings flow`, on the file of an application that runs meanwhile.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::Folder;
use crate::shop::{Shop, TRACE};

const UNKNOWN: &str = "0198f3c2-7b1e-7c3a-9d10-5a1f0c2b3d4e";

/// Ids of one run are those of no other: each becomes a number, in the order of their appearance.
fn without_ids(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut filtered = String::new();
    let mut word = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_hexdigit() || character == '-' {
            word.push(character);
            continue;
        }
        if word.len() == 36 && word != UNKNOWN && word.matches('-').count() == 4 {
            let number = seen.iter().position(|id| *id == word).unwrap_or_else(|| {
                seen.push(word.clone());
                seen.len() - 1
            });
            word = format!("<id {}>", number + 1);
        }
        filtered.push_str(&word);
        filtered.push(character);
        word.clear();
    }
    filtered.pop();
    filtered
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_running_application() {
    let folder = Folder::new("flow", &[("tidings.toml", "[store]\npath = \"data/shop.db\"\n")]);
    fs::create_dir(folder.path.join("data")).unwrap();
    let shop = Shop::start(&folder.path.join("data/shop.db")).await;
    shop.run().await;
    let flow = shop.app.store().flow_sizes(1).await.unwrap().remove(0).correlation_id.to_string();
    let files = || -> BTreeSet<_> {
        fs::read_dir(folder.path.join("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let before = files();
    folder.check_filtered(
        &[
            &["flow", &flow],
            &["flow", &flow, "--ascii", "--database", "data/shop.db"],
            &["flow", &flow, "--json"],
            &["flow", UNKNOWN],
            &["flow", UNKNOWN, "--json"],
        ],
        without_ids,
    );
    let by_flow = folder.run(&["flow", &flow]);
    let (_, json, _) = folder.run(&["flow", &flow, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let nodes = json["nodes"].as_array().unwrap();
    let ids = nodes.iter().map(|node| node["id"].as_str().unwrap());
    for id in ids.chain([TRACE, &TRACE[3..35]]) {
        assert_eq!(folder.run(&["flow", id]), by_flow, "{id}");
    }
    let schema: Value = serde_json::from_str(tidings::flow::JSON_SCHEMA).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(!json.to_string().contains("alice"), "no payload and no key is shown");
    assert_eq!(files(), before, "nothing was made beside the database");

    shop.app.shutdown().await.unwrap();
    let closed = files();
    assert_eq!(folder.run(&["flow", &flow]), by_flow, "also when the application has ended");
    assert_eq!(files(), closed, "and nothing was left behind");
}

#[test]
fn where_there_is_nothing() {
    let folder = Folder::new(
        "flow_nothing",
        &[
            ("empty.db", ""),
            ("wrong/tidings.toml", "[stroe]\n"),
            ("notes.txt", "these are notes, and no database"),
        ],
    );
    folder.check(&[
        &["flow"],
        &["flow", "order 7"],
        &["flow", UNKNOWN],
        &["flow", UNKNOWN, "--database", "nowhere.db"],
        &["flow", UNKNOWN, "--database", "empty.db"],
        &["flow", UNKNOWN, "--database", "wrong"],
        &["flow", UNKNOWN, "--json", "--ascii"],
    ]);
    let notes = folder.run(&["flow", UNKNOWN, "--database", "notes.txt"]);
    assert_eq!(notes.0, 2);
    assert!(notes.2.contains("notes.txt") && notes.2.contains("not a database"), "{}", notes.2);
    let wrong = Folder { name: "wrong", path: folder.path.join("wrong") };
    let (code, _, text) = wrong.run(&["flow", UNKNOWN]);
    assert!(code == 2 && text.contains("tidings.toml:1:2") && text.contains("--database"), "{text}");
    assert!(!folder.path.join("tidings.db").exists() && !folder.path.join("nowhere.db").exists());
}
