//! What the check makes of a Rust type by its spelling. It makes for good messages; the compiler has the last word.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, PathSegment, Type};
use tidings_contracts::reads::{self, IntegerType};

pub(super) struct ReadType {
    pub(super) ty: reads::Type,
    /// The user's own type inside `Option`, `Vec` and maps, if that is what lies there.
    pub(super) own: Option<Type>,
}

pub(super) fn read_type(ty: &Type) -> ReadType {
    let path = match ty {
        Type::Group(group) => return read_type(&group.elem),
        Type::Paren(paren) => return read_type(&paren.elem),
        Type::Path(path) if path.qself.is_none() => &path.path,
        _ => return own(ty),
    };
    let Some(last) = path.segments.last() else {
        return own(ty);
    };
    let arguments = type_arguments(last);
    let name = last.ident.to_string();
    let within = |ty: &Type, wrap: fn(Box<reads::Type>) -> reads::Type| {
        let inner = read_type(ty);
        ReadType { ty: wrap(Box::new(inner.ty)), own: inner.own }
    };
    match (name.as_str(), arguments.as_slice()) {
        ("Option", [inner]) => return within(inner, reads::Type::Option),
        ("Box", [inner]) => return read_type(inner),
        ("Vec" | "VecDeque" | "HashSet" | "BTreeSet", [inner]) => {
            return within(inner, reads::Type::Vec);
        }
        ("BTreeMap" | "HashMap", [key, value]) if written(key) == "String" => {
            return within(value, reads::Type::Map);
        }
        _ => {}
    }
    // `time::Date` is not the `Date` of jiff that is meant here.
    let first = path.segments.first().map(|first| first.ident.to_string());
    let is_from = |crates: &[&str]| {
        path.segments.len() == 1
            || first.as_ref().is_some_and(|first| first == "tidings" || crates.contains(&first.as_str()))
    };
    let known = match name.as_str() {
        "String" => Some(reads::Type::String),
        "bool" => Some(reads::Type::Bool),
        "f32" => Some(reads::Type::F32),
        "f64" => Some(reads::Type::F64),
        "Uuid" if is_from(&["uuid"]) => Some(reads::Type::Uuid),
        "Timestamp" if is_from(&["jiff"]) => Some(reads::Type::Timestamp),
        "Date" if is_from(&["jiff", "civil"]) => Some(reads::Type::Date),
        "Value" if is_from(&["serde_json"]) => Some(reads::Type::Value),
        name => IntegerType::named(name).map(reads::Type::Integer),
    };
    match known.filter(|_| arguments.is_empty()) {
        Some(ty) => ReadType { ty, own: None },
        None => own(ty),
    }
}

/// A type that its user vouches for. That a field may be absent is still for an `Option` to say.
pub(super) fn unchecked_type(ty: &Type) -> ReadType {
    let unchecked = reads::Type::Unchecked(written(ty));
    let ty = match read_type(ty).ty {
        reads::Type::Option(_) => reads::Type::Option(Box::new(unchecked)),
        _ => unchecked,
    };
    ReadType { ty, own: None }
}

fn own(ty: &Type) -> ReadType {
    ReadType { ty: reads::Type::Other(written(ty)), own: Some(ty.clone()) }
}

fn type_arguments(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// A type as people write it, without the spaces between tokens.
pub(super) fn written(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    text.replace(' ', "").replace(',', ", ")
}
