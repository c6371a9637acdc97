//! The crate from outside: folders, problems, types, readers, and other people's schemas.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bundle;
mod corpora;
mod folder;
mod problems;
mod reads;
mod types;

use tidings_contracts::{Files, Loaded, Registry};

/// Files from one text: each begins with a line `--- path`.
fn files(text: &str) -> Files {
    let sections = text.split("--- ").skip(1);
    sections.fold(Files::new("schemas"), |files, section| {
        let (path, content) = section.split_once('\n').unwrap_or((section, ""));
        files.with(path.trim(), content)
    })
}

fn load(text: &str) -> Loaded {
    Registry::from_files(files(text), Vec::new())
}

/// A contract `things.made` with these members of `properties`, all required or none.
fn contract(properties: &str, required: &str) -> String {
    format!(
        r##"{{"x-owner": "things", "type": "object", "additionalProperties": false,
            "required": {required}, "properties": {{{properties}}},
            "$defs": {{
              "point": {{"type": "object", "additionalProperties": false, "required": ["x"],
                        "properties": {{"x": {{"type": "number"}}, "y": {{"type": "number"}}}}}},
              "node": {{"type": "object", "additionalProperties": false,
                       "properties": {{"children": {{"type": "array", "items": {{"$ref": "#/$defs/node"}}}}}}}},
              "when": {{"type": "string", "format": "date-time"}},
              "email": {{"type": "string", "format": "email", "x-pii": true}}
            }}}}"##
    )
}
