//! `contracts!`.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::LitStr;
use tidings_contracts::rust_types;

use crate::folder::{Contracts, named};

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
    quote! {
        #(#errors)*
        #types
        #rebuild
    }
}
