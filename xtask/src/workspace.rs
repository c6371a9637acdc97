//! What the chores know of the workspace: its members, read from `cargo metadata` and the manifests.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};
use std::path::PathBuf;

#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Cargo's one target folder; the chores keep their own state in it, too.
    pub(crate) target: PathBuf,
    pub(crate) members: Vec<Member>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Relative to the root, with forward slashes: `crates/tidings-core`.
    pub(crate) folder: String,
    pub(crate) is_library: bool,
    pub(crate) is_published: bool,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) repository: Option<String>,
    /// Whether its manifest says `[lints] workspace = true`, which excludes lint levels of its own.
    pub(crate) inherits_lints: bool,
    /// Other members it is built from. Development dependencies are not among them.
    pub(crate) depends_on: Vec<String>,
}

impl Workspace {
    /// Without dependencies from outside, so that nothing is resolved or downloaded for it.
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("`cargo metadata` failed; run it alone to see why")?;
        let members = metadata
            .workspace_packages()
            .into_iter()
            .map(|package| member(&metadata, package))
            .collect::<Result<_>>()?;
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            target: metadata.target_directory.into_std_path_buf(),
            members,
        })
    }

    pub(crate) fn has(&self, package: &str) -> bool {
        self.members.iter().any(|member| member.name == package)
    }
}

impl Member {
    pub(crate) fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

fn member(metadata: &Metadata, package: &Package) -> Result<Member> {
    let folder = package
        .manifest_path
        .parent()
        .and_then(|folder| folder.strip_prefix(&metadata.workspace_root).ok())
        .with_context(|| format!("{} is not below the root", package.manifest_path))?;
    let in_workspace = |name: &str| -> bool { metadata.workspace_packages().iter().any(|p| p.name == name) };
    let mut depends_on: Vec<String> = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .filter(|dependency| in_workspace(&dependency.name))
        .map(|dependency| dependency.name.clone())
        .collect();
    depends_on.sort();
    depends_on.dedup();
    Ok(Member {
        name: package.name.to_string(),
        folder: folder.as_str().replace('\\', "/"),
        is_library: package
            .targets
            .iter()
            .any(|target| target.is_kind(TargetKind::Lib) || target.is_kind(TargetKind::ProcMacro)),
        is_published: package.publish.as_ref().is_none_or(|registries| !registries.is_empty()),
        description: package.description.clone(),
        license: package.license.clone(),
        repository: package.repository.clone(),
        inherits_lints: inherits_lints(package)?,
        depends_on,
    })
}

/// `cargo metadata` does not tell, so this one fact is read from the manifest itself.
fn inherits_lints(package: &Package) -> Result<bool> {
    let path = &package.manifest_path;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("{path} is not valid TOML"))?;
    Ok(manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool)
        .unwrap_or(false))
}
