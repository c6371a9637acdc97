use tidings::Reads;
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "broken-schemas")]
struct OrderRef {
    order_id: Uuid,
}

fn main() {}
