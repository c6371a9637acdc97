//! Doc comments from titles and descriptions.

use proc_macro2::TokenStream;
use quote::quote;

use crate::shape::Docs;

/// `#[doc]` attributes for some paragraphs.
pub(super) fn paragraphs<'t>(texts: impl IntoIterator<Item = &'t str>) -> TokenStream {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(text.trim().lines().map(line));
    }
    quote!(#(#[doc = #lines])*)
}

/// The title, and the description if it says more.
pub(super) fn of(docs: &Docs) -> TokenStream {
    let texts = [docs.title.as_deref(), docs.description.as_deref()];
    paragraphs(texts.into_iter().flatten())
}

/// One line of prose. Indented or fenced lines would be compiled as examples by `cargo test`.
fn line(text: &str) -> String {
    match text.trim() {
        "" => String::new(),
        text => format!(" {}", text.replace("```", "'''").replace("~~~", "'''")),
    }
}
