//! A payload as the validator reads it: borrowed from the text that will be stored.
//!
//! The text is written once, by the event's own serializer, and is what readers get; so it, and not a
//! `serde_json::Value` made beside it, is what has to be valid. Taking it apart costs one vector for each object and
//! array, where a `Value` costs a string for each name and each text.

use std::borrow::Cow;
use std::fmt;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// One value of a JSON text.
pub(crate) enum Document<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text<'a>),
    List(Vec<Document<'a>>),
    /// In the order of the text. Generated types write no name twice.
    Object(Vec<(Text<'a>, Document<'a>)>),
}

/// A name or text: borrowed, unless it holds an escape.
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Document<'de>, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Document<'de>, E> {
        Ok(Document::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Document<'de>, E> {
        Ok(Document::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Document<'de>, E> {
        Ok(Document::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Document<'de>, E> {
        Ok(Number::from_f64(number).map_or(Document::Null, Document::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Document<'de>, E> {
        Ok(Document::Text(Text(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Document<'de>, E> {
        Ok(Document::Text(Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Document::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Document<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Document::Object(object))
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// The representation's name, for the validator.
pub(crate) struct DocumentJson;

impl Json for DocumentJson {
    type Node<'a> = &'a Document<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    // A lookup walks the members anyway, so for small objects one pass over them is never worse.
    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Self::Node<'_>) -> T) -> T {
        f(&Document::Text(Text(Cow::Borrowed(string))))
    }
}

impl<'a> Node<'a, DocumentJson> for &'a Document<'a> {
    type Object = &'a [(Text<'a>, Document<'a>)];
    type Array = &'a [Document<'a>];
    type Number = &'a Number;

    fn as_object(&self) -> Option<Self::Object> {
        match self {
            Document::Object(members) => Some(members),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Self::Array> {
        match self {
            Document::List(items) => Some(items),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Document::Text(Text(text)) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<&'a Number> {
        match self {
            Document::Number(number) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self {
            Document::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Document::Null)
    }

    fn json_type(&self) -> JsonType {
        match self {
            Document::Null => JsonType::Null,
            Document::Bool(_) => JsonType::Boolean,
            Document::Number(_) => JsonType::Number,
            Document::Text(_) => JsonType::String,
            Document::List(_) => JsonType::Array,
            Document::Object(_) => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self, expected) {
            // The usual case, an enumeration of texts, without making a `Value`.
            (Document::Text(Text(text)), Value::String(expected)) => text == expected,
            (Document::Text(_), _) | (_, Value::String(_)) => false,
            _ => jsonschema::json::cmp::equal(&self.to_value(), expected),
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(match self {
            Document::Null => Value::Null,
            Document::Bool(truth) => Value::Bool(*truth),
            Document::Number(number) => Value::Number(number.clone()),
            Document::Text(Text(text)) => Value::String(text.clone().into_owned()),
            Document::List(items) => items.iter().map(|item| item.to_value().into_owned()).collect(),
            Document::Object(members) => members
                .iter()
                .map(|(Text(name), member)| (name.clone().into_owned(), member.to_value().into_owned()))
                .collect(),
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Document<'_>>(self) as usize))
    }
}

impl<'a> Object<'a, DocumentJson> for &'a [(Text<'a>, Document<'a>)] {
    type Node = &'a Document<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn get(&self, key: &String) -> Option<&'a Document<'a>> {
        self.iter().find(|(Text(name), _)| name == key).map(|(_, member)| member)
    }

    fn members(&self) -> Members<'a> {
        Members(self.iter())
    }
}

/// The members of an object, with their names.
pub(crate) struct Members<'a>(std::slice::Iter<'a, (Text<'a>, Document<'a>)>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a Document<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(Text(name), member)| (&**name, member))
    }
}

impl<'a> Array<'a, DocumentJson> for &'a [Document<'a>] {
    type Node = &'a Document<'a>;
    type ElementsIter = std::slice::Iter<'a, Document<'a>>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn elements(&self) -> std::slice::Iter<'a, Document<'a>> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use jsonschema::json::conformance::{assert_conformance, document};

    use super::*;

    #[test]
    fn keeps_what_the_validator_relies_on() {
        let text = document().to_string();
        let parsed: Document<'_> = serde_json::from_str(&text).unwrap();
        assert_conformance::<DocumentJson>(&&parsed);
    }
}
