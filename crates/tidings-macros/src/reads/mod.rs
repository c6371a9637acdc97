//! The derive `Reads`.

mod input;
mod proof;
mod types;
mod write;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;
use tidings_contracts::reads::{Blame, Checked, ReadError, check};

use crate::folder::{Contracts, named, nearest_schemas};
use input::Input;

pub(crate) fn expand(derive: &DeriveInput) -> TokenStream {
    let (input, mut errors) = match Input::read(derive) {
        Ok(read) => read,
        Err(error) => {
            let error = error.to_compile_error();
            let stand_in = write::stand_in(derive);
            return quote!(#error #stand_in);
        }
    };
    let (checked, rebuild) = match contracts(&input) {
        Ok(contracts) => {
            let checked = check(&input.reader, &contracts.loaded.registry);
            let problems = problems_of(&contracts, &input);
            if problems.is_empty() {
                errors.extend(checked.errors.iter().map(|error| on_token(error, &input)));
            } else {
                errors.extend(problems);
            }
            let rebuild = contracts.rebuild_on(&checked.files);
            (checked, rebuild)
        }
        Err(error) => {
            errors.push(error);
            (Checked::default(), TokenStream::new())
        }
    };
    // The implementation is written even on errors, so that they are the only ones; it then promises
    // nothing about the fields' types.
    let implementation = if errors.is_empty() {
        write::implementation(&input, &checked)
    } else {
        write::placeholder(&input, &checked)
    };
    let errors = errors.iter().map(syn::Error::to_compile_error);
    quote! {
        #(#errors)*
        const _: () = {
            #rebuild
            #implementation
        };
    }
}

fn contracts(input: &Input) -> Result<Contracts, syn::Error> {
    let span = input.event.span();
    let folder = match &input.schemas {
        Some(path) => Some(named(&path.value(), path.span())),
        None => nearest_schemas(span),
    };
    let folder = folder.ok_or_else(|| {
        let message = "there is no folder `schemas` in this package or above it\n\
                       help: name the folder of the contracts: `schemas = \"../schemas\"`";
        syn::Error::new(span, message)
    })?;
    Ok(Contracts::read(folder))
}

/// Problems of the event's own contracts and of what they refer to, which make a check against them meaningless.
fn problems_of(contracts: &Contracts, input: &Input) -> Vec<syn::Error> {
    let problems = contracts.loaded.problems_of(&input.reader.event);
    problems.map(|problem| syn::Error::new(input.event.span(), contracts.describe(problem))).collect()
}

fn on_token(error: &ReadError, input: &Input) -> syn::Error {
    let message = error.to_string();
    let over = |tokens: &dyn quote::ToTokens| syn::Error::new_spanned(tokens, &message);
    match error.blame {
        Blame::Event => over(&input.event),
        Blame::Versions => over(&input.versions),
        Blame::At => over(&input.at),
        Blame::FieldName(index) => over(&input.fields[index].blamed_name()),
        Blame::FieldType(index) => over(&input.fields[index].ty),
    }
}
