//! Builds again when a contract or a migration is added.

fn main() {
    println!("cargo::rerun-if-changed=schemas");
    println!("cargo::rerun-if-changed=migrations");
}
