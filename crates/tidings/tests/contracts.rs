//! The macros over the fixture registry in `tests/schemas`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidings::{Command, Event, Migration, Query, Reads};
use uuid::Uuid;

mod fixture {
    tidings::contracts!("tests/schemas");

    pub(super) fn written_test() {
        every_contract_and_example_is_valid();
    }
}

use fixture::{inventory, orders, shared, shipping};

#[derive(Debug, Reads, PartialEq)]
#[reads("orders.placed", versions = "1..=2", schemas = "tests/schemas")]
struct OrderRef {
    order_id: Uuid,
    placed_at: Timestamp,
    total_cents: Option<i64>,
    lines: Option<Vec<Line>>,
    #[reads(rename = "deliver-to")]
    deliver_to: Option<BTreeMap<String, serde_json::Value>>,
    #[reads(unchecked)]
    channel: Option<Channel>,
}

#[derive(Debug, Reads, PartialEq)]
#[reads("orders.placed", versions = "1..=2", schemas = "tests/schemas", at = "lines[]")]
struct Line {
    sku: String,
    quantity: u16,
    #[serde(rename = "giftWrap")]
    gift_wrap: Option<bool>,
    price: Price,
}

#[derive(Debug, Reads, PartialEq)]
#[reads("orders.placed", versions = "1..=2", schemas = "tests/schemas", at = "lines[].price")]
struct Price {
    cents: i64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Channel {
    Web,
    Phone,
    InStore,
}

#[derive(Reads)]
#[reads("inventory.stock-changed", versions = "1", schemas = "tests/schemas")]
struct StockSeen;

/// What counts is what a type is: aliases, generated enums, and types that came through a macro.
type Cents = i64;

#[derive(Debug, Reads, PartialEq)]
#[reads("orders.placed", versions = "2", schemas = "tests/schemas")]
struct Named {
    channel: orders::placed::v2::Channel,
    total: NamedTotal,
}

macro_rules! part {
    ($name:ident: $at:literal, $field:ident: $type:ident, $other:ident: $wide:ty, $($tokens:tt)*) => {
        #[derive(Debug, Reads, PartialEq)]
        #[reads("orders.placed", versions = "2", schemas = "tests/schemas", at = $at)]
        struct $name {
            $field: $type,
            $other: $wide,
        }

        #[derive(Debug, Reads, PartialEq)]
        #[reads("orders.placed", versions = "2", schemas = "tests/schemas")]
        struct Channels {
            channel: $($tokens)*,
            total: $name,
            note: Option<String>,
        }
    };
}
part!(NamedTotal: "total", cents: Cents, currency: String, orders::placed::v2::Channel);

#[derive(Command, Serialize, Deserialize)]
#[command("orders.place", output = Uuid)]
struct PlaceOrder {}

#[derive(Command, Serialize, Deserialize)]
#[command("orders.cancel")]
struct CancelOrder;

#[derive(Query, Serialize, Deserialize)]
#[query("inventory.stock-level", output = Option<u64>)]
struct StockLevel {
    sku: String,
}

const MIGRATIONS: &[Migration] = tidings::migrations!("tests/migrations");
const BY_STORE: &tidings::MigrationsByStore = tidings::migrations!("tests/migrations-by-store");

#[test]
fn stores_may_have_texts_of_their_own() {
    let names =
        |migrations: &[Migration]| migrations.iter().map(|of| (of.version, of.name)).collect::<Vec<_>>();
    let of_both = [(1, "stock"), (2, "notes"), (3, "search")];
    assert_eq!((names(BY_STORE.sqlite), names(BY_STORE.postgres)), (of_both.to_vec(), of_both.to_vec()));
    let differ = |number: usize| BY_STORE.sqlite[number].sql != BY_STORE.postgres[number].sql;
    assert_eq!([differ(0), differ(1), differ(2)], [false, true, true]);
    assert!(BY_STORE.postgres[2].sql.contains("USING hash"), "its own text comes before the one for all");
    let _ = tidings::Module::new("inventory").migrations(BY_STORE).migrations(MIGRATIONS);
}

#[test]
fn generated_types_carry_their_contract() {
    let sent = shipping::parcel::Sent {
        number: 7,
        to: shared::Address {
            street: "1 High Street".to_owned(),
            city: "Bern".to_owned(),
            country: "CH".to_owned(),
        },
        insured_for: None,
    };
    assert_eq!(shipping::parcel::Sent::NAME, "shipping.parcel.sent");
    assert_eq!(sent.key().as_deref(), Some("7"));
    let listed: Vec<_> =
        fixture::CONTRACTS.iter().map(|contract| (contract.name, contract.version)).collect();
    assert_eq!(
        listed,
        [
            ("inventory.stock-changed", 1),
            ("orders.placed", 1),
            ("orders.placed", 2),
            ("shipping.parcel.sent", 1),
        ]
    );
    assert_eq!(orders::Placed::VERSION, 2);
    assert_eq!(inventory::StockChanged::OWNER, "inventory");
}

#[test]
fn personal_data_is_masked() {
    let shown = format!("{:?}", order());
    assert!(shown.contains("customer_id: <pii>, placed_at: 2026"), "{shown}");
    assert!(shown.contains("street: <pii>"), "{shown}");
    assert!(!shown.contains("High Street"), "{shown}");
    let reason = serde_json::json!({"clerk": "kim"});
    let mut changed: inventory::StockChanged = payloads("inventory.stock-changed/v1").remove(0);
    changed.reason = Some(reason);
    assert!(!format!("{changed:?}").contains("kim"));
}

#[test]
fn numbers_that_json_cannot_hold_are_refused() {
    let mut changed: inventory::StockChanged = payloads("inventory.stock-changed/v1").remove(0);
    changed.weight_kg = Some(f64::NAN);
    let error = serde_json::to_string(&changed).unwrap_err().to_string();
    assert!(error.starts_with("field `weight_kg` holds NaN"), "{error}");
    changed.weight_kg = None;
    changed.matrix = Some(vec![vec![1.0], vec![f64::INFINITY]]);
    let error = serde_json::to_string(&changed).unwrap_err().to_string();
    assert!(error.starts_with("field `matrix` holds NaN"), "{error}");
}

#[test]
fn a_reader_takes_only_what_it_reads() {
    let json = serde_json::to_string(&order()).unwrap();
    let read = OrderRef::decode(&json).unwrap();
    let lines = read.lines.as_deref().unwrap();
    assert_eq!((lines[0].quantity, lines[0].price.cents), (2, 2100));
    assert_eq!(read.channel, Some(Channel::InStore));
    assert_eq!(read.total_cents, None);
    assert_eq!(OrderRef::EVENT, "orders.placed");
    assert_eq!(OrderRef::VERSIONS, [1, 2]);
    assert_eq!(
        OrderRef::FIELDS,
        [
            "order_id",
            "placed_at",
            "total_cents",
            "lines[].sku",
            "lines[].quantity",
            "lines[].giftWrap",
            "lines[].price.cents",
            "deliver-to",
            "channel",
        ]
    );
    assert!(StockSeen::FIELDS.is_empty());
    let named = Named::decode(&json).unwrap();
    assert_eq!(named.channel, orders::placed::v2::Channel::InStore);
    assert!(named.total.cents > 0);
    assert_eq!(Channels::decode(&json).unwrap().total, named.total);
    StockSeen::decode(r#"{"sku": "tea", "sku": 1}"#).unwrap();
}

#[test]
fn decode_errors_name_the_field_and_hide_the_value() {
    let good = serde_json::to_value(order()).unwrap();
    for (pointer, bad, error) in [
        ("/order_id", "secret".into(), "field `order_id` cannot be read as `Uuid`"),
        ("/lines/0/quantity", "secret".into(), "field `lines[].quantity` cannot be read as `u16`"),
        ("/lines/0/price", "secret".into(), "field `lines[].price` cannot be read as `Price`"),
        ("/lines/0", serde_json::json!({"sku": "secret"}), "field `lines[].quantity` is missing"),
        ("/lines", "secret".into(), "field `lines` cannot be read as `Option<Vec<Line>>`"),
        ("/channel", "secret".into(), "field `channel` cannot be read as `Option<Channel>`"),
    ] {
        let mut json = good.clone();
        *json.pointer_mut(pointer).unwrap() = bad;
        let found = OrderRef::decode(&json.to_string()).unwrap_err().to_string();
        assert!(found.starts_with(error), "{pointer}: {found}");
        assert!(!found.contains("secret"), "{pointer}: {found}");
    }
    let missing = OrderRef::decode("{}").unwrap_err().to_string();
    assert!(missing.starts_with("field `order_id` is missing"), "{missing}");
    assert!(OrderRef::decode("").is_err());
}

/// What the macro leaves to the test that it writes.
#[test]
fn broken_examples_and_patterns_fail_a_test() {
    let contract = |pattern: &str| {
        format!(
            "{{\"x-owner\": \"orders\", \"type\": \"object\", \"additionalProperties\": false,\n \
             \"properties\": {{\"a\": {{\"type\": \"string\", \"pattern\": \"{pattern}\"}}}}}}"
        )
    };
    let (sound, broken) = (contract("^x"), contract("("));
    let panic = std::panic::catch_unwind(|| {
        tidings::__private::assert_contracts_are_valid(
            "schemas",
            &[
                ("orders.placed/v1.json", &sound),
                ("orders.placed/v1.examples.json", "[\n{\"a\": \"y\"}]"),
                ("orders.placed/v2.json", &broken),
            ],
        );
    })
    .unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("schemas/orders.placed/v1.examples.json:2:7: "), "{text}");
    assert!(text.contains("schemas/orders.placed/v2.json:2:"), "{text}");
    fixture::written_test();
}

#[test]
fn names_are_durable() {
    assert_eq!(PlaceOrder::NAME, "orders.place");
    assert_eq!(CancelOrder::NAME, "orders.cancel");
    assert_eq!(StockLevel::NAME, "inventory.stock-level");
    let versions: Vec<_> = MIGRATIONS.iter().map(|it| (it.version, it.name)).collect();
    assert_eq!(versions, [(1, "stock"), (2, "on_hand")]);
    assert!(MIGRATIONS[0].sql.starts_with("CREATE TABLE"));
}

fn order() -> orders::placed::V2 {
    payloads("orders.placed/v2").remove(0)
}

fn payloads<E: Event + serde::de::DeserializeOwned>(version: &str) -> Vec<E> {
    let folder = env!("CARGO_MANIFEST_DIR");
    let text = std::fs::read_to_string(format!("{folder}/tests/schemas/{version}.examples.json"));
    serde_json::from_str(&text.unwrap()).unwrap()
}
