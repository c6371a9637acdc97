//! JSON that remembers where each value stands in its file.
//!
//! `serde_json` judges whether a text is JSON; the scanner here runs only on texts it accepted and
//! adds what it does not keep: spans, the order of members, and members written twice.

use std::ops::Range;

use serde_json::Number;

/// A value and the bytes it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Node>),
    Object(Vec<Member>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

/// Why a text is not JSON, and at which byte.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// What some editors put in front of a text; JSON has no place for it (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Node {
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let fail = |at: usize, message: &str, help| SyntaxError { at, message: message.to_owned(), help };
        if text.starts_with(BYTE_ORDER_MARK) {
            return Err(fail(0, "it begins with a byte order mark", "save it as UTF-8 without one"));
        }
        let end = text.trim_end().len();
        if end == 0 {
            return Err(fail(0, "it is empty", "write the document, or remove the file"));
        }
        if let Err(error) = serde_json::from_str::<serde_json::Value>(text) {
            let full = error.to_string();
            let message = full.split(" at line ").next().unwrap_or(&full);
            if error.is_eof() {
                // The end of a file has nothing to point at, so the last thing in it is pointed at.
                let last = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
                return Err(fail(last, message, "the file ends too early; write the rest of it"));
            }
            return Err(fail(byte_of(text, error.line(), error.column()), message, ""));
        }
        let mut scanner = Scanner { text, at: 0 };
        scanner.value().ok_or_else(|| fail(scanner.at, "not JSON", ""))
    }

    pub(crate) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let member = self.members().iter().find(|member| member.key == key)?;
        Some(&member.node)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// Follows a JSON Pointer (RFC 6901, already percent-decoded).
    pub(crate) fn pointer(&self, pointer: &str) -> Option<&Node> {
        let mut node = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            node = match &node.value {
                Value::Object(_) => node.get(&token)?,
                Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(node)
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::String(text) => text.as_str().into(),
            Value::Array(items) => items.iter().map(Node::to_json).collect(),
            Value::Object(members) => {
                members.iter().map(|member| (member.key.clone(), member.node.to_json())).collect()
            }
        }
    }
}

/// Appends one token to a JSON Pointer.
pub(crate) fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

/// Line and column of a byte, both counted from 1, the column in characters.
pub(crate) fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + before.matches('\n').count();
    (line, 1 + before[line_start..].chars().count())
}

/// The byte that `serde_json` means by a line and a column (bytes, counted from 1).
fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// JSON text in one spelling: members sorted, no white space.
pub(crate) fn canonical(value: &serde_json::Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &serde_json::Value, out: &mut String) {
    match value {
        serde_json::Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // serde_json keeps members sorted, unless some crate in the build asks for their order.
            members.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, item)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn value(&mut self) -> Option<Node> {
        self.skip_space();
        let start = self.at;
        let value = match self.peek()? {
            b'{' => self.object()?,
            b'[' => self.array()?,
            b'"' => Value::String(self.string()?),
            _ => self.word()?,
        };
        Some(Node { span: start..self.at, value })
    }

    fn object(&mut self) -> Option<Value> {
        self.at += 1;
        let mut members = Vec::new();
        loop {
            self.skip_space();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let start = self.at;
                    let key = self.string()?;
                    let key_span = start..self.at;
                    self.skip_space();
                    self.at += 1; // the colon
                    let node = self.value()?;
                    members.push(Member { key, key_span, node });
                }
            }
        }
        self.at += 1;
        Some(Value::Object(members))
    }

    fn array(&mut self) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.peek()? {
                b']' => break,
                b',' => self.at += 1,
                _ => items.push(self.value()?),
            }
        }
        self.at += 1;
        Some(Value::Array(items))
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        self.at += 1;
        while self.peek()? != b'"' {
            self.at += if self.peek()? == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(self.text.get(start..self.at)?).ok()
    }

    fn word(&mut self) -> Option<Value> {
        let start = self.at;
        while !matches!(self.peek(), None | Some(b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        Some(match self.text.get(start..self.at)? {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            number => Value::Number(serde_json::from_str(number).ok()?),
        })
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_what_was_written() {
        let text = "{ \"a\": [1, \"x\\\"y\"],\n  \"é\": {\"b/c\": null} }";
        let root = Node::parse(text).unwrap();
        for (pointer, written) in
            [("", text), ("/a", "[1, \"x\\\"y\"]"), ("/a/1", "\"x\\\"y\""), ("/é/b~1c", "null")]
        {
            let node = root.pointer(pointer).unwrap();
            assert_eq!(&text[node.span.clone()], written, "{pointer}");
        }
        assert_eq!(line_column(text, root.pointer("/é").unwrap().span.start), (2, 8));
        assert_eq!(root.pointer("/a/2"), None);
    }

    #[test]
    fn broken_text_is_placed() {
        for (text, at) in [
            ("{\n  \"a\": 1,\n}", (3, 1)),
            ("{\"a\": tru}", (1, 10)),
            ("", (1, 1)),
            (" \n", (1, 1)),
            ("[1] x", (1, 5)),
            ("{\n  \"a\": [\n\n", (2, 8)),
            ("{\"é", (1, 3)),
            ("\u{feff}{}", (1, 1)),
        ] {
            let error = Node::parse(text).unwrap_err();
            assert_eq!(line_column(text, error.at), at, "{text}: {}", error.message);
        }
    }

    #[test]
    fn canonical_text_is_sorted_and_tight() {
        let value = serde_json::json!({"b": [1, {"z": 0, "y": "\n"}], "a": null});
        assert_eq!(canonical(&value), r#"{"a":null,"b":[1,{"y":"\n","z":0}]}"#);
    }
}
