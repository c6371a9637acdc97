//! What the types of a reader's fields decode, as the compiler knows it.
//!
//! A derive sees only how a type is spelled: an alias, or a type of the same name from elsewhere, would pass for what it
//! is not. So `#[derive(Reads)]` asserts for each field that its resolved type ([`Readable::TYPE`]) decodes what the
//! contracts allow there ([`Need`]), and keeps the types ([`ReadField`]) for the check of versions that are first met
//! when an application starts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// What a type decodes from JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadType {
    /// Any text.
    Text,
    /// Only these texts.
    OneOf(&'static [&'static str]),
    /// A boolean.
    Boolean,
    /// Whole numbers within a range (that of `u128` is cut to the range of `i128`).
    Integer {
        /// The smallest.
        minimum: i128,
        /// The largest.
        maximum: i128,
    },
    /// `f32`.
    F32,
    /// `f64`.
    F64,
    /// Text of format uuid.
    Uuid,
    /// Text of format date-time.
    Timestamp,
    /// Text of format date.
    Date,
    /// Any JSON.
    Json,
    /// Null or another type.
    Option(&'static ReadType),
    /// An array.
    List(&'static ReadType),
    /// An object with free keys.
    Map(&'static ReadType),
    /// A part: an object of which these fields are read.
    Object(&'static [ReadField]),
    /// A type that its user vouches for (`#[reads(unchecked)]`).
    Unchecked,
}

/// One field of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadField {
    /// The property's name in the contract.
    pub name: &'static str,
    /// What it is read as.
    pub ty: ReadType,
}

/// A type whose values are known, so that a reader with it can be checked against contracts.
#[diagnostic::on_unimplemented(
    message = "what `{Self}` decodes is not known, so it cannot be checked against the contract",
    label = "not a type that readers are checked with",
    note = "known are `String`, `bool`, integers, `f64`, `Uuid`, `jiff::Timestamp`, `jiff::civil::Date`, `serde_json::Value`, the enums of `contracts!`, and `Option`, `Vec`, sets and maps with `String` keys of these",
    note = "a type of your own that decodes whatever the contract allows is declared on the field: `#[reads(unchecked)]`"
)]
pub trait Readable {
    /// What it decodes.
    const TYPE: ReadType;
}

macro_rules! scalars {
    ($($type:ty: $read:ident),* $(,)?) => {
        $(impl Readable for $type {
            const TYPE: ReadType = ReadType::$read;
        })*
    };
}
scalars! {
    String: Text, bool: Boolean, f32: F32, f64: F64, uuid::Uuid: Uuid,
    jiff::Timestamp: Timestamp, jiff::civil::Date: Date, serde_json::Value: Json,
}

macro_rules! integers {
    ($($type:ident),*) => {
        $(impl Readable for $type {
            const TYPE: ReadType = ReadType::Integer {
                minimum: $type::MIN as i128,
                maximum: if $type::MAX as u128 > i128::MAX as u128 { i128::MAX } else { $type::MAX as i128 },
            };
        })*
    };
}
integers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

/// Those without a sign only: a range with a hole in it is not worth describing.
macro_rules! positive_integers {
    ($($type:ident of $inner:ty),*) => {
        $(impl Readable for std::num::$type {
            const TYPE: ReadType = match <$inner>::TYPE {
                ReadType::Integer { maximum, .. } => ReadType::Integer { minimum: 1, maximum },
                other => other,
            };
        })*
    };
}
positive_integers!(NonZeroU8 of u8, NonZeroU16 of u16, NonZeroU32 of u32, NonZeroU64 of u64, NonZeroUsize of usize);

// Written out, because the compiler's messages would else show a macro.
impl<T: Readable> Readable for Option<T> {
    const TYPE: ReadType = ReadType::Option(&T::TYPE);
}

impl<T: Readable> Readable for Vec<T> {
    const TYPE: ReadType = ReadType::List(&T::TYPE);
}

impl<T: Readable> Readable for VecDeque<T> {
    const TYPE: ReadType = ReadType::List(&T::TYPE);
}

impl<T: Readable> Readable for BTreeSet<T> {
    const TYPE: ReadType = ReadType::List(&T::TYPE);
}

impl<T: Readable, S> Readable for HashSet<T, S> {
    const TYPE: ReadType = ReadType::List(&T::TYPE);
}

impl<T: Readable> Readable for BTreeMap<String, T> {
    const TYPE: ReadType = ReadType::Map(&T::TYPE);
}

impl<T: Readable, S> Readable for HashMap<String, T, S> {
    const TYPE: ReadType = ReadType::Map(&T::TYPE);
}

impl<T: Readable> Readable for Box<T> {
    const TYPE: ReadType = T::TYPE;
}

/// What a contract allows at one place, and so what a reader must decode there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Any text.
    Text,
    /// Only these texts.
    OneOf(&'static [&'static str]),
    /// A boolean.
    Boolean,
    /// Whole numbers within a range.
    Integer {
        /// The smallest.
        minimum: i128,
        /// The largest.
        maximum: i128,
    },
    /// Any number.
    Number,
    /// Text of format uuid.
    Uuid,
    /// Text of format date-time.
    Timestamp,
    /// Text of format date.
    Date,
    /// Null or something else.
    Nullable(&'static Need),
    /// An array.
    List(&'static Need),
    /// An object with free keys.
    Map(&'static Need),
    /// An object with properties; what is read of it is checked where the part is declared.
    Object,
    /// What no type pins down.
    Anything,
}

/// The largest whole number up to which `f64` holds every one.
const F64_EXACT_MAX: i128 = 1 << 53;

/// Whether a type decodes whatever is needed.
#[must_use]
pub const fn fits(need: &Need, ty: &ReadType) -> bool {
    match (need, ty) {
        (_, ReadType::Json | ReadType::Unchecked) => true,
        (Need::Nullable(need), ReadType::Option(ty)) => fits(need, ty),
        (Need::Nullable(_), _) => false,
        (_, ReadType::Option(ty)) => fits(need, ty),
        (Need::Integer { minimum, maximum }, ReadType::Integer { minimum: least, maximum: most }) => {
            *minimum >= *least && *maximum <= *most
        }
        (Need::Integer { minimum, maximum }, ReadType::F64) => {
            *minimum >= -F64_EXACT_MAX && *maximum <= F64_EXACT_MAX
        }
        (Need::OneOf(needed), ReadType::OneOf(known)) => covers(known, needed),
        (Need::Object, ReadType::Map(values)) => matches!(values, ReadType::Json),
        (Need::List(need), ReadType::List(ty)) | (Need::Map(need), ReadType::Map(ty)) => fits(need, ty),
        (Need::Number, ReadType::F64)
        | (Need::Boolean, ReadType::Boolean)
        | (Need::Uuid, ReadType::Uuid)
        | (Need::Timestamp, ReadType::Timestamp)
        | (Need::Date, ReadType::Date)
        | (Need::Object, ReadType::Object(_))
        | (Need::Text | Need::OneOf(_) | Need::Uuid | Need::Timestamp | Need::Date, ReadType::Text) => true,
        _ => false,
    }
}

/// Whether all of some texts are among others; a loop, because iterators are not for constants.
const fn covers(all: &[&str], some: &[&str]) -> bool {
    let mut index = 0;
    while index < some.len() {
        let mut other = 0;
        while other < all.len() && !same(all[other], some[index]) {
            other += 1;
        }
        if other == all.len() {
            return false;
        }
        index += 1;
    }
    true
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Quantity = u8;

    const SMALL: Need = Need::Integer { minimum: 0, maximum: 9 };
    const LARGE: Need = Need::Integer { minimum: 0, maximum: 999 };

    #[test]
    fn types_are_judged_by_what_they_are() {
        let upto = |maximum| Need::Integer { minimum: 0, maximum };
        let colors = Need::OneOf(&["red", "blue"]);
        for (need, ty, fit) in [
            (upto(255), Quantity::TYPE, true),
            (upto(256), Quantity::TYPE, false),
            (upto(255), std::num::NonZeroU32::TYPE, false),
            (Need::Integer { minimum: 1, maximum: 5 }, std::num::NonZeroU32::TYPE, true),
            (upto(1 << 53), f64::TYPE, true),
            (upto((1 << 53) + 1), f64::TYPE, false),
            (upto(1), f32::TYPE, false),
            (Need::Number, f64::TYPE, true),
            (Need::Number, f32::TYPE, false),
            (Need::Text, String::TYPE, true),
            (Need::Text, uuid::Uuid::TYPE, false),
            (Need::Uuid, String::TYPE, true),
            (colors, String::TYPE, true),
            (colors, ReadType::OneOf(&["blue", "green", "red"]), true),
            (colors, ReadType::OneOf(&["blue"]), false),
            (Need::Nullable(&Need::Boolean), bool::TYPE, false),
            (Need::Nullable(&Need::Boolean), <Option<Option<bool>>>::TYPE, true),
            (Need::Nullable(&Need::Boolean), serde_json::Value::TYPE, true),
            (Need::Boolean, <Option<bool>>::TYPE, true),
            (Need::List(&SMALL), <Box<Vec<u8>>>::TYPE, true),
            (Need::List(&Need::Nullable(&SMALL)), <Vec<u8>>::TYPE, false),
            (Need::Map(&SMALL), <HashMap<String, u8>>::TYPE, true),
            (Need::Map(&LARGE), <BTreeMap<String, u8>>::TYPE, false),
            (Need::Object, <BTreeMap<String, serde_json::Value>>::TYPE, true),
            (Need::Object, <BTreeMap<String, u8>>::TYPE, false),
            (Need::Anything, String::TYPE, false),
            (Need::Anything, ReadType::Unchecked, true),
        ] {
            assert_eq!(fits(&need, &ty), fit, "{need:?} as {ty:?}");
        }
    }
}
