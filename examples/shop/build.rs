//! Rebuilds when a contract or migration is added; edited ones are noticed by the macros themselves.

fn main() {
    for folder in ["schemas", "migrations"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
