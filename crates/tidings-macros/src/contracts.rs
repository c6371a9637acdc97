//! `contracts!`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::LitStr;
use tidings_contracts::rust_types;

use crate::folder::{Contracts, named, text_of};

pub(crate) fn expand(path: &LitStr) -> TokenStream {
    let contracts = Contracts::read(named(&path.value(), path.span()));
    let errors = contracts.loaded.problems.iter().map(|problem| {
        let message = contracts.describe(problem);
        quote_spanned!(path.span()=> ::core::compile_error!(#message);)
    });
    // Sound contracts become types even beside broken ones, so that the errors are the real ones.
    let types = rust_types(&contracts.loaded.registry);
    let sound = contracts.loaded.registry.contracts();
    let files: BTreeSet<&String> = sound.flat_map(|contract| &contract.files).collect();
    let rebuild = contracts.rebuild_on(files);
    let test = validation(&path.value(), &contracts);
    quote! {
        #(#errors)*
        #types
        #rebuild
        #test
    }
}

/// A test in the user's crate for what the macro leaves out. A validator of JSON Schema would take part in every
/// first build, and make the macros four times as slow to compile; the library that the test runs in has one anyway.
fn validation(shown: &str, contracts: &Contracts) -> TokenStream {
    let files = contracts.loaded.files.paths().filter_map(|file| {
        let absolute = text_of(&contracts.folder.join(file))?;
        Some(quote!((#file, ::core::include_str!(#absolute))))
    });
    quote! {
        #[cfg(test)]
        #[test]
        fn every_contract_and_example_is_valid() {
            ::tidings::__private::assert_contracts_are_valid(#shown, &[#(#files),*]);
        }
    }
}
