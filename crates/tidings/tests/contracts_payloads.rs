//! Whatever a contract accepts, the generated type and the readers decode; and what the type writes,
//! the contract accepts.
//!
//! Payloads are the registry's examples and many mutations of them; the validator says which count.
//! The types are those of the checked-in file that `tidings gen` wrote, so that it is built as well.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidings::{Event, Reads};
use tidings_contracts::{Contract, Registry, Validator};
use uuid::Uuid;

#[path = "generated/contracts.rs"]
mod contracts;

use contracts::{inventory, orders, shipping};

const MUTANTS: usize = 4_000;

#[derive(Reads)]
#[reads("orders.placed", versions = "1..=2", schemas = "tests/schemas")]
#[allow(dead_code, reason = "only decoded")]
struct Order {
    order_id: Uuid,
    customer_id: String,
    placed_at: jiff::Timestamp,
    total_cents: Option<f64>,
    note: Option<String>,
    total: Option<Total>,
    lines: Option<Vec<Value>>,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "1..=2", schemas = "tests/schemas", at = "total")]
#[allow(dead_code, reason = "only decoded")]
struct Total {
    cents: i64,
    currency: String,
}

#[test]
fn accepted_payloads_survive_the_generated_types() {
    check::<inventory::stock_changed::V1>(|_| Ok(()));
    check::<orders::placed::V1>(|json| Order::decode(json).map(drop));
    check::<orders::placed::V2>(|json| Order::decode(json).map(drop));
    check::<shipping::parcel::sent::V1>(|_| Ok(()));
}

fn check<E: Event + DeserializeOwned + Serialize>(read: impl Fn(&str) -> Result<(), serde_json::Error>) {
    let contract = contract::<E>();
    assert_eq!(E::SCHEMA, contract.schema, "the generated file is stale");
    let validator = Validator::new(E::SCHEMA).unwrap();
    let mut random = Random(0x5eed);
    let mut accepted = 0;
    for round in 0..MUTANTS {
        let example = &contract.examples[round % contract.examples.len()];
        let mut payload = example.clone();
        for _ in 0..round.min(1 + random.below(3)) {
            mutate(&mut payload, &mut random, 0);
        }
        if !validator.violations(&payload).is_empty() {
            continue;
        }
        accepted += 1;
        let json = payload.to_string();
        let event: E = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(validator.violations(&written), [], "{json} became {written}");
        read(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(event.key().is_some(), E::KEY.is_some());
    }
    // A mutation that breaks every payload would prove nothing.
    assert!(accepted > MUTANTS / 20, "{}: only {accepted} payloads", E::NAME);
}

fn contract<E: Event>() -> Contract {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    let registry = Registry::load(&folder).unwrap();
    let versions = registry.event(E::NAME).unwrap();
    versions[&E::VERSION].clone()
}

/// Changes, drops or adds something, most often deep inside.
fn mutate(value: &mut Value, random: &mut Random, depth: usize) {
    let go_on = depth == 0 || random.below(4) > 0;
    match value {
        Value::Object(members) if go_on && !members.is_empty() => {
            let key = members.keys().nth(random.below(members.len())).unwrap().clone();
            match random.below(12) {
                0 => {
                    members.remove(&key);
                }
                1 => {
                    members.insert("unheard_of".to_owned(), any(random));
                }
                2 => {
                    members.insert(key, Value::Null);
                }
                _ => mutate(&mut members[&key], random, depth + 1),
            }
        }
        Value::Array(items) if go_on && !items.is_empty() => {
            let index = random.below(items.len());
            match random.below(6) {
                0 => items.push(any(random)),
                1 => {
                    let copy = items[index].clone();
                    items.push(copy);
                }
                2 => {
                    items.remove(index);
                }
                _ => mutate(&mut items[index], random, depth + 1),
            }
        }
        // Most often another value of the same type: those are accepted more often.
        _ => {
            let other = any(random);
            let same_type = std::mem::discriminant(value) == std::mem::discriminant(&other);
            if same_type || random.below(8) == 0 {
                *value = other;
            } else {
                mutate(value, random, depth.max(1));
            }
        }
    }
}

/// Values at the edges of what contracts say. Whole numbers are written whole: `1.0` is an integer to
/// JSON Schema, but not to serde.
fn any(random: &mut Random) -> Value {
    let pool = json!([
        null, true, false, 0, 1, -1, 1000, 1001, -1000, 4294967295u64, 4294967296u64,
        9007199254740991i64, -9007199254740991i64, 0.5, -2.5e-3,
        "", "x", "é\u{0}\n\"", "EUR", "web", "phone", "2nd-count", "CH", "order",
        "018f3b52-8d4e-7c2a-9a57-3f6f0d3c1b2a", "018F3B52-8D4E-7C2A-9A57-3F6F0D3C1B2A",
        "2026-03-01", "2024-02-29", "2026-03-01T12:00:00Z", "2016-12-31T23:59:60Z",
        "1969-03-01T12:00:00.5-11:30", "kim@example.com",
        [], {}, [null], {"a": 1}, {"cents": 5, "currency": "EUR"}, {"email": "a@example.com"},
        {"street": "s", "city": "c", "country": "DE"}
    ]);
    let index = random.below(pool.as_array().unwrap().len());
    pool[index].clone()
}

/// xorshift64*: the same payloads in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        mixed as usize % limit
    }
}
