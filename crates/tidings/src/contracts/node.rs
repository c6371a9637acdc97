//! A noted payload as the validator walks through it.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object};
use serde_json::{Number, Value};

use super::notes::{Note, Noted};

/// The representation's name, for the validator.
pub(super) struct NotedJson;

/// One value of a payload.
#[derive(Clone, Copy)]
pub(super) struct NotedNode<'a> {
    noted: &'a Noted,
    at: usize,
}

impl Noted {
    /// The whole payload.
    pub(super) fn root(&self) -> NotedNode<'_> {
        NotedNode { noted: self, at: 0 }
    }

    #[inline]
    fn text(&self, start: u32, end: u32, escaped: bool) -> Cow<'_, str> {
        if !escaped {
            return Cow::Borrowed(&self.text[start as usize..end as usize]);
        }
        // With its quotes it is a JSON text of its own, which the serializer has just written.
        let quoted = &self.text[start as usize - 1..end as usize + 1];
        Cow::Owned(serde_json::from_str(quoted).unwrap_or_default())
    }
}

impl NotedNode<'_> {
    #[inline]
    fn note(&self) -> Note {
        self.noted.notes[self.at]
    }
}

impl Note {
    /// The note behind this value, which is at `at`.
    #[inline]
    fn next(self, at: usize) -> usize {
        match self {
            Self::List { end, .. } | Self::Object { end, .. } => end as usize,
            _ => at + 1,
        }
    }
}

impl Json for NotedJson {
    type Node<'a> = NotedNode<'a>;
    type PreparedKey = String;
    type StringBuffer = Noted;

    // A lookup walks the members anyway, so for small objects one pass over them is never worse.
    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    /// A payload that is nothing but this text, without its quotes.
    fn with_string_node<T>(buffer: &mut Noted, string: &str, f: impl FnOnce(NotedNode<'_>) -> T) -> T {
        string.clone_into(&mut buffer.text);
        buffer.notes.clear();
        // It is part of a payload whose bytes are counted in 32 bits.
        buffer.notes.push(Note::Text { start: 0, end: string.len() as u32, escaped: false });
        f(buffer.root())
    }
}

impl<'a> Node<'a, NotedJson> for NotedNode<'a> {
    type Object = Members<'a>;
    type Array = Items<'a>;
    type Number = NotedNumber;

    #[inline]
    fn as_object(&self) -> Option<Members<'a>> {
        match self.note() {
            Note::Object { members, .. } => {
                Some(Members { noted: self.noted, at: self.at + 1, left: members })
            }
            _ => None,
        }
    }

    #[inline]
    fn as_array(&self) -> Option<Items<'a>> {
        match self.note() {
            Note::List { items, .. } => Some(Items { noted: self.noted, at: self.at + 1, left: items }),
            _ => None,
        }
    }

    #[inline]
    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self.note() {
            Note::Text { start, end, escaped } => Some(self.noted.text(start, end, escaped)),
            _ => None,
        }
    }

    #[inline]
    fn as_number(&self) -> Option<NotedNumber> {
        Some(match self.note() {
            Note::Unsigned(number) => NotedNumber::Unsigned(number),
            // As serde_json reads it: what is not negative is unsigned.
            Note::Signed(number) => {
                u64::try_from(number).map_or(NotedNumber::Signed(number), NotedNumber::Unsigned)
            }
            Note::Float(number) => NotedNumber::Float(number),
            _ => return None,
        })
    }

    #[inline]
    fn as_boolean(&self) -> Option<bool> {
        match self.note() {
            Note::Bool(truth) => Some(truth),
            _ => None,
        }
    }

    #[inline]
    fn is_null(&self) -> bool {
        matches!(self.note(), Note::Null)
    }

    #[inline]
    fn json_type(&self) -> JsonType {
        match self.note() {
            Note::Null => JsonType::Null,
            Note::Bool(_) => JsonType::Boolean,
            Note::Unsigned(_) | Note::Signed(_) | Note::Float(_) => JsonType::Number,
            Note::Text { .. } => JsonType::String,
            Note::List { .. } => JsonType::Array,
            Note::Object { .. } => JsonType::Object,
        }
    }

    #[inline]
    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let text = self.as_string()?;
        // A character has one to four bytes, which mostly decides it without counting.
        let bytes = text.len() as u64;
        if bytes.div_ceil(4) >= min && bytes <= max {
            return Some(true);
        }
        Some((min..=max).contains(&(text.chars().count() as u64)))
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.as_string(), expected) {
            // The usual case, an enumeration of texts, without making a `Value`.
            (Some(text), Value::String(expected)) => text == *expected,
            (Some(_), _) | (None, Value::String(_)) => false,
            _ => jsonschema::json::cmp::equal(&self.to_value(), expected),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(match self.note() {
            Note::Null => Value::Null,
            Note::Bool(truth) => Value::Bool(truth),
            Note::Text { start, end, escaped } => {
                Value::String(self.noted.text(start, end, escaped).into_owned())
            }
            Note::List { .. } => {
                self.as_array().into_iter().flatten().map(|item| item.to_value().into_owned()).collect()
            }
            Note::Object { .. } => {
                let members = self.as_object().into_iter().flatten();
                members.map(|(name, value)| (name.into_owned(), value.to_value().into_owned())).collect()
            }
            Note::Unsigned(_) | Note::Signed(_) | Note::Float(_) => {
                self.as_number().map_or(Value::Null, |number| number.to_number().into_owned().into())
            }
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        // The notes are no more than the text has bytes, which are counted in 32 bits.
        Some(NodeIdentity::tagged(std::ptr::from_ref(self.noted) as usize, self.at as u32))
    }
}

/// The members of an object from here on.
#[derive(Clone)]
pub(super) struct Members<'a> {
    noted: &'a Noted,
    at: usize,
    left: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, NotedNode<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at + 1;
        let &[Note::Text { start, end, escaped }, value] = self.noted.notes.get(at - 1..=at)? else {
            return None;
        };
        self.at = value.next(at);
        Some((self.noted.text(start, end, escaped), NotedNode { noted: self.noted, at }))
    }
}

impl<'a> Object<'a, NotedJson> for Members<'a> {
    type Node = NotedNode<'a>;
    type MemberName = Cow<'a, str>;
    type MembersIter = Self;

    fn len(&self) -> usize {
        self.left as usize
    }

    fn get(&self, key: &String) -> Option<NotedNode<'a>> {
        self.clone().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn members(&self) -> Self {
        self.clone()
    }
}

/// The items of an array from here on.
#[derive(Clone)]
pub(super) struct Items<'a> {
    noted: &'a Noted,
    at: usize,
    left: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = NotedNode<'a>;

    fn next(&mut self) -> Option<NotedNode<'a>> {
        self.left = self.left.checked_sub(1)?;
        let node = NotedNode { noted: self.noted, at: self.at };
        self.at = node.note().next(self.at);
        Some(node)
    }
}

impl<'a> Array<'a, NotedJson> for Items<'a> {
    type Node = NotedNode<'a>;
    type ElementsIter = Self;

    fn len(&self) -> usize {
        self.left as usize
    }

    fn elements(&self) -> Self {
        self.clone()
    }
}

/// A number, as it was given to the serializer.
#[derive(Clone, Copy)]
pub(super) enum NotedNumber {
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    Float(f64),
}

impl JsonNumber for NotedNumber {
    fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(number) => Some(number),
            _ => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Unsigned(number) => i64::try_from(number).ok(),
            Self::Signed(number) => Some(number),
            Self::Float(_) => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        Some(match *self {
            Self::Unsigned(number) => number as f64,
            Self::Signed(number) => number as f64,
            Self::Float(number) => number,
        })
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_number().to_string())
    }

    fn to_number(&self) -> Cow<'_, Number> {
        Cow::Owned(match *self {
            Self::Unsigned(number) => number.into(),
            Self::Signed(number) => number.into(),
            // The serializer writes a number that is not finite as null, so here are none.
            Self::Float(number) => Number::from_f64(number).unwrap_or_else(|| 0.into()),
        })
    }

    fn is_integer(&self) -> bool {
        match *self {
            Self::Unsigned(_) | Self::Signed(_) => true,
            Self::Float(number) => number.fract() == 0.0,
        }
    }

    fn is_written_as_integer(&self) -> bool {
        !matches!(self, Self::Float(_))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jsonschema::json::conformance::{assert_conformance, document};
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_what_the_validator_relies_on() {
        assert_conformance::<NotedJson>(&Noted::write(&document()).unwrap().root());
    }

    #[test]
    fn notes_say_what_the_text_says() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!([[], {}, [[1, -2, 3.5]], { "a": { "b": [true, false, null] }, "": "" }]),
            json!({ "quote\"d": "line\nbreak", "ü\u{1f600}": "ü", "plain": "text" }),
            json!([u64::MAX, i64::MIN, 1.0, -0.5, 1e300]),
        ] {
            let noted = Noted::write(&value).unwrap();
            assert_eq!(noted.text, value.to_string());
            assert_eq!(*noted.root().to_value(), value);
        }
    }

    #[test]
    fn names_that_are_numbers_are_texts() {
        let map = BTreeMap::from([(7_u32, Some(1_i64)), (8, None)]);
        let noted = Noted::write(&map).unwrap();
        assert_eq!(noted.text, r#"{"7":1,"8":null}"#);
        assert_eq!(*noted.root().to_value(), json!({ "7": 1, "8": null }));
    }

    #[test]
    fn large_numbers_keep_their_value() {
        let noted = Noted::write(&(i128::from(u64::MAX), u128::MAX, -1_i128)).unwrap();
        let members: Vec<_> =
            noted.root().as_array().unwrap().map(|item| item.as_number().unwrap()).collect();
        assert_eq!(members[0].as_u64(), Some(u64::MAX));
        assert_eq!(members[1].as_f64(), Some(u128::MAX as f64));
        assert_eq!(members[2].as_i64(), Some(-1));
    }
}
