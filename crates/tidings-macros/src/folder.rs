//! Folders that macros read, named relative to the user's package.

use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use tidings_contracts::{Loaded, Problem, Registry};

/// The folder that a macro's path names.
pub(crate) fn named(path: &str, span: Span) -> PathBuf {
    let package = package();
    let folder = package.join(path);
    if folder.is_dir() {
        return folder;
    }
    // Compile-fail tests build the user's file in a package made up elsewhere; the file itself still
    // lies in the package that was meant.
    let of_source = package_of_source(span).map(|package| package.join(path));
    of_source.filter(|folder| folder.is_dir()).unwrap_or(folder)
}

/// The nearest folder `schemas`, from the package upwards.
pub(crate) fn nearest_schemas(span: Span) -> Option<PathBuf> {
    let starts = [Some(package()), package_of_source(span)];
    let mut folders = starts.iter().flatten().flat_map(|start| start.ancestors());
    folders.find_map(|folder| {
        let schemas = folder.join("schemas");
        schemas.is_dir().then_some(schemas)
    })
}

fn package() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default()
}

fn package_of_source(span: Span) -> Option<PathBuf> {
    let file = span.unwrap().local_file()?.canonicalize().ok()?;
    let mut folders = file.ancestors();
    let package = folders.find(|folder| folder.join("Cargo.toml").is_file())?;
    Some(package.to_owned())
}

/// A registry and where it lies.
pub(crate) struct Contracts {
    pub(crate) folder: PathBuf,
    pub(crate) loaded: Loaded,
}

impl Contracts {
    pub(crate) fn read(folder: PathBuf) -> Self {
        let loaded = Registry::read(&folder);
        Self { folder, loaded }
    }

    /// A problem as a compiler error shows it, its path as the user would write it.
    pub(crate) fn describe(&self, problem: &Problem) -> String {
        let mut shown = problem.clone();
        if let Some(parent) = self.folder.parent() {
            let path = shown.path.strip_prefix(parent);
            shown.path = path.unwrap_or(&problem.path).to_owned();
        }
        let help = std::mem::take(&mut shown.help);
        if help.is_empty() { shown.to_string() } else { format!("{shown}\nhelp: {help}") }
    }

    /// Items that make the compiler look again when one of the files changes.
    pub(crate) fn rebuild_on<'f>(&self, files: impl IntoIterator<Item = &'f String>) -> TokenStream {
        let paths = files.into_iter().filter_map(|file| text_of(&self.folder.join(file)));
        quote!(#(const _: &str = ::core::include_str!(#paths);)*)
    }
}

/// An absolute path as text for `include_str!`.
pub(crate) fn text_of(path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.to_str().map(str::to_owned)
}
