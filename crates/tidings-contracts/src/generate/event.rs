//! What makes a struct an event: its place, its traits, and the name of its newest version.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::docs;
use super::tree::{TypePath, ident};
use super::types::{Generator, Site, event_module, field_names};
use crate::contract::{Contract, Kind};
use crate::names::{is_prelude, type_name};
use crate::shape::{Property, Shape};

/// `orders.placed` v2 is `orders::placed::V2`.
pub(super) fn type_path(contract: &Contract) -> TypePath {
    TypePath { module: event_module(&contract.name), name: format!("V{}", contract.version) }
}

pub(super) fn add(generator: &mut Generator, contract: &Contract) {
    let path = type_path(contract);
    generator.name(&contract.root.home.place, path.clone());
    let Contract { name, version, owner, .. } = contract;
    let head = format!("`{name}` v{version}, owned by `{owner}`.");
    let description = contract.docs().description.as_deref();
    let docs = docs::paragraphs([head.as_str()].into_iter().chain(description));
    let site = Site { module: &path.module, prefix: "" };
    let structure = generator.structure(&contract.root, &path.name, &site, &docs);
    let implementation = implementation(contract, &path.name);
    let module = generator.module(&path.module);
    module.push(structure);
    module.push(implementation);
    let about = format!("The versions of `{name}`.");
    module.describe(docs::paragraphs([about.as_str()]));
}

/// `orders::Placed` is the newest version.
pub(super) fn add_newest(generator: &mut Generator, name: &str, newest: &Contract) {
    let path = type_path(newest);
    let (last, parent) = match name.rsplit_once('.') {
        Some((parent, last)) => (last, event_module(parent)),
        None => (name, Vec::new()),
    };
    let mut alias = type_name(last, "Event");
    if is_prelude(&alias) {
        alias += "Event";
    }
    let alias = ident(&alias);
    let target = path.relative_to(&parent);
    let note = format!("`{name}` in its newest version.");
    let docs = docs::paragraphs([note.as_str()]);
    let module = generator.module(&parent);
    module.push(quote!(#docs pub type #alias = #target;));
}

fn implementation(contract: &Contract, type_name: &str) -> TokenStream {
    let Contract { name, version, owner, .. } = contract;
    let kind = match contract.kind {
        Kind::Notification => quote!(Notification),
        Kind::StateTransfer => quote!(StateTransfer),
    };
    let key_name = match &contract.key {
        Some(key) => quote!(Some(#key)),
        None => quote!(None),
    };
    let key = key_value(contract);
    let version = Literal::u32_unsuffixed(*version);
    let schema = raw_string(&contract.schema);
    let ident = ident(type_name);
    quote! {
        impl ::tidings::Event for #ident {
            const NAME: &'static str = #name;
            const VERSION: u32 = #version;
            const OWNER: &'static str = #owner;
            const KIND: ::tidings::EventKind = ::tidings::EventKind::#kind;
            const KEY: Option<&'static str> = #key_name;
            const SCHEMA: &'static str = #schema;

            fn key(&self) -> Option<String> {
                #key
            }
        }
    }
}

/// The key's value as text, in the spelling of the payload.
fn key_value(contract: &Contract) -> TokenStream {
    let names = field_names(&contract.root);
    let mut fields = std::iter::zip(&contract.root.properties, names);
    let is_key = |(property, _): &(&Property, String)| Some(&property.name) == contract.key.as_ref();
    let Some((property, field)) = fields.find(is_key) else {
        return quote!(None);
    };
    let field = ident(&field);
    match &*property.typed.shape {
        Shape::String => quote!(Some(self.#field.clone())),
        Shape::Enum(_) => quote!(Some(self.#field.as_str().to_owned())),
        _ => quote!(Some(self.#field.to_string())),
    }
}

/// A raw string literal, so that generated files show the schema without escapes.
fn raw_string(text: &str) -> TokenStream {
    let mut fence = "#".to_owned();
    while text.contains(&format!("\"{fence}")) {
        fence.push('#');
    }
    let literal = format!("r{fence}\"{text}\"{fence}");
    literal.parse().unwrap_or_else(|_| {
        let literal = Literal::string(text);
        quote!(#literal)
    })
}
