//! What a consumer reads from an event, checked against the contract versions it names.
//!
//! The check is data in, data out: a [`Reader`] says which fields are read as which types, and
//! [`check`] answers with every [`ReadError`] and the part of the reader it blames, so that the
//! derive macro can underline the user's own token.
//!
//! A reader is tolerant: it must decode every payload the contract accepts, but only in the fields
//! it reads. Hence a field that may be absent or null needs an `Option`, and an integer needs a type
//! that holds its whole declared range (without bounds: ±(2^53 - 1), RFC 7493).
//!
//! A spelling is not yet a type: an alias may hide one, and two crates may name theirs alike. So the
//! answer also says what the compiler must find for each field ([`FieldNeed`]); types that the
//! spelling does not show ([`Type::Other`]) are judged by that alone. Where the contract has an object,
//! such a type is a *part* of the reader: a struct that derives `Reads` itself, with `at = "lines[]"`.

mod check;
mod field;
mod judge;
mod need;
mod path;

pub use check::check;
pub use judge::{Verdict, judge};
pub use need::{FieldNeed, Need};

use std::fmt;
use std::ops::RangeInclusive;

/// A reader as its source declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The event's name.
    pub event: String,
    /// The contract versions to check against.
    pub versions: RangeInclusive<u32>,
    /// For a part: where it sits in the event, for example `lines[]`, `customer.address`,
    /// `prices.*`.
    pub at: Option<String>,
    /// The fields, in the order of the source.
    pub fields: Vec<Field>,
}

/// One field of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The property's name in the contract.
    pub name: String,
    /// The type it is read as.
    pub ty: Type,
}

/// A Rust type, as far as the check knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the types they are named after")]
pub enum Type {
    String,
    Bool,
    Integer(IntegerType),
    F32,
    F64,
    Uuid,
    Timestamp,
    Date,
    Option(Box<Type>),
    /// `Vec` and the other collections that decode from an array.
    Vec(Box<Type>),
    /// `BTreeMap` and `HashMap` with text keys.
    Map(Box<Type>),
    /// `serde_json::Value`.
    Value,
    /// A type whose spelling says nothing.
    Other(String),
    /// A type that its user vouches for.
    Unchecked(String),
    /// A list of texts that the type knows.
    OneOf(Vec<String>),
    /// A part, by its fields.
    Object(Vec<Field>),
}

/// An integer type by its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerType {
    /// The type's name.
    pub name: &'static str,
    /// Its smallest value.
    pub minimum: i128,
    /// Its largest value (that of `u128` is cut to the range of `i128`).
    pub maximum: i128,
}

macro_rules! integer_types {
    ($($name:ident),*) => {
        &[$(IntegerType {
            name: stringify!($name),
            minimum: $name::MIN as i128,
            maximum: if $name::MAX as u128 > i128::MAX as u128 { i128::MAX } else { $name::MAX as i128 },
        }),*]
    };
}

/// All integer types. Pointer-sized ones are taken as 64 bits wide.
const INTEGER_TYPES: &[IntegerType] = integer_types!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

impl IntegerType {
    /// The integer type of a name, `u32` for example.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = match name {
            "usize" => "u64",
            "isize" => "i64",
            name => name,
        };
        INTEGER_TYPES.iter().find(|known| known.name == name).copied()
    }

    /// The integer type of a range.
    #[must_use]
    pub fn of_range(minimum: i128, maximum: i128) -> Self {
        let known = INTEGER_TYPES.iter().find(|known| (known.minimum, known.maximum) == (minimum, maximum));
        known.copied().unwrap_or(Self { name: "its integer type", minimum, maximum })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::String => f.write_str("String"),
            Type::Bool => f.write_str("bool"),
            Type::Integer(integer) => f.write_str(integer.name),
            Type::F32 => f.write_str("f32"),
            Type::F64 => f.write_str("f64"),
            Type::Uuid => f.write_str("Uuid"),
            Type::Timestamp => f.write_str("Timestamp"),
            Type::Date => f.write_str("Date"),
            Type::Option(inner) => write!(f, "Option<{inner}>"),
            Type::Vec(inner) => write!(f, "Vec<{inner}>"),
            Type::Map(inner) => write!(f, "BTreeMap<String, {inner}>"),
            Type::Value => f.write_str("serde_json::Value"),
            Type::Other(name) | Type::Unchecked(name) => f.write_str(name),
            Type::OneOf(values) => write!(f, "one of `{}`", values.join("`, `")),
            Type::Object(_) => f.write_str("a part"),
        }
    }
}

/// The part of a reader's source that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The event's name.
    Event,
    /// The versions.
    Versions,
    /// The path of a part.
    At,
    /// The name of a field, by index.
    FieldName(usize),
    /// The type of a field, by index.
    FieldType(usize),
}

/// One way in which a reader does not fit the contracts it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What it is about.
    pub blame: Blame,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do, in one line; may be empty.
    pub help: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.help.is_empty() {
            return Ok(());
        }
        write!(f, "\nhelp: {}", self.help)
    }
}

/// The answer about one reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Everything that does not fit; at most one error per field.
    pub errors: Vec<ReadError>,
    /// The versions that were checked, ascending.
    pub versions: Vec<u32>,
    /// The path of each field from the event's root.
    pub paths: Vec<String>,
    /// The fields whose type is a part, and where that part must sit.
    pub parts: Vec<Part>,
    /// What the compiler must find for each field, once for all versions that need the same.
    pub needs: Vec<FieldNeed>,
    /// The files that the answer depends on, below the registry's root.
    pub files: Vec<String>,
}

/// A field whose type must derive `Reads` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Index of the field.
    pub field: usize,
    /// Where the part sits, from the event's root.
    pub at: String,
}

/// Reads `2`, `1..=2` or `1..3`.
///
/// # Errors
/// What is wrong with the text, and how versions are written.
pub fn parse_versions(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number > 0);
    let range = if let Some((first, last)) = text.split_once("..=") {
        number(first).zip(number(last))
    } else if let Some((first, end)) = text.split_once("..") {
        number(first).zip(number(end).map(|end| end - 1))
    } else {
        number(text).map(|only| (only, only))
    };
    match range {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err(format!("`{text}` is not a range of versions: write \"2\" or \"1..=2\"")),
    }
}
