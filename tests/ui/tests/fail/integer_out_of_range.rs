use std::collections::HashMap;

use tidings::Reads;

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Total {
    total_cents: u32,
}

#[derive(Reads)]
#[reads("inventory.stock-changed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Stock {
    on_hand: i32,
    delta: Option<u16>,
    by_warehouse: HashMap<String, u16>,
}

fn main() {}
