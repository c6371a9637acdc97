//! `tidings db`.

use serde_json::Value;
use tidings::store::Store;
use tidings_sqlite::{SqliteConfig, SqliteStore};

use crate::Folder;

#[tokio::test]
async fn on_a_file() {
    let folder = Folder::new("db", &[("tidings.toml", "[store]\npath = \"empty.db\"\n"), ("empty.db", "")]);
    SqliteStore::open(SqliteConfig::new(folder.path.join("shop.db"))).await.unwrap().close().await.unwrap();
    folder.check_filtered(
        &[
            &["db", "status", "--database", "shop.db"],
            &["db", "status", "--database", "shop.db", "--json"],
            &["db", "migrate", "--database", "sqlite:shop.db"],
            &["db", "status"],
            &["db", "migrate"],
            &["db", "status"],
            &["db", "status", "--database", "none.db"],
            &["db", "migrate", "--database", "none.db"],
            &["db", "status", "--database", "mysql://u:s3cret@h/d"],
        ],
        without_times,
    );
    assert!(!folder.path.join("none.db").exists());
}

/// A file that an application has open can be looked at, and not be brought up to date by anybody else.
#[tokio::test]
async fn beside_an_application() {
    let folder = Folder::new("db_beside", &[]);
    let running = SqliteStore::open(SqliteConfig::new(folder.path.join("shop.db"))).await.unwrap();
    assert_eq!(folder.run(&["db", "status", "--database", "shop.db"]).0, 0);
    let (code, _, told) = folder.run(&["db", "migrate", "--database", "shop.db"]);
    assert!(code == 2 && told.contains("in use by another Tidings runtime"), "{told}");
    running.close().await.unwrap();
}

#[test]
#[ignore = "needs PostgreSQL"]
fn on_a_server() {
    let url = std::env::var("TIDINGS_TEST_POSTGRES_URL")
        .expect("TIDINGS_TEST_POSTGRES_URL names a database for tests");
    let schema = format!("cli_{}", std::process::id());
    let folder = Folder::new("db_server", &[]);
    let run =
        |arguments: &[&str]| folder.run(&[arguments, &["--database", &url, "--schema", &schema]].concat());
    let (code, _, told) = run(&["db", "status"]);
    assert!(code == 1 && told.contains("there are no tables of Tidings"), "{told}");
    let (code, _, told) = run(&["flow", "00000000-0000-0000-0000-000000000000"]);
    assert!(code == 2 && told.contains("tidings db migrate"), "who looks makes no tables: {told}");

    let (code, applied, told) = run(&["db", "migrate"]);
    assert!(
        code == 0 && applied.starts_with("applied 1 log\n") && told.contains("up to date"),
        "{applied}{told}"
    );
    let (code, json, _) = run(&["db", "status", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json["version"], json["missing"].as_array().map(Vec::len)),
        (0, &json["known"], Some(0))
    );
    assert!(!json.to_string().contains("postgres:postgres"), "no password is shown");
    let (code, _, told) = run(&["flow", "00000000-0000-0000-0000-000000000000"]);
    assert!(code == 1 && told.contains(&format!("nothing in schema `{schema}` of postgres")), "{told}");
}

/// Points in time become `<time>`.
fn without_times(text: &str) -> String {
    let is_time =
        |word: &str| word.len() > 20 && word.starts_with("20") && word.ends_with('Z') && word.contains('T');
    let line = |line: &str| {
        let words = line.split(' ').map(|word| {
            let bare = word.trim_matches(['"', ',']);
            if is_time(bare) { word.replace(bare, "<time>") } else { word.to_owned() }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
