//! What the server says of the plans that it follows (`auto_explain`), and where the statements stand.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Tables that grow with what an application does, and not with what it is.
const LARGE: [&str; 9] = [
    "tidings_log",
    "tidings_receipts",
    "tidings_parked",
    "tidings_outcomes",
    "tidings_jobs",
    "tidings_jobs_live",
    "tidings_jobs_ended",
    "tidings_unique",
    "tidings_attempts",
];

/// Takes what servers say to their sessions.
#[derive(Clone, Default)]
pub(super) struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Notices {
    fn enabled(&self, metadata: &Metadata<'_>, _ctx: Context<'_, S>) -> bool {
        metadata.target() == "sqlx::postgres::notice"
    }

    fn on_event(&self, event: &Event<'_>, _ctx: Context<'_, S>) {
        event.record(&mut Message(self));
    }
}

struct Message<'a>(&'a Notices);

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}

/// Statements of the store and the bodies of its functions, by name.
pub(super) struct Statements(Vec<(String, String)>);

impl Statements {
    pub(super) fn of_the_store() -> Self {
        let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tidings-postgres");
        let mut all = Vec::new();
        for path in files(&store.join("queries")) {
            let text = std::fs::read_to_string(&path).unwrap();
            all.push((path.file_stem().unwrap().to_string_lossy().into_owned(), squeezed(&text)));
        }
        for path in files(&store.join("migrations")) {
            let text = std::fs::read_to_string(&path).unwrap();
            for function in text.split("CREATE FUNCTION ").skip(1) {
                let (name, rest) = function.split_once('(').unwrap();
                let body = rest.split("$$").nth(1).unwrap();
                all.push((name.to_owned(), squeezed(&without_into(body))));
            }
        }
        Self(all)
    }

    /// The file of a statement, the function that it stands in, or its beginning.
    fn name(&self, text: &str) -> String {
        let text = squeezed(text);
        let named = self.0.iter().find(|(_, whole)| *whole == text);
        let named = named.or_else(|| self.0.iter().find(|(_, whole)| whole.contains(&*text)));
        named.map_or_else(
            || format!("`{}`", text.chars().take(60).collect::<String>()),
            |(name, _)| name.clone(),
        )
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Without white space and the ends of statements.
fn squeezed(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace() && *character != ';').collect()
}

/// As PL/pgSQL hands its statements on: without where a row goes (`SELECT a INTO b FROM c`).
fn without_into(text: &str) -> String {
    let (mut kept, mut is_target, mut before) = (Vec::new(), false, "");
    for word in text.split_whitespace() {
        is_target = match word {
            "INTO" => before != "INSERT",
            _ => is_target && !word.chars().all(char::is_uppercase),
        };
        if !is_target {
            kept.push(word);
        }
        before = word;
    }
    kept.join(" ")
}

/// How each of the large tables is come by: `read_after: tidings_log by tidings_log_xid`.
pub(super) fn accesses(notices: &[String], statements: &Statements) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for notice in notices {
        let Some((_, explained)) = notice.split_once("plan:\n") else { continue };
        let explained: Value = serde_json::from_str(explained).unwrap();
        let name = statements.name(explained["Query Text"].as_str().unwrap());
        walk(&explained["Plan"], None, &mut |table, way| {
            if LARGE.contains(&table) {
                found.insert(format!("{name}: {table} {way}"));
            }
        });
    }
    found
}

fn walk(node: &Value, heap: Option<&str>, found: &mut impl FnMut(&str, String)) {
    let text = |field: &str| node[field].as_str();
    let table = text("Relation Name").or(heap);
    let kind = text("Node Type").unwrap();
    if let Some(table) = table {
        match kind {
            "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
                found(table, format!("by {}", text("Index Name").unwrap()));
            }
            "Seq Scan" | "Sample Scan" => found(table, "whole".to_owned()),
            _ => {}
        }
    }
    // Which table a bitmap is of is said above it.
    let heap = if kind.starts_with("Bitmap") { table } else { None };
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, heap, found);
    }
}
