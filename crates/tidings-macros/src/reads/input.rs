//! What the user wrote: the attribute, the fields and their names.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitStr, Token, Type};
use tidings_contracts::reads::{Field, Reader, parse_versions};

use super::types::{ReadType, read_type, unchecked_type};

const EXAMPLE: &str = "#[reads(\"orders.placed\", versions = \"1..=2\")]";

pub(super) struct Input {
    pub(super) ident: Ident,
    pub(super) event: LitStr,
    pub(super) versions: LitStr,
    pub(super) at: Option<LitStr>,
    pub(super) schemas: Option<LitStr>,
    pub(super) fields: Vec<InputField>,
    /// Whether it is written `struct Name;`.
    pub(super) is_unit: bool,
    pub(super) reader: Reader,
}

pub(super) struct InputField {
    pub(super) ident: Ident,
    pub(super) rename: Option<LitStr>,
    pub(super) ty: Type,
    pub(super) read_type: ReadType,
}

impl InputField {
    /// The token that names the property.
    pub(super) fn blamed_name(&self) -> TokenStream {
        match &self.rename {
            Some(rename) => rename.to_token_stream(),
            None => self.ident.to_token_stream(),
        }
    }

    pub(super) fn property(&self) -> String {
        match &self.rename {
            Some(rename) => rename.value(),
            None => syn::ext::IdentExt::unraw(&self.ident).to_string(),
        }
    }
}

impl Input {
    /// Reads a derive's input, with the errors that leave it usable.
    pub(super) fn read(derive: &DeriveInput) -> syn::Result<(Self, Vec<syn::Error>)> {
        let mut errors = Vec::new();
        let arguments = arguments(derive)?;
        if let Some(first) = derive.generics.params.first() {
            let message = "a reader owns its data and names its types: it has no parameters";
            return Err(syn::Error::new_spanned(first, message));
        }
        refuse_struct_attributes(&derive.attrs, &mut errors);
        let (fields, is_unit) = fields(derive)?;
        let fields: Vec<InputField> =
            fields.into_iter().filter_map(|field| input_field(field, &mut errors)).collect();
        refuse_twice(&fields, &mut errors);
        let versions = arguments.versions.ok_or_else(|| {
            let message = format!("say which versions it reads: `{EXAMPLE}`");
            syn::Error::new(arguments.event.span(), message)
        })?;
        let range = parse_versions(&versions.value()).unwrap_or_else(|message| {
            errors.push(syn::Error::new(versions.span(), message));
            1..=1
        });
        let reader = Reader {
            event: arguments.event.value(),
            versions: range,
            at: arguments.at.as_ref().map(LitStr::value),
            fields: fields
                .iter()
                .map(|field| Field { name: field.property(), ty: field.read_type.ty.clone() })
                .collect(),
        };
        let input = Self {
            ident: derive.ident.clone(),
            event: arguments.event,
            versions,
            at: arguments.at,
            schemas: arguments.schemas,
            fields,
            is_unit,
            reader,
        };
        Ok((input, errors))
    }
}

struct Arguments {
    event: LitStr,
    versions: Option<LitStr>,
    at: Option<LitStr>,
    schemas: Option<LitStr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self { event: input.parse()?, versions: None, at: None, schemas: None };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let slot = match key.to_string().as_str() {
                "versions" => &mut arguments.versions,
                "at" => &mut arguments.at,
                "schemas" => &mut arguments.schemas,
                _ => {
                    let message = format!("`{key}` is not known here: write `versions`, `at` or `schemas`");
                    return Err(syn::Error::new(key.span(), message));
                }
            };
            *slot = Some(input.parse()?);
        }
        Ok(arguments)
    }
}

fn arguments(derive: &DeriveInput) -> syn::Result<Arguments> {
    let mut attributes = derive.attrs.iter().filter(|attribute| attribute.path().is_ident("reads"));
    let attribute = attributes.next().ok_or_else(|| {
        let message = format!("say what it reads: `{EXAMPLE}`");
        syn::Error::new(Span::call_site(), message)
    })?;
    if let Some(second) = attributes.next() {
        let message = "a reader reads one event; write a struct for each";
        return Err(syn::Error::new_spanned(second, message));
    }
    attribute.parse_args()
}

fn fields(derive: &DeriveInput) -> syn::Result<(Vec<&syn::Field>, bool)> {
    let message = "a reader is a struct with named fields: the properties it reads";
    match &derive.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok((fields.named.iter().collect(), false)),
            Fields::Unit => Ok((Vec::new(), true)),
            Fields::Unnamed(fields) => Err(syn::Error::new_spanned(fields, message)),
        },
        _ => Err(syn::Error::new_spanned(&derive.ident, message)),
    }
}

fn input_field(field: &syn::Field, errors: &mut Vec<syn::Error>) -> Option<InputField> {
    if let Type::Reference(reference) = &field.ty {
        let message = "a reader owns its data: read it as `String` or another owned type";
        errors.push(syn::Error::new_spanned(reference, message));
    }
    let FieldAttributes { rename, unchecked } = field_attributes(&field.attrs).unwrap_or_else(|error| {
        errors.push(error);
        FieldAttributes::default()
    });
    Some(InputField {
        ident: field.ident.clone()?,
        rename,
        ty: field.ty.clone(),
        read_type: if unchecked { unchecked_type(&field.ty) } else { read_type(&field.ty) },
    })
}

#[derive(Default)]
struct FieldAttributes {
    rename: Option<LitStr>,
    unchecked: bool,
}

/// `#[reads(rename = "...", unchecked)]` or `#[serde(rename = "...")]`.
fn field_attributes(attributes: &[Attribute]) -> syn::Result<FieldAttributes> {
    let mut found = FieldAttributes::default();
    for attribute in attributes {
        let is_serde = attribute.path().is_ident("serde");
        if !is_serde && !attribute.path().is_ident("reads") {
            continue;
        }
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") && meta.input.peek(Token![=]) {
                found.rename = Some(meta.value()?.parse()?);
                return Ok(());
            }
            if meta.path.is_ident("unchecked") && !is_serde {
                found.unchecked = true;
                return Ok(());
            }
            let name = meta.path.to_token_stream().to_string();
            if is_serde && name.contains("seriali") && !name.contains("deseriali") {
                // Says only how it is written, which is no business of a reader.
                if meta.input.peek(Token![=]) {
                    meta.value()?.parse::<syn::Expr>()?;
                }
                return Ok(());
            }
            Err(meta
                .error(format!("`Reads` decodes by itself and knows only `rename = \"...\"`, not `{name}`")))
        })?;
    }
    Ok(found)
}

/// A `rename_all` that had no effect would be a trap.
fn refuse_struct_attributes(attributes: &[Attribute], errors: &mut Vec<syn::Error>) {
    for attribute in attributes {
        if !attribute.path().is_ident("serde") {
            continue;
        }
        let text = attribute.to_token_stream().to_string();
        if text.contains("rename_all") || text.contains("deny_unknown_fields") {
            errors.push(syn::Error::new_spanned(
                attribute,
                "`Reads` decodes by itself: name properties with `rename = \"...\"` on the fields",
            ));
        }
    }
}

fn refuse_twice(fields: &[InputField], errors: &mut Vec<syn::Error>) {
    for (index, field) in fields.iter().enumerate() {
        let name = field.property();
        if fields[..index].iter().any(|before| before.property() == name) {
            let message = format!("`{name}` is read twice");
            errors.push(syn::Error::new_spanned(field.blamed_name(), message));
        }
    }
}
