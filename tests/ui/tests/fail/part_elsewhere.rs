use serde::Deserialize;
use tidings::Reads;

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas")]
struct Order {
    lines: Vec<Price>,
    total: Total,
    #[reads(rename = "deliver-to")]
    deliver_to: Option<Address>,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas", at = "lines[].price")]
struct Price {
    cents: i64,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas", at = "total.cents")]
struct Total {
    cents: i64,
}

#[derive(Deserialize)]
struct Address {
    country: String,
}

fn main() {}
