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
/// An edited file rebuilds the crate. A *new* file is seen at the next build that has another reason;
/// `println!("cargo::rerun-if-changed=schemas")` in a `build.rs` is one.
///
/// # Errors
/// Each problem of the registry is a compile error that names file, line and column.
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
/// # Errors
/// Files that are not named so, and numbers that are used twice.
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
/// - `String`, `bool`, integers, floats, `Uuid`, `Timestamp`, `Date`, `Option`, `Vec`, maps with text
///   keys and `serde_json::Value` are checked by name. Any other type at a scalar's place is taken to
///   be one of yours that decodes what the contract allows; it is not checked.
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
#[proc_macro_derive(Command, attributes(command))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    named::expand(&input, &named::COMMAND).into()
}

/// Makes a struct a query: `#[query("inventory.stock-level", output = Level)]`.
///
/// The name is `<module>.<noun>` and durable. `Serialize` and `Deserialize` are derived beside it.
#[proc_macro_derive(Query, attributes(query))]
pub fn derive_query(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    named::expand(&input, &named::QUERY).into()
}
