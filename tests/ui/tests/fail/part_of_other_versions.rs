use tidings::Reads;

#[derive(Reads)]
#[reads("orders.placed", versions = "1..=2", schemas = "../../crates/tidings/tests/schemas")]
struct Order {
    total: Option<Total>,
}

#[derive(Reads)]
#[reads("orders.placed", versions = "2", schemas = "../../crates/tidings/tests/schemas", at = "total")]
struct Total {
    cents: i64,
}

#[derive(Reads)]
#[reads("shipping.parcel.sent", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Parcel {
    insured_for: Option<Total>,
}

fn main() {}
