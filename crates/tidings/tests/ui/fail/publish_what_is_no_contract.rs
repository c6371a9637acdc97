use tidings::{Event, Reads};
use uuid::Uuid;

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "tests/schemas")]
struct OrderRef {
    order_id: Uuid,
}

fn publish<E: Event>(_: E) {}

fn main() {
    publish(OrderRef {
        order_id: Uuid::nil(),
    });
}
