//! How the functions of the migrations are planned.

use std::collections::BTreeSet;
use std::path::Path;

use tidings_testkit::script::query;

use crate::support::*;

/// They read a whole table on purpose.
const READ_ALL: &[&str] = &["tidings_place_jobs"];

/// Whatever is called from outside says itself how it is planned: behind a pooler nothing else is sure. Settings of a session
/// are lost there, and a plan that is made for an empty queue is kept for a full one.
#[tokio::test]
async fn functions_say_how_they_are_planned() {
    let Some(url) = url() else { return };
    let store = open(&fresh(&url)).await;
    let sql = "SELECT p.proname::text AS name, l.lanname::text AS language,
                      coalesce(array_to_string(p.proconfig, ' '), '') AS settings
               FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
               WHERE p.pronamespace = current_schema()::regnamespace ORDER BY p.proname";
    let called = called_from_outside();
    let mut seen = BTreeSet::new();
    for row in query(store.as_ref(), sql).await.expect("functions are listed") {
        let text = |name| row.get::<String>(name).expect("a text");
        let (name, language, settings) = (text("name"), text("language"), text("settings"));
        // Those in SQL are inlined, unless they have settings.
        let is_planned_alone = language == "plpgsql" || !settings.is_empty();
        if !called.contains(&name) || !is_planned_alone {
            continue;
        }
        assert!(settings.contains("jit=off"), "{name} may be compiled: {settings}");
        if language == "plpgsql" {
            assert!(settings.contains("plan_cache_mode=force_generic_plan"), "{name}: {settings}");
        }
        if !READ_ALL.contains(&&*name) {
            assert!(settings.contains("enable_seqscan=off"), "{name} may read a whole table: {settings}");
        }
        seen.insert(name);
    }
    assert!(seen.len() > 10, "{seen:?}");
}

/// The functions that the statements of this store name.
fn called_from_outside() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    let mut called = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("there are queries") {
        let sql = std::fs::read_to_string(file.expect("a file").path()).expect("a query is text");
        for (at, _) in sql.match_indices("tidings_") {
            let name: String =
                sql[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if sql[at + name.len()..].trim_start().starts_with('(') {
                called.insert(name);
            }
        }
    }
    called
}
