//! The derives `Command`, `Query` and `Job`: a durable name and, but for a job, an answer.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Ident, LitStr, Token, Type};
use tidings_contracts::is_segment;

/// What the derives differ in.
pub(crate) struct Kind {
    name: &'static str,
    attribute: &'static str,
    example: &'static str,
    output: Output,
}

/// Whether there is an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    /// It must be said.
    Needed,
    /// It is `()` unless it is said.
    Optional,
    /// Nobody waits for one.
    None,
}

pub(crate) const COMMAND: Kind = Kind {
    name: "Command",
    attribute: "command",
    example: "#[command(\"orders.place\", output = OrderId)]",
    output: Output::Optional,
};

pub(crate) const QUERY: Kind = Kind {
    name: "Query",
    attribute: "query",
    example: "#[query(\"inventory.stock-level\", output = Level)]",
    output: Output::Needed,
};

pub(crate) const JOB: Kind =
    Kind { name: "Job", attribute: "job", example: "#[job(\"inventory.reorder\")]", output: Output::None };

struct Arguments {
    name: LitStr,
    output: Option<Type>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let mut output = None;
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            if key != "output" {
                return Err(syn::Error::new(
                    key.span(),
                    format!("`{key}` is not known here; did you mean `output`?"),
                ));
            }
            output = Some(input.parse()?);
        }
        Ok(Self { name, output })
    }
}

pub(crate) fn expand(input: &DeriveInput, kind: &Kind) -> TokenStream {
    let (arguments, error) = match arguments(input, kind) {
        Ok(arguments) => (Some(arguments), None),
        Err(error) => (None, Some(error.to_compile_error())),
    };
    // Written even on an error, so that the error is the only one.
    let name = arguments.as_ref().map_or(String::new(), |it| it.name.value());
    let output = match arguments.and_then(|it| it.output) {
        _ if kind.output == Output::None => quote!(),
        Some(output) => quote!(type Output = #output;),
        None => quote!(
            type Output = ();
        ),
    };
    let of = format_ident!("{}", kind.name);
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #error
        #[automatically_derived]
        impl #generics ::tidings::#of for #ident #arguments #bounds {
            #output
            const NAME: &'static str = #name;
        }
    }
}

fn arguments(input: &DeriveInput, kind: &Kind) -> syn::Result<Arguments> {
    let mut attributes = input.attrs.iter().filter(|attribute| attribute.path().is_ident(kind.attribute));
    let attribute = attributes.next().ok_or_else(|| {
        let message = format!("name it: `{}`", kind.example);
        syn::Error::new(Span::call_site(), message)
    })?;
    if let Some(second) = attributes.next() {
        return Err(syn::Error::new_spanned(second, "it already has a name"));
    }
    let arguments: Arguments = attribute.parse_args()?;
    let name = arguments.name.value();
    let is_name = name.split_once('.').is_some_and(|(module, rest)| is_segment(module) && is_segment(rest));
    if !is_name {
        return Err(syn::Error::new(
            arguments.name.span(),
            format!(
                "`{name}` is not a durable name: write `<module>.<name>` in lower-case letters, \
                 digits and dashes, as in `{}`",
                kind.example
            ),
        ));
    }
    if let (Output::None, Some(output)) = (kind.output, &arguments.output) {
        return Err(syn::Error::new_spanned(
            output,
            "a job answers nobody; what it learns it publishes or writes",
        ));
    }
    if kind.output == Output::Needed && arguments.output.is_none() {
        let message = format!("say what it answers: `{}`", kind.example);
        return Err(syn::Error::new(arguments.name.span(), message));
    }
    Ok(arguments)
}
