//! The macros of Tidings. Name them through the crate `tidings`, which their output refers to.
//!
//! They are thin: contracts are read and judged by `tidings-contracts`; what is here finds the
//! folder, puts each error on the user's own token, and writes the implementations.
//!
//! ```text
//! tidings::contracts!("schemas");
//!
//! #[derive(tidings::Reads)]
//! #[reads("orders.placed", versions = "1..=2")]
//! struct OrderRef {
//!     order_id: Uuid,
//! }
//! ```

mod contracts;
mod folder;
mod migrations;
mod named;
mod reads;

use proc_macro::TokenStream;
use syn::{DeriveInput, LitStr, parse_macro_input};

/// Turns a folder of contracts into Rust types.
///
/// The path is relative to the package's `Cargo.toml`. `orders.placed` becomes `orders::placed::V1`,
/// `orders::placed::V2`, ..., and `orders::Placed` for the newest version; `CONTRACTS` lists them
/// all. How schemas become types is written in the documentation of `tidings-contracts`.
///
/// Contracts are JSON Schema 2020-12, apart from what would make a contract depend on more than its files
/// or be read in two ways. Refused are: references to other machines or out of the folder, `$anchor`,
/// `$dynamicAnchor` and `$dynamicRef`, an `$id` inside a document (one at its root is ignored), definitions
/// in *two* files that refer to each other in a circle, formats that nobody checks, other dialects, names
/// written twice, an open root, and closed objects that require what they do not allow.
///
/// An edited file rebuilds the crate. A *new* file is seen at the next build that has another reason;
/// `println!("cargo::rerun-if-changed=schemas")` in a `build.rs` is one.
///
/// # Errors
/// Each problem of the registry is a compile error that names file, line and column. What needs a validator
/// of JSON Schema (the rules of the dialect, patterns, and whether the examples satisfy their contract) is
/// left out of builds: the macro writes a test, `every_contract_and_example_is_valid`, that fails
/// `cargo test` in the same words. `tidings schema lint` and `tidings gen` check all at once.
#[proc_macro]
pub fn contracts(input: TokenStream) -> TokenStream {
    let path = parse_macro_input!(input as LitStr);
    contracts::expand(&path).into()
}

/// Embeds a folder of migrations, `NNNN_name.sql`, sorted by number.
///
/// The path is relative to the package's `Cargo.toml`. The result is an expression of type
/// `&'static [tidings::Migration]`.
///
/// Where the stores want different words, `NNNN_name.sqlite.sql` and `NNNN_name.postgres.sql` stand for the one, or
/// beside it: whoever has no text of its own takes `NNNN_name.sql`. With such files in the folder the result is a
/// `&'static tidings::MigrationsByStore`. `Module::migrations` takes either.
///
/// # Errors
/// Files that are not named so, numbers that are used twice, and a store that is left without a text.
#[proc_macro]
pub fn migrations(input: TokenStream) -> TokenStream {
    let path = parse_macro_input!(input as LitStr);
    migrations::expand(&path).into()
}

/// Declares what a consumer reads from an event, and checks it against the contracts.
///
/// `#[reads("orders.placed", versions = "1..=2")]` names the event and the versions to check. Each
/// field must be a property of every one of them, of a type that holds every value the contract
/// accepts; a field that may be absent or null is an `Option`.
///
/// - `schemas = "../schemas"` says where the contracts lie, relative to the package's `Cargo.toml`;
///   otherwise it is `schemas` there, or in the nearest folder above that has one.
/// - `#[reads(rename = "orderId")]` (or serde's `rename`) on a field names the property.
/// - An object in the event is read by a struct of its own, which derives `Reads` with the same
///   event and `at = "customer.address"`, or `at = "lines[]"` for the elements of an array.
/// - `String`, `bool`, integers, `f64`, `Uuid`, `jiff::Timestamp`, `jiff::civil::Date`,
///   `serde_json::Value`, the enums of `contracts!`, and `Option`, `Vec`, sets and maps with `String` keys
///   of these are checked, also behind an alias. Write `Option` itself, so that it is seen that a field
///   may be absent.
/// - `#[reads(unchecked)]` on a field vouches for a type of your own: it must decode whatever the contract
///   allows there. When the application starts, it is tried on sample payloads.
/// - Integers without bounds are within ±(2^53 - 1), and `f64` reads integers only within ±2^53.
/// - In paths, a property whose name has a `.`, `*`, `[`, `]` or `\` is written with a `\` before each.
///
/// The struct decodes by itself: do not derive `Deserialize` for a part (`at = ...`) as well.
#[proc_macro_derive(Reads, attributes(reads, serde))]
pub fn derive_reads(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    reads::expand(&input).into()
}

/// Makes a struct a command: `#[command("orders.place", output = OrderId)]`.
///
/// The name is `<module>.<verb>` and durable. Without `output` the command answers `()`.
/// `Serialize` and `Deserialize` are derived beside it.
///
/// A payload with a field that the type does not know is refused, also behind `#[serde(flatten)]` and in
/// tagged and untagged enums. A field is known if its value can make a difference to what is decoded.
#[proc_macro_derive(Command, attributes(command))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    named::expand(&input, &named::COMMAND).into()
}

/// Makes a struct a query: `#[query("inventory.stock-level", output = Level)]`.
///
/// The name is `<module>.<noun>` and durable. `Serialize` and `Deserialize` are derived beside it. Unknown
/// fields are refused as for a command.
#[proc_macro_derive(Query, attributes(query))]
pub fn derive_query(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    named::expand(&input, &named::QUERY).into()
}

/// Makes a struct a job: `#[job("inventory.reorder")]`.
///
/// The name is `<module>.<verb>` and durable. `Serialize` and `Deserialize` are derived beside it.
///
/// What is in the queue was written by the program as it was when it enqueued it: give a new field a `#[serde(default)]`,
/// or jobs that wait already do not decode any more, and are dead.
#[proc_macro_derive(Job, attributes(job))]
pub fn derive_job(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    named::expand(&input, &named::JOB).into()
}
