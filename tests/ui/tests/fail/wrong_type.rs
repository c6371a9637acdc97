use jiff::Timestamp;
use tidings::Reads;
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas")]
struct Order {
    order_id: u64,
    placed_at: String,
    channel: Uuid,
    lines: Vec<String>,
    total: f64,
    note: Option<Timestamp>,
}

#[derive(Reads)]
#[reads("inventory.stock-changed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Stock {
    weight_kg: Option<i64>,
    tags: Option<Vec<String>>,
    reason: Option<String>,
}

fn main() {}
