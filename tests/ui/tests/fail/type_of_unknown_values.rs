use std::collections::HashMap;

use tidings::Reads;

#[derive(serde::Deserialize)]
struct Channel;

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas")]
struct Order {
    channel: Channel,
    placed_at: char,
}

#[derive(Reads)]
#[reads("inventory.stock-changed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Stock {
    by_warehouse: HashMap<u64, u64>,
    sku: (),
}

fn main() {}
