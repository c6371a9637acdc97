use tidings::Reads;

#[derive(Reads)]
#[reads("orders.placed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Coupon {
    coupon: String,
}

#[derive(Reads)]
#[reads("inventory.stock-changed", versions = "1", schemas = "../../crates/tidings/tests/schemas")]
struct Weight {
    weight_kg: f64,
}

fn main() {}
