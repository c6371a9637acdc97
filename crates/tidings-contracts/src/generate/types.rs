//! Structs and enums, each named type once.

use std::collections::BTreeMap;

use proc_macro2::TokenStream;
use quote::quote;

use super::docs;
use super::tree::{Module, TypePath, ident};
use crate::files::version_of;
use crate::names::{SHARED, field_name, is_prelude, module_name, type_name};
use crate::refs::Place;
use crate::shape::{Enum, Home, Integer, Object, Property, Shape, Typed};

#[derive(Default)]
pub(super) struct Generator {
    root: Module,
    types: BTreeMap<Place, TypePath>,
}

/// Where a type is written, and what inner types are named after.
pub(super) struct Site<'s> {
    /// The module the type is written in.
    pub(super) module: &'s [String],
    /// Put before the names of inner types; empty at the top of a contract.
    pub(super) prefix: &'s str,
}

impl Generator {
    pub(super) fn module(&mut self, path: &[String]) -> &mut Module {
        self.root.at(path)
    }

    pub(super) fn into_tokens(self) -> TokenStream {
        self.root.into_tokens()
    }

    /// A struct, with a `Debug` that masks personal data.
    pub(super) fn structure(
        &mut self,
        object: &Object,
        name: &str,
        site: &Site<'_>,
        docs: &TokenStream,
    ) -> TokenStream {
        let names = field_names(object);
        let fields: Vec<TokenStream> = std::iter::zip(&object.properties, &names)
            .map(|(property, field)| self.field(property, field, name, site))
            .collect();
        let finite = finite_fields(object, name, &names);
        let masks = object.properties.iter().any(|property| property.typed.pii);
        let debug = if masks { masked_debug(object, name, &names) } else { TokenStream::new() };
        let derive_debug = (!masks).then(|| quote!(Debug,));
        let name = ident(name);
        quote! {
            #docs
            #[derive(
                Clone,
                #derive_debug
                PartialEq,
                ::tidings::__private::serde::Serialize,
                ::tidings::__private::serde::Deserialize,
            )]
            #[serde(crate = "::tidings::__private::serde")]
            pub struct #name { #(#fields),* }
            #finite
            #debug
        }
    }

    fn field(&mut self, property: &Property, field: &str, owner: &str, site: &Site<'_>) -> TokenStream {
        let wanted = format!("{}{}", site.prefix, type_name(&property.name, "Value"));
        let inner = self.rust_type(&property.typed.shape, &wanted, site.module);
        let is_option = !property.required || property.typed.nullable;
        let rust_type = if is_option { quote!(Option<#inner>) } else { inner };
        let mut serde = Vec::new();
        if field != property.name {
            let wire = &property.name;
            serde.push(quote!(rename = #wire));
        }
        if !property.required {
            serde.push(quote!(default));
            serde.push(quote!(skip_serializing_if = "Option::is_none"));
        }
        if holds_numbers(&property.typed.shape) {
            let function = format!("{owner}::{}", finite_function(field));
            serde.push(quote!(serialize_with = #function));
        }
        let serde = (!serde.is_empty()).then(|| quote!(#[serde(#(#serde),*)]));
        let docs = docs::of(&property.typed.docs);
        let field = ident(field);
        quote!(#docs #serde pub #field: #rust_type)
    }

    /// The type of a value at one place of use, as written in `module`.
    fn rust_type(&mut self, shape: &Shape, wanted: &str, module: &[String]) -> TokenStream {
        match shape {
            Shape::String => quote!(String),
            Shape::Uuid => quote!(::tidings::__private::uuid::Uuid),
            Shape::Timestamp => quote!(::tidings::__private::jiff::Timestamp),
            Shape::Date => quote!(::tidings::__private::jiff::civil::Date),
            Shape::Integer(integer) => integer_type(*integer),
            Shape::Number => quote!(f64),
            Shape::Boolean => quote!(bool),
            Shape::Any => quote!(::tidings::__private::serde_json::Value),
            Shape::Array(item) => {
                let item = self.inner_type(item, &format!("{wanted}Item"), module);
                quote!(Vec<#item>)
            }
            Shape::Map(value) => {
                let value = self.inner_type(value, &format!("{wanted}Value"), module);
                quote!(::std::collections::BTreeMap<String, #value>)
            }
            Shape::Enum(allowed) => {
                let path = self.named(&allowed.home, wanted, |_, path| enumeration(allowed, path));
                path.relative_to(module)
            }
            Shape::Object(object) => {
                let path = self.named(&object.home, wanted, |generator, path| {
                    let site = Site { module: &path.module, prefix: &path.name };
                    let docs = docs::of(&object.docs);
                    generator.structure(object, &path.name, &site, &docs)
                });
                path.relative_to(module)
            }
        }
    }

    fn inner_type(&mut self, typed: &Typed, wanted: &str, module: &[String]) -> TokenStream {
        let inner = self.rust_type(&typed.shape, wanted, module);
        if typed.nullable { quote!(Option<#inner>) } else { inner }
    }

    /// Makes the type of a home known under a path, before it is written.
    pub(super) fn name(&mut self, place: &Place, path: TypePath) {
        self.root.at(&path.module).free_name(&path.name);
        self.types.insert(place.clone(), path);
    }

    fn named(
        &mut self,
        home: &Home,
        wanted: &str,
        write: impl FnOnce(&mut Self, &TypePath) -> TokenStream,
    ) -> TypePath {
        if let Some(path) = self.types.get(&home.place) {
            return path.clone();
        }
        let wanted = match definition_name(home) {
            Some(name) => name,
            None => wanted.to_owned(),
        };
        let wanted = if is_prelude(&wanted) { wanted + "Value" } else { wanted };
        let module = module_of(&home.place);
        let path = TypePath { name: self.root.at(&module).free_name(&wanted), module };
        self.types.insert(home.place.clone(), path.clone());
        let item = write(self, &path);
        self.root.at(&path.module).push(item);
        path
    }
}

/// A contract's types lie in a module of its version, all others in one module that is shared.
fn module_of(place: &Place) -> Vec<String> {
    match place.file.split_once('/') {
        Some((folder, file)) if !folder.starts_with('_') => {
            let mut module = event_module(folder);
            let version = version_of(file).map_or(0, |(version, _)| version);
            module.push(format!("v{version}"));
            module
        }
        _ => vec![SHARED.to_owned()],
    }
}

pub(super) fn event_module(name: &str) -> Vec<String> {
    name.split('.').map(module_name).collect()
}

fn definition_name(home: &Home) -> Option<String> {
    if !home.is_definition {
        return None;
    }
    let file = home.place.file.rsplit('/').next().unwrap_or("");
    let stem = file.strip_suffix(".json").unwrap_or(file);
    let own = home.place.pointer.rsplit('/').next();
    let own = own.filter(|name| !name.is_empty()).unwrap_or(stem);
    Some(type_name(own, "Definition"))
}

/// The fields' names, in the order of the properties.
pub(super) fn field_names(object: &Object) -> Vec<String> {
    let mut module = Module::default();
    let properties = object.properties.iter();
    properties.map(|property| module.free_name(&field_name(&property.name))).collect()
}

fn integer_type(integer: Integer) -> TokenStream {
    let Integer { minimum, maximum, .. } = integer;
    let within = |low: i128, high: i128| minimum >= low && maximum <= high;
    let both = integer.declares_minimum && integer.declares_maximum;
    if both && within(0, u32::MAX.into()) {
        quote!(u32)
    } else if both && within(i32::MIN.into(), i32::MAX.into()) {
        quote!(i32)
    } else if integer.declares_minimum && within(0, u64::MAX.into()) {
        quote!(u64)
    } else if within(i64::MIN.into(), i64::MAX.into()) {
        quote!(i64)
    } else {
        quote!(::tidings::__private::serde_json::Value)
    }
}

/// Whether a field holds numbers that could be infinite or none at all, outside of structs of their own.
fn holds_numbers(shape: &Shape) -> bool {
    match shape {
        Shape::Number => true,
        Shape::Array(inner) | Shape::Map(inner) => holds_numbers(&inner.shape),
        _ => false,
    }
}

fn finite_function(field: &str) -> String {
    format!("__finite_{field}")
}

/// One function for each such field, which names it in its error: serde_json would write null.
fn finite_fields(object: &Object, name: &str, names: &[String]) -> TokenStream {
    let fields = std::iter::zip(&object.properties, names);
    let functions: Vec<TokenStream> = fields
        .filter(|(property, _)| holds_numbers(&property.typed.shape))
        .map(|(property, field)| {
            let function = ident(&finite_function(field));
            let wire = &property.name;
            quote! {
                fn #function<T, S>(value: &T, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
                where
                    T: ::tidings::__private::Finite + ::tidings::__private::serde::Serialize,
                    S: ::tidings::__private::serde::Serializer,
                {
                    ::tidings::__private::finite(#wire, value, serializer)
                }
            }
        })
        .collect();
    if functions.is_empty() {
        return TokenStream::new();
    }
    let name = ident(name);
    quote!(impl #name { #(#functions)* })
}

fn masked_debug(object: &Object, name: &str, names: &[String]) -> TokenStream {
    let fields = std::iter::zip(&object.properties, names).map(|(property, field)| {
        let name = ident(field);
        if property.typed.pii {
            quote!(.field(#field, &::core::format_args!("<pii>")))
        } else {
            quote!(.field(#field, &self.#name))
        }
    });
    let ident = ident(name);
    quote! {
        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#name) #(#fields)* .finish()
            }
        }
    }
}

fn enumeration(allowed: &Enum, path: &TypePath) -> TokenStream {
    let docs = docs::of(&allowed.docs);
    let name = ident(&path.name);
    let mut taken = Module::default();
    let variants: Vec<_> = allowed
        .values
        .iter()
        .map(|value| {
            let if_empty = if value.is_empty() { "Empty" } else { "Value" };
            ident(&taken.free_name(&type_name(value, if_empty)))
        })
        .collect();
    let values = &allowed.values;
    let notes = values.iter().map(|value| format!(" `{value}`"));
    quote! {
        #docs
        #[derive(
            Clone,
            Copy,
            Debug,
            PartialEq,
            Eq,
            Hash,
            ::tidings::__private::serde::Serialize,
            ::tidings::__private::serde::Deserialize,
        )]
        #[serde(crate = "::tidings::__private::serde")]
        pub enum #name {
            #(#[doc = #notes] #[serde(rename = #values)] #variants),*
        }
        impl ::tidings::__private::core::reads::Readable for #name {
            const TYPE: ::tidings::__private::core::reads::ReadType =
                ::tidings::__private::core::reads::ReadType::OneOf(&[#(#values),*]);
        }
        impl #name {
            /// The value as the contract spells it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { #(Self::#variants => #values),* }
            }
        }
    }
}
