//! `cargo xtask tidy`: the invariants of the layout, each a small function with a message that names the file
//! and the remedy. What the compiler and clippy already refuse is not repeated here.

mod closure;
mod floors;
mod manifests;
mod sources;

use crate::workspace::Workspace;
use anyhow::Result;

/// A broken rule: where, what, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) place: String,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

/// Whether nothing was found. Notes are for reading only.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let files = sources::read(workspace)?;
    for note in sources::long_files(&files) {
        println!("note: {}: {}", note.place, note.message);
    }

    let mut findings = Vec::new();
    findings.extend(floors::known_crates_only(workspace));
    findings.extend(floors::arrows_point_down(workspace));
    findings.extend(floors::xtask_stands_apart(workspace));
    findings.extend(closure::heavy_crates_stay_upstairs(workspace)?);
    findings.extend(manifests::libraries_are_described(workspace));
    findings.extend(manifests::lints_are_inherited(workspace));
    findings.extend(manifests::only_crates_are_published(workspace));
    findings.extend(sources::no_machine_paths(&files));
    findings.extend(sources::printing_only_at_the_edge(&files));

    for finding in &findings {
        println!("tidy: {}: {}", finding.place, finding.message);
    }
    println!(
        "tidy: {} members, {} files, findings: {}",
        workspace.members.len(),
        files.len(),
        findings.len()
    );
    Ok(findings.is_empty())
}
