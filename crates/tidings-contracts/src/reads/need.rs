//! What a contract allows at one place, for the compiler to hold a field's resolved type against.
//!
//! `tidings-core` has the same list for constants; this one is data that a macro writes out.

use super::field::type_for;
use crate::shape::{Shape, Typed};

/// What a reader must decode at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are what they are named after")]
pub enum Need {
    Text,
    OneOf(Vec<String>),
    Boolean,
    Integer { minimum: i128, maximum: i128 },
    Number,
    Uuid,
    Timestamp,
    Date,
    Nullable(Box<Need>),
    List(Box<Need>),
    Map(Box<Need>),
    Object,
    Anything,
}

/// The need of one field, and what to say when its type does not meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldNeed {
    /// Index of the field.
    pub field: usize,
    /// What it must decode.
    pub need: Need,
    /// The error, with a hint, for a type that does not.
    pub message: String,
}

impl Need {
    pub(super) fn of(typed: &Typed) -> Self {
        let need = match &*typed.shape {
            Shape::String => Self::Text,
            Shape::Enum(allowed) => Self::OneOf(allowed.values.clone()),
            Shape::Boolean => Self::Boolean,
            Shape::Integer(range) => Self::Integer { minimum: range.minimum, maximum: range.maximum },
            Shape::Number => Self::Number,
            Shape::Uuid => Self::Uuid,
            Shape::Timestamp => Self::Timestamp,
            Shape::Date => Self::Date,
            Shape::Array(items) => Self::List(Box::new(Self::of(items))),
            Shape::Map(values) => Self::Map(Box::new(Self::of(values))),
            Shape::Object(_) => Self::Object,
            Shape::Any => Self::Anything,
        };
        if typed.nullable { Self::Nullable(Box::new(need)) } else { need }
    }
}

/// What a type that the spelling does not show must be, as an error about it.
pub(super) fn message(typed: &Typed, place: &str, written: &str) -> String {
    let null = if typed.nullable { ", or null" } else { "" };
    let what = match &*typed.shape {
        Shape::Integer(range) => format!("an integer from {} to {}", range.minimum, range.maximum),
        Shape::Enum(allowed) => format!("one of `{}`", allowed.values.join("`, `")),
        shape => shape.describe().to_owned(),
    };
    let message = format!("{place} is {what}{null}, which `{written}` does not hold");
    match type_for(&typed.shape) {
        Some(ty) if typed.nullable => format!("{message}\nhelp: read it as `Option<{ty}>`"),
        Some(ty) => format!("{message}\nhelp: read it as `{ty}`"),
        None => message,
    }
}
