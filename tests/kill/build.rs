//! Compiles the VFS shims against the headers of the SQLite that is linked.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=schemas");
    println!("cargo::rerun-if-changed=vfs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut build = cc::Build::new();
    build.files(["vfs/faults.c", "vfs/shadow.c"]).include("vfs").cargo_metadata(false);
    // Set by libsqlite3-sys, which this package depends on for it.
    if let Some(include) = env::var_os("DEP_SQLITE3_INCLUDE") {
        build.include(include);
    }
    build.compile("tidings_faults");
    println!("cargo::rustc-link-search=native={}", out.display());
    // No Rust code names the shims, so the linker would leave them out.
    println!("cargo::rustc-link-lib=static:+whole-archive=tidings_faults");
}
