//! Decoding JSON that comes from outside, and saying what is wrong without saying what it holds.
//!
//! serde quotes the value it could not use (`invalid type: string "alice@example.org", expected i64`), and errors are logged,
//! stored with what is parked, and told to callers. A value may be personal, so only its kind is kept: with the field, the
//! place, and what was expected there.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Why a payload does not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", field(.path))]
pub(crate) struct Undecoded {
    path: Option<String>,
    problem: String,
}

fn field(path: &Option<String>) -> String {
    path.as_ref().map(|path| format!("field `{path}`: ")).unwrap_or_default()
}

/// Decodes a payload.
pub(crate) fn from_str<T: DeserializeOwned>(json: &str) -> Result<T, Undecoded> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let decoded: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().clone();
        Undecoded::at(&path, error.inner())
    })?;
    deserializer.end().map_err(|error| Undecoded::from(&error))?;
    Ok(decoded)
}

/// Decodes a payload; with the fields that were seen to be skipped.
pub(crate) fn with_skipped<T: DeserializeOwned>(json: &[u8]) -> Result<(T, Vec<String>), Undecoded> {
    let (mut skipped, mut track) = (Vec::new(), serde_path_to_error::Track::new());
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let decoded = serde_ignored::deserialize::<_, _, T>(tracked, |path| skipped.push(path.to_string()));
    let decoded = decoded.map_err(|error| Undecoded::at(&track.path(), &error))?;
    deserializer.end().map_err(|error| Undecoded::from(&error))?;
    Ok((decoded, skipped))
}

impl Undecoded {
    fn at(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Self {
        // Where the syntax is broken, the line and column say more than the field.
        let named = error.classify() == Category::Data && path.iter().next().is_some();
        Self { path: named.then(|| path.to_string()), ..Self::from(error) }
    }
}

impl From<&serde_json::Error> for Undecoded {
    fn from(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // What is said of the syntax quotes nothing.
        let problem = if error.classify() == Category::Data { without_value(&text, error) } else { text };
        Self { path: None, problem }
    }
}

fn without_value(text: &str, error: &serde_json::Error) -> String {
    let place = match (error.line(), error.column()) {
        (0, _) => String::new(),
        (line, column) => format!(" at line {line} column {column}"),
    };
    let told = text.strip_suffix(&place).unwrap_or(text);
    format!("{}{place}", told_without_value(told))
}

/// The messages of serde that are known to quote nothing but names of the type, and the others cut down to that.
fn told_without_value(told: &str) -> String {
    let names_only = [
        "missing field ",
        "duplicate field ",
        "unknown field ",
        "invalid length ",
        "data did not match any variant of untagged enum ",
    ];
    if names_only.iter().any(|start| told.starts_with(start)) {
        return told.to_owned();
    }
    // The value may hold any of this text itself, so what was expected is looked for from the end.
    for (start, before_expected) in [
        ("invalid type: ", ", expected "),
        ("invalid value: ", ", expected "),
        ("unknown variant ", "`, expected "),
    ] {
        let Some(rest) = told.strip_prefix(start) else { continue };
        let Some((value, expected)) = rest.rsplit_once(before_expected) else { continue };
        let kind = value.split(['`', '"']).next().unwrap_or_default().trim_end();
        return [start.trim_end(), kind].join(" ").trim_end().to_owned() + ", expected " + expected;
    }
    // Whatever a type says of a value it refuses may quote the value.
    "not a valid value".to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is only decoded into")]
    struct Order {
        lines: Vec<Line>,
        state: Option<State>,
        id: Option<uuid::Uuid>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "it is only decoded into")]
    struct Line {
        count: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Open,
        Paid,
    }

    #[test]
    fn what_is_wrong_is_told_and_what_it_holds_is_not() {
        let cases = [
            (
                r#"{"lines":[{"count":"alice"}]}"#,
                "field `lines[0].count`: invalid type: string, expected u8 at line 1 column 26",
            ),
            (
                r#"{"lines":[{"count":"a\", expected alice"}]}"#,
                "field `lines[0].count`: invalid type: string, expected u8 at line 1 column 40",
            ),
            (
                r#"{"lines":[{"count":1977}]}"#,
                "field `lines[0].count`: invalid value: integer, expected u8 at line 1 column 23",
            ),
            (
                r#"{"lines":[],"state":"alice"}"#,
                "field `state`: unknown variant, expected `open` or `paid` at line 1 column 27",
            ),
            (r#"{"lines":[],"id":"alice"}"#, "field `id`: not a valid value at line 1 column 24"),
            ("{}", "missing field `lines` at line 1 column 2"),
            ("{\n1", "key must be a string at line 2 column 1"),
        ];
        for (json, expected) in cases {
            assert_eq!(from_str::<Order>(json).unwrap_err().to_string(), expected);
            assert_eq!(with_skipped::<Order>(json.as_bytes()).unwrap_err().to_string(), expected);
        }
        assert_eq!(with_skipped::<Order>(br#"{"lines":[],"line":1}"#).unwrap().1, ["line"]);
    }
}
