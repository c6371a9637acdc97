use tidings::Reads;
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.plcaed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct OrderRef {
    order_id: Uuid,
}

fn main() {}
