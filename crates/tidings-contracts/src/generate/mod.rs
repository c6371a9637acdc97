//! Rust types from contracts, as tokens: the same for `contracts!` and for `tidings gen`.
//!
//! | schema | Rust |
//! |---|---|
//! | string | `String`; with `enum` or `const` an enum of its own |
//! | format uuid, date-time, date | `Uuid`, `Timestamp`, `Date` (another restriction beside it, such as `pattern` or `maxLength`, keeps it `String`) |
//! | integer | `u32` or `i32` if both bounds are declared and fit, else `u64` if `minimum` is declared and not negative, else `i64`; a missing bound is taken as ±(2^53 - 1), the range of RFC 7493, and written into the contract that payloads are checked against |
//! | number, boolean | `f64`, `bool` |
//! | array | `Vec<T>` |
//! | object with properties | a struct of its own |
//! | object with `additionalProperties` only | `BTreeMap<String, T>` |
//! | not required, or accepts null | `Option<T>`; an absent value is left out, and so is a null that may be absent |
//! | anything else | `serde_json::Value`, validated all the same |
//!
//! `Timestamp` ends at 9999-12-30T22:00:00Z and holds nine digits of a second; a date-time beyond that is
//! accepted by the contract, but not decoded.
//!
//! JSON has no NaN and no infinity; an event that holds one is refused at publish, naming the field.
//!
//! JSON Schema counts `1.0` as an integer, serde does not: such a number is accepted by the contract,
//! but not decoded by a type.
//!
//! A definition that several schemas refer to is one Rust type: in the contract's module
//! (`orders::placed::v2::Line`), or in `shared` if its file is no contract.

mod docs;
mod event;
mod tree;
mod types;

use proc_macro2::TokenStream;
use quote::quote;

use crate::contract::Contract;
use crate::registry::Registry;
use types::Generator;

/// Types, traits and the list `CONTRACTS` for every contract of a registry.
///
/// The code names only `::tidings`; it may stand in any module.
#[must_use]
pub fn rust_types(registry: &Registry) -> TokenStream {
    let mut generator = Generator::default();
    for (name, versions) in registry.events() {
        for contract in versions.values() {
            event::add(&mut generator, contract);
        }
        if let Some(newest) = versions.values().last() {
            event::add_newest(&mut generator, name, newest);
        }
    }
    let modules = generator.into_tokens();
    let list = registry.contracts().map(contract_info);
    quote! {
        /// Every version of every event in the registry.
        #[allow(dead_code, unreachable_pub)]
        pub const CONTRACTS: &[::tidings::ContractInfo] = &[#(#list),*];
        #modules
    }
}

fn contract_info(contract: &Contract) -> TokenStream {
    let path = event::type_path(contract).relative_to(&[]);
    quote!(::tidings::ContractInfo::of::<#path>())
}
