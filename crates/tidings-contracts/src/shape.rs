//! What a schema means to a typed language: the one reading that both the type generator and the
//! check of readers work from.
//!
//! The rule is that a shape accepts every value the schema accepts. Where a schema says more than a
//! type can (patterns, `oneOf`, `if`), the shape is wider, and the validator has the last word.

mod build;
mod pii;

use std::sync::Arc;

pub(crate) use build::{Builder, undeclared_bounds};

use crate::refs::Place;

/// Whole numbers that every reader of JSON keeps exactly (RFC 7493, I-JSON): what an integer
/// without bounds is taken to be.
pub(crate) const SAFE_INTEGER_MAX: i128 = (1 << 53) - 1;

/// A schema at one place of use.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) shape: Arc<Shape>,
    /// Whether `null` is accepted beside the shape.
    pub(crate) nullable: bool,
    /// Whether it is, or holds where no type of its own could say so, personal data.
    pub(crate) pii: bool,
    pub(crate) docs: Docs,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Docs {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// Text of any form.
    String,
    /// `format: uuid`.
    Uuid,
    /// `format: date-time`.
    Timestamp,
    /// `format: date`.
    Date,
    /// One of some texts.
    Enum(Enum),
    Integer(Integer),
    Number,
    Boolean,
    Array(Box<Typed>),
    Object(Object),
    /// An object whose keys are data.
    Map(Box<Typed>),
    /// Anything a type cannot pin down.
    Any,
}

#[derive(Clone, Debug)]
pub(crate) struct Enum {
    pub(crate) home: Home,
    pub(crate) values: Vec<String>,
    pub(crate) docs: Docs,
}

/// The range of an integer, and which of its ends the schema declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Integer {
    pub(crate) minimum: i128,
    pub(crate) maximum: i128,
    pub(crate) declares_minimum: bool,
    pub(crate) declares_maximum: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) home: Home,
    pub(crate) properties: Vec<Property>,
    pub(crate) docs: Docs,
}

#[derive(Clone, Debug)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) typed: Typed,
}

/// Where a named type is defined; the same home is the same Rust type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Home {
    pub(crate) place: Place,
    /// Whether a reference leads here: then the type is named after the definition, else after the
    /// property that holds it.
    pub(crate) is_definition: bool,
}

impl Object {
    pub(crate) fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }
}

impl Shape {
    /// What a value of this shape is called in a message.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Shape::String => "a string",
            Shape::Uuid => "a string of format uuid",
            Shape::Timestamp => "a string of format date-time",
            Shape::Date => "a string of format date",
            Shape::Enum(_) => "one of a list of strings",
            Shape::Integer(_) => "an integer",
            Shape::Number => "a number",
            Shape::Boolean => "a boolean",
            Shape::Array(_) => "an array",
            Shape::Object(_) => "an object",
            Shape::Map(_) => "an object with free keys",
            Shape::Any => "not pinned to one type",
        }
    }
}
