use tidings::Reads;
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.placed", versions = "1..=3", schemas = "../../crates/tidings/tests/schemas")]
struct OrderRef {
    order_id: Uuid,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "latest", schemas = "../../crates/tidings/tests/schemas")]
struct Latest {
    order_id: Uuid,
}

fn main() {}
