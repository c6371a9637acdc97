//! Decodes strictly: a field that the type does not know is an error, because a caller who misspells an optional field
//! would otherwise never learn of it.
//!
//! `serde_ignored` sees what a derived struct skips, but not what is skipped behind `#[serde(flatten)]` and in tagged or
//! untagged enums, where serde collects fields before it looks at them. For those the question is asked from outside: a
//! field of the payload that is not written back is given values of every kind, and if none of them makes any
//! difference, the type does not know it. A field under an alias, one that is left out when it has its default, or one
//! that is never written does make a difference, and is no error.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::decode;

/// Fields that are tried on one payload; each costs some decoding, and a payload may have thousands.
const TRIED_MAX: usize = 16;

/// Says whether a payload decodes, or names what it has that the type does not know.
pub(crate) fn check<T: Serialize + DeserializeOwned>(json: &[u8]) -> Result<(), String> {
    let (decoded, mut unknown) = decode::with_skipped::<T>(json).map_err(|error| error.to_string())?;
    if unknown.is_empty() {
        unknown.extend(ignored_unseen(json, &decoded));
    }
    if unknown.is_empty() { Ok(()) } else { Err(format!("unknown field `{}`", unknown.join("`, `"))) }
}

/// The first field that makes no difference to what is decoded.
fn ignored_unseen<T: Serialize + DeserializeOwned>(json: &[u8], decoded: &T) -> Option<String> {
    // What cannot be written back as JSON cannot be compared.
    let (payload, written): (Value, _) =
        (serde_json::from_slice(json).ok()?, serde_json::to_value(decoded).ok()?);
    let mut missing = Missing::default();
    missing.collect(&payload, Some(&written), "", "");
    let found =
        missing.fields.iter().find(|field| makes_no_difference::<T>(&payload, &written, &field.pointer));
    found.map(|field| field.shown.clone())
}

fn makes_no_difference<T: Serialize + DeserializeOwned>(
    payload: &Value,
    written: &Value,
    pointer: &str,
) -> bool {
    let kinds = [
        json!(null),
        json!(true),
        json!(7),
        json!(-0.5),
        json!("\u{1}"),
        json!([]),
        json!({ "\u{1}": null }),
    ];
    kinds.into_iter().all(|other| {
        let mut changed = payload.clone();
        if let Some(slot) = changed.pointer_mut(pointer) {
            *slot = other;
        }
        let decoded = serde_json::from_value::<T>(changed);
        decoded.and_then(serde_json::to_value).is_ok_and(|again| again == *written)
    })
}

/// Fields of a payload that are not where they were when it is written back.
#[derive(Default)]
struct Missing {
    fields: Vec<Field>,
}

struct Field {
    pointer: String,
    /// As `serde_ignored` shows paths, but without the place in a list: there one field is tried once.
    shown: String,
}

impl Missing {
    fn collect(&mut self, payload: &Value, written: Option<&Value>, pointer: &str, shown: &str) {
        match payload {
            Value::Object(members) => {
                for (name, member) in members {
                    let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                    let shown = if shown.is_empty() { name.clone() } else { format!("{shown}.{name}") };
                    match written.and_then(|written| written.get(name)) {
                        Some(written) => self.collect(member, Some(written), &pointer, &shown),
                        None => self.add(pointer, shown),
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let written = written.and_then(|written| written.get(index));
                    self.collect(item, written, &format!("{pointer}/{index}"), &format!("{shown}[]"));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, pointer: String, shown: String) {
        let is_new = self.fields.iter().all(|field| field.shown != shown);
        if is_new && self.fields.len() < TRIED_MAX {
            self.fields.push(Field { pointer, shown });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Order {
        sku: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        #[serde(alias = "colour", default)]
        color: Option<String>,
        #[serde(rename(deserialize = "from", serialize = "origin"), default)]
        from: u8,
        #[serde(default, skip_serializing)]
        #[allow(dead_code, reason = "only decoded")]
        token: Option<String>,
        #[serde(default)]
        tags: HashSet<String>,
        #[serde(flatten)]
        delivery: Delivery,
        #[serde(default)]
        payment: Option<Payment>,
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Serialize, Deserialize)]
    struct Delivery {
        street: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        floor: Option<u8>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "by", rename_all = "lowercase")]
    enum Payment {
        Card {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            number: Option<String>,
        },
        Cash {},
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Line {
        Piece {
            piece: String,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            gift: Option<bool>,
        },
        Weight {
            grams: u32,
        },
    }

    #[derive(Serialize, Deserialize)]
    struct Open {
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    #[test]
    fn what_makes_no_difference_is_unknown() {
        for (more, unknown) in [
            (json!({}), None),
            (json!({ "note": null, "floor": null }), None),
            (json!({ "note": "x", "colour": null, "token": "t", "from": 3, "tags": ["b", "a"] }), None),
            (json!({ "colour": "red" }), None),
            (json!({ "flor": 3 }), Some("flor")),
            (json!({ "payment": { "by": "card", "number": null } }), None),
            (json!({ "payment": { "by": "card", "nmber": "4" } }), Some("payment.nmber")),
            (json!({ "payment": { "by": "cash", "number": "4" } }), Some("payment.number")),
            (json!({ "lines": [{ "piece": "a", "gift": null }, { "grams": 5 }] }), None),
            (json!({ "lines": [{ "piece": "a" }, { "grams": 5, "gift": true }] }), Some("lines[].gift")),
        ] {
            let mut payload = json!({ "sku": "tea", "street": "High Street" });
            for (name, value) in more.as_object().unwrap() {
                payload[name] = value.clone();
            }
            let expected = unknown.map_or(Ok(()), |name| Err(format!("unknown field `{name}`")));
            assert_eq!(check::<Order>(payload.to_string().as_bytes()), expected, "{more}");
        }
        assert_eq!(check::<Open>(br#"{"whatever": null, "else": {"a": 1}}"#), Ok(()));
    }

    #[test]
    fn a_large_payload_is_not_decoded_over_and_over() {
        let lines: Vec<Value> = (0..5_000).map(|_| json!({ "piece": "a", "gift": null })).collect();
        let payload = json!({ "sku": "tea", "street": "High Street", "lines": lines }).to_string();
        let begun = std::time::Instant::now();
        check::<Order>(payload.as_bytes()).unwrap();
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
}
