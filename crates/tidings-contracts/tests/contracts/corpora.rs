//! Other people's schemas: whatever they hold, loading ends, with types or with problems.
//!
//! They are read in place, from `TIDINGS_CORPORA` or a folder `shared/corpora` beside the repository;
//! without either there is nothing to do.

use std::fs;
use std::path::{Path, PathBuf};

use tidings_contracts::{FILE_SIZE_MAX, Files, Registry, rust_types};

fn corpora() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TIDINGS_CORPORA") {
        return Some(PathBuf::from(named));
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let beside = repository.parent()?.join("shared/corpora");
    beside.is_dir().then_some(beside)
}

#[test]
fn foreign_schemas_never_panic() {
    let Some(corpora) = corpora() else {
        return;
    };
    let mut texts = Vec::new();
    json_texts(&corpora, &mut texts);
    assert!(texts.len() > 100, "only {} files in {}", texts.len(), corpora.display());
    let mut contracts = 0;
    for (path, text) in texts {
        for schema in schemas_in(&text) {
            let files = Files::new("schemas")
                .with("made.elsewhere/v1.json", closed(&schema))
                .with("_shared/original.json", schema.to_string())
                .with(
                    "made.here/v1.json",
                    r#"{"x-owner": "here", "type": "object", "additionalProperties": false,
                        "properties": {"all": {"$ref": "../_shared/original.json"}}}"#,
                );
            let loaded = Registry::from_files(files, Vec::new());
            let types = rust_types(&loaded.registry);
            let parsed = syn::parse2::<syn::File>(types);
            assert!(parsed.is_ok(), "{}: {schema}", path.display());
            let found = loaded.registry.contracts().count();
            assert!(found > 0 || !loaded.problems.is_empty(), "{}: {schema}", path.display());
            contracts += found;
        }
    }
    assert!(contracts > 100, "only {contracts} contracts could be loaded");
}

/// The schema itself, or those of a test suite's groups.
fn schemas_in(text: &str) -> Vec<serde_json::Value> {
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Array(groups)) => {
            groups.iter().filter_map(|group| group.get("schema").cloned()).collect()
        }
        Ok(schema) => vec![schema],
        Err(_) => Vec::new(),
    }
}

/// The schema with what a contract has to say.
fn closed(schema: &serde_json::Value) -> String {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$id");
        members.remove("$schema");
        members.remove("title");
        members.insert("x-owner".to_owned(), "elsewhere".into());
        members.insert("type".to_owned(), "object".into());
        members.insert("additionalProperties".to_owned(), false.into());
    }
    schema.to_string()
}

fn json_texts(folder: &Path, texts: &mut Vec<(PathBuf, String)>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            json_texts(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "json")
            && fs::metadata(&path).is_ok_and(|metadata| metadata.len() < FILE_SIZE_MAX)
            && let Ok(text) = fs::read_to_string(&path)
        {
            texts.push((path, text));
        }
    }
}
