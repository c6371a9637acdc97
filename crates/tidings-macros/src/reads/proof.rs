//! What the compiler has to agree with: the resolved type of each field decodes what the contracts allow there.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use tidings_contracts::reads::{Checked, FieldNeed, Need, Type};

use super::input::{Input, InputField};

/// Where an error belongs, with names looked up where the derive stands: a type that came through a `macro_rules!`
/// would else hide the generated names from each other.
pub(super) fn span_of(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::call_site())
}

/// One constant for each field's type, so that a type nobody knows is told once, and one assertion for each need.
pub(super) fn proof(input: &Input, checked: &Checked) -> TokenStream {
    let types = input.fields.iter().enumerate().map(|(index, field)| {
        let name = constant(index);
        let value = type_of(field, checked.parts.iter().any(|part| part.field == index));
        let span = span_of(&field.ty);
        quote_spanned!(span=> const #name: ::tidings::__private::core::reads::ReadType = #value;)
    });
    let asserted = checked.needs.iter().map(|FieldNeed { field, need, message }| {
        let name = constant(*field);
        let need = written(need);
        quote_spanned! {input.fields[*field].ty.span()=>
            const _: () = ::core::assert!(
                ::tidings::__private::core::reads::fits(&#need, &#name),
                #message
            );
        }
    });
    quote!(#(#types)* #(#asserted)*)
}

/// The fields with their types, as a list.
pub(super) fn fields(input: &Input) -> TokenStream {
    let fields = input.fields.iter().enumerate().map(|(index, field)| {
        let (name, ty) = (field.property(), constant(index));
        quote!(::tidings::__private::core::reads::ReadField { name: #name, ty: #ty })
    });
    quote!(&[#(#fields),*])
}

fn constant(index: usize) -> syn::Ident {
    format_ident!("__TYPE{index}")
}

fn type_of(field: &InputField, is_part: bool) -> TokenStream {
    let tree = &field.read_type.ty;
    match &field.read_type.own {
        Some(own) if is_part => {
            let span = span_of(own);
            let part = quote_spanned!(span=> <#own as ::tidings::ReadsPart>::TYPES);
            around(tree, &quote!(::tidings::__private::core::reads::ReadType::Object(#part)))
        }
        _ if is_unchecked(tree) => {
            around(tree, &quote!(::tidings::__private::core::reads::ReadType::Unchecked))
        }
        _ => {
            let ty = &field.ty;
            quote_spanned!(span_of(ty)=> <#ty as ::tidings::__private::core::reads::Readable>::TYPE)
        }
    }
}

fn is_unchecked(ty: &Type) -> bool {
    match ty {
        Type::Option(inner) => is_unchecked(inner),
        ty => matches!(ty, Type::Unchecked(_)),
    }
}

/// What is written around a type of the user's own, which has no constant of that kind itself.
fn around(tree: &Type, own: &TokenStream) -> TokenStream {
    let (kind, inner) = match tree {
        Type::Option(inner) => (quote!(Option), inner),
        Type::Vec(inner) => (quote!(List), inner),
        Type::Map(inner) => (quote!(Map), inner),
        _ => return own.clone(),
    };
    let inner = around(inner, own);
    quote!(::tidings::__private::core::reads::ReadType::#kind(&#inner))
}

fn written(need: &Need) -> TokenStream {
    let of = quote!(::tidings::__private::core::reads::Need);
    match need {
        Need::Text => quote!(#of::Text),
        Need::OneOf(values) => quote!(#of::OneOf(&[#(#values),*])),
        Need::Boolean => quote!(#of::Boolean),
        Need::Integer { minimum, maximum } => {
            quote!(#of::Integer { minimum: #minimum, maximum: #maximum })
        }
        Need::Number => quote!(#of::Number),
        Need::Uuid => quote!(#of::Uuid),
        Need::Timestamp => quote!(#of::Timestamp),
        Need::Date => quote!(#of::Date),
        Need::Object => quote!(#of::Object),
        Need::Anything => quote!(#of::Anything),
        Need::Nullable(inner) => {
            let inner = written(inner);
            quote!(#of::Nullable(&#inner))
        }
        Need::List(inner) => {
            let inner = written(inner);
            quote!(#of::List(&#inner))
        }
        Need::Map(inner) => {
            let inner = written(inner);
            quote!(#of::Map(&#inner))
        }
    }
}
