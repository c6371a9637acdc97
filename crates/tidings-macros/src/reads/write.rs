//! The implementations: names and fields as constants, and a decoder that takes only those fields.
//!
//! The decoder is written out, not left to serde's derive, for the sake of its errors: they name the
//! field by its path in the event, and never show the value, which may be personal data.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Type};
use tidings_contracts::reads::Checked;

use super::input::{Input, InputField};
use super::proof::{self, span_of};
use super::types::written;

/// The whole implementation of a reader that fits.
pub(super) fn implementation(input: &Input, checked: &Checked) -> TokenStream {
    let decoder = decoder(input, checked);
    let assertions = assertions(input, checked);
    let proof = proof::proof(input, checked);
    let fields = field_paths(input, checked);
    let decode = match &input.at {
        None => quote! {
            let mut decoder = ::tidings::__private::serde_json::Deserializer::from_str(json);
            let value = __serde::Deserializer::deserialize_map(&mut decoder, __Fields)?;
            decoder.end()?;
            Ok(value)
        },
        Some(_) => quote!(__serde::Deserializer::deserialize_map(decoder, __Fields)),
    };
    let traits = traits(input, checked, &fields, &proof::fields(input), &decode);
    quote! {
        use ::tidings::__private::serde as __serde;
        #decoder
        #assertions
        #proof
        #traits
    }
}

/// An implementation beside errors: it compiles, whatever the fields are.
pub(super) fn placeholder(input: &Input, checked: &Checked) -> TokenStream {
    let body = quote!(::core::unreachable!("the build of this reader failed"));
    let traits = traits(input, checked, &quote!(&[]), &quote!(&[]), &body);
    quote! {
        use ::tidings::__private::serde as __serde;
        #traits
    }
}

/// Like [`placeholder`], where not even the attribute could be read.
pub(super) fn stand_in(derive: &DeriveInput) -> TokenStream {
    let ident = &derive.ident;
    let (generics, arguments, bounds) = derive.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #generics ::tidings::Reads for #ident #arguments #bounds {
            const EVENT: &'static str = "";
            const VERSIONS: &'static [u32] = &[];
            const FIELDS: &'static [&'static str] = &[];
            fn decode(
                _: &str,
            ) -> ::core::result::Result<Self, ::tidings::__private::serde_json::Error> {
                ::core::unreachable!("the build of this reader failed")
            }
        }
    }
}

fn traits(
    input: &Input,
    checked: &Checked,
    fields: &TokenStream,
    types: &TokenStream,
    decode: &TokenStream,
) -> TokenStream {
    let ident = &input.ident;
    let event = input.reader.event.as_str();
    let versions = &checked.versions;
    let facts = quote! {
        const EVENT: &'static str = #event;
        const VERSIONS: &'static [u32] = &[#(#versions),*];
        const FIELDS: &'static [&'static str] = #fields;
    };
    let Some(at) = &input.at else {
        return quote! {
            #[automatically_derived]
            impl ::tidings::Reads for #ident {
                #facts
                const TYPES: ::core::option::Option<
                    &'static [::tidings::__private::core::reads::ReadField],
                > = ::core::option::Option::Some(#types);
                #[allow(unused_variables)]
                fn decode(
                    json: &str,
                ) -> ::core::result::Result<Self, ::tidings::__private::serde_json::Error> {
                    #decode
                }
            }
        };
    };
    let at = at.value();
    quote! {
        #[automatically_derived]
        impl ::tidings::ReadsPart for #ident {
            #facts
            const AT: &'static str = #at;
            const TYPES: &'static [::tidings::__private::core::reads::ReadField] = #types;
        }
        #[automatically_derived]
        impl<'de> __serde::Deserialize<'de> for #ident {
            #[allow(unused_variables)]
            fn deserialize<D: __serde::Deserializer<'de>>(
                decoder: D,
            ) -> ::core::result::Result<Self, D::Error> {
                #decode
            }
        }
    }
}

/// `struct __Fields`, a visitor that collects the fields and skips all others.
fn decoder(input: &Input, checked: &Checked) -> TokenStream {
    let ident = &input.ident;
    let keys: Vec<_> = (0..input.fields.len()).map(|index| format_ident!("F{index}")).collect();
    let slots: Vec<_> = (0..input.fields.len()).map(|index| format_ident!("f{index}")).collect();
    let names = input.fields.iter().map(InputField::property);
    let types = input.fields.iter().map(|field| &field.ty);
    let takes = input.fields.iter().enumerate().map(|(index, field)| {
        let is_part = checked.parts.iter().any(|part| part.field == index);
        take(field, &checked.paths[index], is_part)
    });
    let gives = input.fields.iter().enumerate().map(|(index, field)| {
        let slot = &slots[index];
        let name = &field.ident;
        let value = give(field, &checked.paths[index]);
        quote!(#name: #slot #value)
    });
    let made = if input.is_unit { quote!(#ident) } else { quote!(#ident { #(#gives),* }) };
    let expecting = match &input.at {
        None => format!("the payload of `{}`", input.reader.event),
        Some(at) => format!("`{}` of `{}`", at.value(), input.reader.event),
    };
    quote! {
        #[derive(__serde::Deserialize)]
        #[serde(crate = "::tidings::__private::serde", field_identifier)]
        enum __Key {
            #(#[serde(rename = #names)] #keys,)*
            #[serde(other)]
            Other,
        }
        struct __Fields;
        impl<'de> __serde::de::Visitor<'de> for __Fields {
            type Value = #ident;
            fn expecting(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(#expecting)
            }
            fn visit_map<A: __serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> ::core::result::Result<#ident, A::Error> {
                #(let mut #slots: ::core::option::Option<#types> = ::core::option::Option::None;)*
                while let ::core::option::Option::Some(key) = map.next_key::<__Key>()? {
                    match key {
                        #(__Key::#keys => #slots = ::core::option::Option::Some(#takes),)*
                        __Key::Other => {
                            map.next_value::<__serde::de::IgnoredAny>()?;
                        }
                    }
                }
                ::core::result::Result::Ok(#made)
            }
        }
    }
}

/// Reads one field's value.
fn take(field: &InputField, path: &str, is_part: bool) -> TokenStream {
    let ty = &field.ty;
    let message = format!("field `{path}` cannot be read as `{}`", written(ty));
    let error = if is_part {
        // A part's own errors name the field inside it; others would show the value.
        quote! {
            {
                let text = ::std::string::ToString::to_string(&error);
                if text.starts_with("field `") {
                    __serde::de::Error::custom(text)
                } else {
                    __serde::de::Error::custom(#message)
                }
            }
        }
    } else {
        quote!({ let _ = error; __serde::de::Error::custom(#message) })
    };
    quote_spanned!(span_of(ty)=> map.next_value::<#ty>().map_err(|error| -> A::Error { #error })?)
}

/// Takes the field out of its slot; without a value it is `None` or an error.
fn give(field: &InputField, path: &str) -> TokenStream {
    if matches!(field.read_type.ty, tidings_contracts::reads::Type::Option(_)) {
        return quote!(.unwrap_or_default());
    }
    let message = format!("field `{path}` is missing");
    quote!(.ok_or_else(|| <A::Error as __serde::de::Error>::custom(#message))?)
}

/// The paths of all fields, those of parts taken from the parts.
fn field_paths(input: &Input, checked: &Checked) -> TokenStream {
    if checked.parts.is_empty() {
        let paths = &checked.paths;
        return quote!(&[#(#paths),*]);
    }
    let lists = input.fields.iter().enumerate().map(|(index, field)| {
        let path = &checked.paths[index];
        match part_type(field, index, checked) {
            Some(part) => {
                quote_spanned!(span_of(part)=> <#part as ::tidings::ReadsPart>::FIELDS)
            }
            None => quote!(&[#path]),
        }
    });
    quote! {
        {
            const LISTS: &[&[&str]] = &[#(#lists),*];
            const LENGTH: usize = {
                let (mut length, mut list) = (0, 0);
                while list < LISTS.len() {
                    length += LISTS[list].len();
                    list += 1;
                }
                length
            };
            const ALL: [&str; LENGTH] = {
                let mut all = [""; LENGTH];
                let (mut next, mut list) = (0, 0);
                while list < LISTS.len() {
                    let mut item = 0;
                    while item < LISTS[list].len() {
                        all[next] = LISTS[list][item];
                        next += 1;
                        item += 1;
                    }
                    list += 1;
                }
                all
            };
            &ALL
        }
    }
}

fn part_type<'f>(field: &'f InputField, index: usize, checked: &Checked) -> Option<&'f Type> {
    let is_part = checked.parts.iter().any(|part| part.field == index);
    field.read_type.own.as_ref().filter(|_| is_part)
}

/// Each part must read the same event, at the place of its field, in at least these versions.
fn assertions(input: &Input, checked: &Checked) -> TokenStream {
    if checked.parts.is_empty() {
        return TokenStream::new();
    }
    let event = input.reader.event.as_str();
    let versions = &checked.versions;
    let assertions = checked.parts.iter().filter_map(|part| {
        let own = input.fields[part.field].read_type.own.as_ref()?;
        let name = written(own);
        let at = &part.at;
        let wrong_event = format!("`{name}` is a part of another event than `{event}`");
        let wrong_place = format!("`{name}` is declared for another place: here it is `at = \"{at}\"`");
        let wrong_versions = format!(
            "`{name}` was not checked against every version of this reader: write `versions = \"{}\"` there too",
            input.versions.value()
        );
        // Found where the derive stands, while the assertion stands on the user's token.
        let (same, covers) = (format_ident!("__same"), format_ident!("__covers"));
        Some(quote_spanned! {own.span()=>
            const _: () = {
                ::core::assert!(#same(<#own as ::tidings::ReadsPart>::EVENT, #event), #wrong_event);
                ::core::assert!(#same(<#own as ::tidings::ReadsPart>::AT, #at), #wrong_place);
                ::core::assert!(
                    #covers(<#own as ::tidings::ReadsPart>::VERSIONS, &[#(#versions),*]),
                    #wrong_versions
                );
            };
        })
    });
    quote! {
        #(#assertions)*
        const fn __same(a: &str, b: &str) -> bool {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let mut index = 0;
            while index < a.len() && index < b.len() && a[index] == b[index] {
                index += 1;
            }
            index == a.len() && index == b.len()
        }
        const fn __covers(all: &[u32], some: &[u32]) -> bool {
            let mut index = 0;
            while index < some.len() {
                let mut other = 0;
                while other < all.len() && all[other] != some[index] {
                    other += 1;
                }
                if other == all.len() {
                    return false;
                }
                index += 1;
            }
            true
        }
    }
}
