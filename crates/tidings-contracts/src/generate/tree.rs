//! The tree of modules that generated items are sorted into.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

/// An item's place, from where the generated code stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypePath {
    pub(super) module: Vec<String>,
    pub(super) name: String,
}

impl TypePath {
    /// The path as written in another generated module.
    pub(crate) fn relative_to(&self, from: &[String]) -> TokenStream {
        let common = std::iter::zip(from, &self.module).take_while(|(a, b)| a == b).count();
        let name = ident(&self.name);
        let down = self.module[common..].iter().map(|part| ident(part));
        let supers = from[common..].iter().map(|_| quote!(super::));
        if common < from.len() || self.module.len() == common {
            quote!(#(#supers)* #(#down::)* #name)
        } else {
            // Without `self::` a module could be taken for a crate of the same name.
            quote!(self::#(#down::)* #name)
        }
    }
}

pub(super) fn ident(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// A module: its own items, then its children by name.
#[derive(Default)]
pub(super) struct Module {
    docs: TokenStream,
    items: TokenStream,
    taken: BTreeSet<String>,
    children: BTreeMap<String, Module>,
}

impl Module {
    pub(super) fn at(&mut self, path: &[String]) -> &mut Module {
        path.iter().fold(self, |module, part| module.children.entry(part.clone()).or_default())
    }

    pub(super) fn push(&mut self, item: TokenStream) {
        self.items.extend(item);
    }

    pub(super) fn describe(&mut self, docs: TokenStream) {
        self.docs = docs;
    }

    /// Takes a name that is still free here, the wanted one or the next in number.
    pub(super) fn free_name(&mut self, wanted: &str) -> String {
        let numbered = (2u64..).map(|number| format!("{wanted}{number}"));
        for name in [wanted.to_owned()].into_iter().chain(numbered) {
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
        wanted.to_owned()
    }

    /// The content of the root, its modules marked as generated.
    pub(super) fn into_tokens(self) -> TokenStream {
        let Self { items, children, .. } = self;
        let children = children.into_iter().map(|(name, child)| {
            let child = child.into_item(&name);
            // Generated code is judged by its generator's tests, not by the user's lints; and an
            // application need not use every version.
            quote! {
                #[allow(dead_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
                #child
            }
        });
        quote!(#items #(#children)*)
    }

    fn into_item(self, name: &str) -> TokenStream {
        let Self { docs, items, children, .. } = self;
        let name = ident(name);
        let children = children.into_iter();
        let children = children.map(|(name, child)| child.into_item(&name));
        quote! {
            #docs
            pub mod #name {
                #items
                #(#children)*
            }
        }
    }
}
