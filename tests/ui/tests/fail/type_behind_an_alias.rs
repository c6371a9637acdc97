//! What counts is what a type is, not how it is spelled.
use std::collections::BTreeMap;

use tidings::Reads;

type Quantity = u8;
type Share = f32;

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas", at = "lines[]")]
struct Line {
    quantity: Quantity,
}

#[derive(Reads)]
#[reads("inventory.stock-changed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Stock {
    on_hand: std::num::NonZeroU32,
    by_warehouse: BTreeMap<std::string::String, Quantity>,
    weight_kg: Option<Share>,
}

fn main() {}
