//! From a place in a JSON text to the field that is there.

/// Where the walk is: in which object or array, and at which of its values.
enum Level {
    Object { key: String, is_value: bool },
    Array(usize),
}

/// The path of the value that the byte `at` belongs to: `lines[0].count`. `None` at the top.
pub(super) fn path_at(json: &str, at: usize) -> Option<String> {
    let bytes = json.as_bytes();
    let mut levels: Vec<Level> = Vec::new();
    let mut place = 0;
    while place < bytes.len().min(at) {
        match bytes[place] {
            b'"' => {
                let end = end_of_string(bytes, place);
                if end >= at && !matches!(levels.last(), Some(Level::Object { is_value: false, .. })) {
                    break;
                }
                if let Some(Level::Object { key, is_value: false }) = levels.last_mut() {
                    *key = json.get(place + 1..end.saturating_sub(1)).unwrap_or_default().to_owned();
                }
                place = end;
                continue;
            }
            b'{' => levels.push(Level::Object { key: String::new(), is_value: false }),
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => drop(levels.pop()),
            b':' => set_value(levels.last_mut(), true),
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                last => set_value(last, false),
            },
            _ => {}
        }
        place += 1;
    }
    written(&levels)
}

fn set_value(level: Option<&mut Level>, value: bool) {
    if let Some(Level::Object { is_value, .. }) = level {
        *is_value = value;
    }
}

/// Behind the string that begins here.
fn end_of_string(bytes: &[u8], begin: usize) -> usize {
    let mut place = begin + 1;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'\\' => place += 2,
            b'"' => return place + 1,
            _ => place += 1,
        }
    }
    bytes.len()
}

fn written(levels: &[Level]) -> Option<String> {
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object { key, .. } if key.is_empty() => {}
            Level::Object { key, .. } if path.is_empty() => path.push_str(key),
            Level::Object { key, .. } => {
                path.push('.');
                path.push_str(key);
            }
            Level::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    (!path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_field() {
        let json = r#"{"a":"x, \"y\":","lines":[{"count":1},{"count":22,"of":{"deep":true}}],"end":null}"#;
        let at = |what: &str| json.find(what).unwrap();
        for (place, path) in [
            (at("x, "), Some("a")),
            (at("1}"), Some("lines[0].count")),
            (at("22") + 1, Some("lines[1].count")),
            (at("true"), Some("lines[1].of.deep")),
            (at("null"), Some("end")),
            (0, None),
            (json.len(), None),
        ] {
            assert_eq!(path_at(json, place).as_deref(), path, "{place}");
        }
    }
}
